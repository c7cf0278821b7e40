"""Keep key records in a place of your own: a class that does what `Store` says, for `Gate.open(store=…)`.

The gate holds every record in memory and asks the store only for news, so a store may be slow. It judges
nothing: records come to it valid and leave it as they were. They hold hashes of secrets and no secret.

Calls come from any threads at once. An exception is told in the log `enclava_keys`, and becomes a store that
cannot answer: after a while (`stale_seconds`) nothing is admitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

__all__ = ["News", "Store"]


@dataclass(frozen=True, slots=True)
class News:
    """What changed in a store."""

    generation: int
    """Names the state of the store after these changes."""
    records: list[str] = field(default_factory=list)
    """The records that were put, as they were given to `put`."""
    removed: list[str] = field(default_factory=list)
    """The ids of the keys that were removed."""
    whole: bool = False
    """Whether `records` are all that there are, rather than what changed."""


@runtime_checkable
class Store(Protocol):
    """What a store does.

    It may also have a false `is_shared`, if nobody but this gate ever writes to it: then it is not asked for
    news.
    """

    def news(self, since: int | None, /) -> News:
        """Tell what changed since the generation `since` of an earlier answer; everything for `None`."""
        ...

    def put(self, key_id: str, record: str, revision: int, replaces: int | None, /) -> None:
        """Keep `record`, the text of a JSON object.

        `replaces` is the revision of the record that it replaces, `None` for a new key. If that is not the
        revision which is kept, raise `enclava_keys.Conflict`: somebody else was first.
        """
        ...

    def remove(self, key_id: str, /) -> bool:
        """Remove the record of this key; tell whether there was one."""
        ...

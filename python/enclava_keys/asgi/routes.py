"""What is asked of a request, by its method and path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["DEFAULT_ROUTES", "Route", "Rule", "call", "free", "keyed"]

Rule: TypeAlias = Literal["call", "keyed", "free"]
"""`call`: a call of a model, which is authorized and settled. `keyed`: a key is enough. `free`: anyone."""


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked of requests whose method and path fit `pattern`.

    A pattern is a path, `/v1/models`, with or without a method before it, `GET /v1/models`. It may start or
    end with one `*`, which stands for any text: `*/chat/completions`, `/static/*`.
    """

    pattern: str
    rule: Rule
    purpose: str | None = None
    """What requests to these paths are for; a key that serves another purpose is refused."""

    def __post_init__(self) -> None:
        """Refuse a pattern that would fit nothing, or more than it says."""
        method, path = _parts(self.pattern)
        if not path.startswith(("/", "*")) or "*" in path[1:-1] or path.count("*") > 1 or " " in path:
            message = f"pattern: must be a path with at most one `*`, first or last, not {self.pattern!r}"
            raise ValueError(message)
        if method is not None and not (method.isalpha() and method.isupper()):
            message = f"pattern: the method must be in capitals, as in `GET /v1/models`, not {self.pattern!r}"
            raise ValueError(message)


def call(pattern: str, *, purpose: str | None = None) -> Route:
    """Let calls of a model through: authorized by their bodies, and settled by what the model answers."""
    return Route(pattern, "call", purpose)


def keyed(pattern: str, *, purpose: str | None = None) -> Route:
    """Let requests through that cost nothing but need a key: a list of models, a balance."""
    return Route(pattern, "keyed", purpose)


def free(pattern: str) -> Route:
    """Let requests through that anyone may make: a health check, a page, a login."""
    return Route(pattern, "free")


_REMEMBERED = 256


class Table:
    """Routes in order: the first that fits decides, and what fits none is refused."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take the routes in order."""
        self._rows = [(*_parts(route.pattern), route) for route in routes]
        # A gateway is asked for the same few paths again and again.
        self.find: Callable[[str, str], Route | None] = lru_cache(_REMEMBERED)(self._find)
        """Find the route for a method and a path."""

    def _find(self, method: str, path: str) -> Route | None:
        for own, pattern, route in self._rows:
            if own is not None and own != method:
                continue
            if pattern == path:
                return route
            starts = pattern[-1] == "*" and path.startswith(pattern[:-1])
            ends = pattern[0] == "*" and path.endswith(pattern[1:])
            if (starts or ends) and _is_plain(path):
                return route
        return None


def _parts(pattern: str) -> tuple[str | None, str]:
    method, blank, path = pattern.partition(" ")
    return (method, path) if blank else (None, pattern)


_ODD = re.compile(r"[\\%;?#]|//|/\.\.?(?:/|$)")


# What a `*` may stand for: a path that every server and proxy behind this one reads the same way.
def _is_plain(path: str) -> bool:
    return path.startswith("/") and path.isprintable() and _ODD.search(path) is None


DEFAULT_ROUTES: Sequence[Route] = (
    call("POST */chat/completions"),
    call("POST */completions"),
    call("POST */responses"),
    call("POST */embeddings"),
    call("POST */messages"),
    keyed("GET *"),
    keyed("HEAD *"),
    # A browser asks before it sends a key; what it asks calls no model.
    free("OPTIONS *"),
)
"""The five APIs under any prefix, and a key for whatever is only read. Nothing else passes."""

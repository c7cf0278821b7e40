"""What a key spent on the days behind it, where something keeps that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from enclava_keys import Usage

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["History", "Tally", "told"]


class Tally(Protocol):
    """What the calls of one key for one model came to on one day."""

    @property
    def day(self) -> datetime:
        """When the day began."""
        ...

    @property
    def calls(self) -> int:
        """How many calls were charged."""
        ...

    @property
    def usage(self) -> Usage:
        """What they were charged."""
        ...


History: TypeAlias = Callable[[str, int], Iterable[Tally]]
"""Tells what a key (by its id) came to on the last days (that many), in any number of tallies a day."""


def told(tallies: Iterable[Tally]) -> list[dict[str, Any]] | None:
    """Sum up each day, oldest first. Nothing to tell is `None`: it may be that nobody kept it."""
    days: dict[datetime, list[Tally]] = {}
    for tally in tallies:
        days.setdefault(tally.day, []).append(tally)
    return [
        {
            "day": day.isoformat().replace("+00:00", "Z"),
            "cost": format(sum((tally.usage.cost for tally in of_day), start=Usage().cost), "f"),
            "tokens": sum(tally.usage.tokens for tally in of_day),
            "calls": sum(tally.calls for tally in of_day),
        }
        for day, of_day in sorted(days.items())
    ] or None

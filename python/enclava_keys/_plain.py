"""What the command line and the console share: how a time is told, and how far a history goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["MOST_DAYS", "instant"]

MOST_DAYS: Final = 400
"""So many days a database keeps in its history."""


def instant(at: datetime) -> str:
    """Write a time as the core does."""
    return at.isoformat().replace("+00:00", "Z")

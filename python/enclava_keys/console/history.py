"""What a key spent on the days behind it, where the ledger keeps that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enclava_keys import Usage
from enclava_keys._plain import instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from enclava_keys import Balances, Tally

__all__ = ["told"]


def told(tallies: Iterable[Tally], balances: Balances) -> list[dict[str, Any]] | None:
    """Sum up each day, oldest first. `None` where there was spend that the ledger tells nothing of."""
    days: dict[datetime, list[Tally]] = {}
    for tally in tallies:
        days.setdefault(tally.day, []).append(tally)
    if not days and (balances.monthly_spend.used or balances.daily_tokens.used):
        return None
    return [
        {
            "day": instant(day),
            "cost": format(sum((tally.usage.cost for tally in of_day), start=Usage().cost), "f"),
            "tokens": sum(tally.usage.tokens for tally in of_day),
            "calls": sum(tally.calls for tally in of_day),
        }
        for day, of_day in sorted(days.items())
    ]

"""Answers for people, and values for JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from enclava_keys._native import Usage
from enclava_keys._plain import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enclava_keys._native import Key
    from enclava_keys.values import Balance, Balances, Health, Lease, Tally

__all__ = ["balances", "health", "key", "keys", "leases", "plain", "printable", "tallies"]

_NONE = "-"


def keys(keys: Iterable[Key]) -> str:
    """Tell keys in a table."""
    heading = ("ID", "NAME", "SECRET", "STATE", "MODELS", "USD/DAY", "USD/MONTH", "TOKENS/DAY")
    rows = [
        (
            key.id,
            printable(key.name),
            key.hint or _NONE,
            key.state,
            printable(", ".join(key.allowed_models)) or "all",
            _limit(key.daily_spend_limit),
            _limit(key.monthly_spend_limit),
            _limit(key.daily_token_limit),
        )
        for key in keys
    ]
    return _table(heading, rows) if rows else "no keys"


def key(key: Key) -> str:
    """Tell every field of a key that is not the default."""
    told = key.to_dict()
    told["state"] = key.state
    secrets = told.pop("secrets")
    lines = {name: _shown(value) for name, value in told.items() if value not in (None, "", [], {})}
    lines["secrets"] = f"{key.live_secrets} in force, {len(secrets) - key.live_secrets} retired"
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())


def balances(balances: Balances) -> str:
    """Tell where budgets stand, in a table."""
    heading = ("METER", "USED", "HELD", "LIMIT", "LEFT", "USED %", "RESETS AT")
    meters: list[tuple[str, Balance[Any]]] = [
        ("daily spend", balances.daily_spend),
        ("monthly spend", balances.monthly_spend),
        ("daily tokens", balances.daily_tokens),
    ]
    rows = [
        (
            meter,
            _limit(balance.used),
            _limit(balance.held),
            _limit(balance.limit),
            _limit(balance.remaining),
            f"{100 * balance.used / balance.limit:.0f}" if balance.limit else _NONE,
            plain(balance.resets_at),
        )
        for meter, balance in meters
    ]
    return _table(heading, rows)


def tallies(tallies: Sequence[Tally]) -> str:
    """Tell what a key used by day and model, in a table."""
    heading = ("DAY", "MODEL", "CALLS", "USD", "TOKENS")
    rows = [
        (
            plain(tally.day),
            printable(tally.model or _NONE),
            str(tally.calls),
            f"{tally.usage.cost:f}",
            str(tally.usage.tokens),
        )
        for tally in tallies
    ]
    return _table(heading, rows) if rows else "nothing was used, or this store keeps no history"


def leases(leases: Sequence[Lease]) -> str:
    """Tell the leases that are open on a key's budgets, in a table."""
    heading = ("PERMIT", "PROCESS", "SINCE", "USD", "TOKENS")
    rows = [
        (
            lease.permit_id,
            str(lease.process),
            plain(lease.opened_at),
            f"{lease.holds.cost:f}",
            str(lease.holds.tokens),
        )
        for lease in leases
    ]
    return _table(heading, rows) if rows else "no process holds a lease"


def health(health: Health) -> str:
    """Tell how a file is: its counts, and a line for each fault."""
    told: dict[str, Any] = plain(health)
    faults = told.pop("faults")
    width = max(map(len, told))
    lines = [f"{name:<{width}}  {value}" for name, value in told.items()]
    return "\n".join([*lines, *(f"fault: {printable(fault)}" for fault in faults or ["none"])])


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever is told
    """Write a value in what JSON can hold: money as decimal text, times in UTC."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return instant(value)
        case list():
            return [plain(item) for item in value]
        case Usage():
            return {"cost": plain(value.cost), "tokens": value.tokens}
    return value


def printable(text: str) -> str:
    """Make text fit for a terminal: what would move its cursor is shown as `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
    return printable(str(value))


def _limit(amount: Decimal | int | None) -> str:
    return _NONE if amount is None else f"{amount:f}" if isinstance(amount, Decimal) else str(amount)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heading))]
    padded = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)

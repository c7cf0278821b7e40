"""Values that the gate tells: balances, alerts, checks, counts, faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from enclava_keys._native import Usage

__all__ = [
    "Alert",
    "Balance",
    "Balances",
    "Check",
    "Event",
    "EventKind",
    "Fault",
    "Health",
    "Lease",
    "Meter",
    "Reason",
    "Stats",
    "Tally",
]

Meter: TypeAlias = Literal["daily_spend", "monthly_spend", "daily_tokens"]
"""The limits that are counted."""

Reason: TypeAlias = Literal[
    "missing_key",
    "malformed_key",
    "unknown_key",
    "secret_retired",
    "key_revoked",
    "key_disabled",
    "key_not_yet_valid",
    "key_expired",
    "ip_not_allowed",
    "endpoint_not_allowed",
    "purpose_not_allowed",
    "model_missing",
    "model_not_allowed",
    "model_not_priced",
    "rate_limited",
    "daily_spend_exceeded",
    "monthly_spend_exceeded",
    "daily_tokens_exceeded",
    "ledger_unavailable",
    "internal_error",
]
"""Why a request is refused."""

Unit = TypeVar("Unit", "Decimal", int)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a record."""

    path: str
    """Where, as a JSON pointer: `/allowed_models/0`. Empty for the record as a whole."""
    message: str
    """What, in words that follow the path: `must not be negative`. Never the value, which may be a secret."""

    def __str__(self) -> str:
        """Tell where and what."""
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Alert:
    """A meter crossed its threshold in a window: decided exactly once.

    In `memory:` it is told once. A ledger that outlives the process keeps it until it was told: it is told at
    least once, whoever dies, and once to a receiver that remembers `id`.
    """

    id: str
    """The same each time that it is told: the key, the meter, when the window began, and the threshold."""
    key_id: str
    key_name: str
    """Empty if the key is not known here any more."""
    meter: Meter
    threshold: Decimal
    """The share of the limit that was reached: `Decimal("0.8")` is 80 %."""
    used: Decimal | int
    """US dollars as a `Decimal`, or tokens as an `int`, by the meter."""
    limit: Decimal | int
    window_start: datetime
    resets_at: datetime


EventKind: TypeAlias = Literal[
    "key_created",
    "key_updated",
    "key_rotated",
    "key_disabled",
    "key_enabled",
    "key_revoked",
    "key_deleted",
    "store_changed",
    "store_refused",
    "store_unavailable",
    "store_recovered",
    "key_unreadable",
    "model_word",
    "model_near_miss",
    "store_exposed",
    "ledger_unavailable",
    "admitted_degraded",
    "hold_lapsed",
    "estimate_overrun",
]
"""What happened. New kinds may come."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an operator should be able to find out about later. None holds a secret."""

    at: datetime
    """When it happened, by the gate's clock."""
    kind: EventKind
    key_id: str | None
    """Whose key, where it is about one."""
    note: str
    """What more there is to say, for people. Often empty."""
    times: int
    """How often it happened, from 1; `at` is the first time."""


@dataclass(frozen=True, slots=True)
class Balance(Generic[Unit]):
    """Where one meter stands in its present window: US dollars as `Decimal`, or tokens as `int`."""

    used: Unit
    """Charged so far. It may be past the limit: facts are recorded whatever they are."""
    held: Unit
    """Set aside for calls in flight."""
    limit: Unit | None
    """`None` is no limit."""
    remaining: Unit | None
    """The most that the next call may be estimated at: the limit less what is used and held, at least zero;
    `None` is no limit."""
    resets_at: datetime
    """When the window ends and the meter starts from zero."""


@dataclass(frozen=True, slots=True)
class Balances:
    """Where the budgets of one key stand."""

    daily_spend: Balance[Decimal]
    monthly_spend: Balance[Decimal]
    daily_tokens: Balance[int]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the calls of one key for one model came to on one day."""

    day: datetime
    """When the day began, in the key's time zone of then."""
    model: str | None
    """`None` for what was charged without naming one."""
    calls: int
    """How many calls were charged."""
    usage: Usage
    """What they were charged."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a SQLite file of keys and budgets is."""

    faults: list[str]
    """What is wrong, each with what it is about; empty if all is well. At most a hundred are told."""
    sqlite: str
    """The version of SQLite."""
    schema: int
    """The version of the schema."""
    keys: int
    """Key records."""
    accounts: int
    """Owners of budgets that were used."""
    live: int
    """Calls in flight."""
    holds: int
    """Calls that are remembered, in flight or not."""
    alerts: int
    """Alerts that nobody was told yet."""
    bytes: int
    """The size of the file."""
    journal_bytes: int
    """The size of the journal beside it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a process has taken of a key's budgets to hand out by itself."""

    permit_id: str
    """To `Gate.settle` it by, when its process is dead."""
    process: int
    """The number of the process on its host."""
    opened_at: datetime
    """When it was taken, by the clock of that process."""
    holds: Usage
    """What it holds: not reported as used, and not free for others."""


@dataclass(frozen=True, slots=True)
class Check:
    """How a request fared with one rule."""

    rule: Literal[
        "key",
        "ip",
        "endpoint",
        "purpose",
        "model",
        "in_flight",
        "daily_spend",
        "monthly_spend",
        "daily_tokens",
    ]
    passed: bool
    note: str
    """What it compared, for the operator: it names no secret, but it names what the key may do."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a gate counted since it was opened, for metrics."""

    keys: int
    admitted: int
    denied: dict[Reason, int]
    """Denials by reason; reasons never given are absent."""
    settled: int
    released: int
    dropped: int
    """Permits that nobody settled."""
    lapsed: int
    recorded: int
    extended: int
    overrun: int
    """Calls that came to more than was set aside."""
    alerts_lost: int
    events_lost: int
    refresh_failures: int

"""Keep budgets in a place of your own: a class that does what `Ledger` says, given to `Gate.open(ledger=…)`.

A ledger keeps rows (one for each owner, meter and window) and holds, and does one thing: it takes a step,
whole or not at all. What a step means is decided elsewhere; `Change.is_admitted` and `Change.carry_out` are
all the arithmetic. It keeps no history, and no alerts: those are told once, by the process that settled.

Calls come from any threads at once. An exception is told in the log `enclava_keys`, and the call that met it
is denied `ledger_unavailable` or raises `LedgerError`, with the exception as its cause: nothing is admitted
without an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from enclava_keys._native import Change, Hold, Moved, Outcome, Row, Step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = ["Change", "Hold", "Ledger", "Moved", "Outcome", "Phase", "Row", "RowKey", "Step"]

Phase: TypeAlias = Literal["live", "settled", "released", "dropped", "lapsed"]
"""Where a hold is in its life."""

RowKey: TypeAlias = tuple[str, str, str]
"""Names a row: the owner, the meter, and when the window begins, as RFC 3339 text."""


@runtime_checkable
class Ledger(Protocol):
    """What a ledger does.

    It may also have `flush()`, called when the gate closes.
    """

    def apply(self, step: Step, /) -> Outcome:
        """Take one step, as if alone, or say why not.

        1. If the hold `(step.owner, step.becomes.id)` is not at the revision `step.expected` (0: there is
           none), answer `Outcome.unexpected` with the hold as it is.
        2. If `step.most_live` is not `None` and the owner has that many live holds, answer `Outcome.crowded`.
        3. If any change `is_admitted` of its row is false, change nothing and answer `Outcome.refused` with
           the rows. A row never written is `Row()`.
        4. Otherwise `carry_out` every change, keep what the rows become and `step.becomes`, and answer
           `Outcome.taken`.

        A row is never reset: another window is another row. Keep the rows of the last two windows and those
        that a live hold is in, every live hold, and of the others as many as you like, forgetting the oldest
        first.
        """
        ...

    def row(self, key: RowKey, /) -> Row:
        """Tell the row; `Row()` if it was never written."""
        ...

    def hold(self, owner: str, hold_id: str, /) -> Hold | None:
        """Tell the hold, if it is remembered."""
        ...

    def due(self, owner: str, now: datetime, most: int, /) -> Iterable[Hold]:
        """Tell at most `most` live holds of the owner that lapse by `now`."""
        ...

    def forget(self, owner: str, /) -> None:
        """Forget the owner, once its last live hold is closed."""
        ...

"""What can go wrong. Every exception of the package is an `EnclavaError`; none holds a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from enclava_keys._native import Denial, Settlement
    from enclava_keys.values import Fault, Reason

__all__ = [
    "AlreadySettled",
    "Conflict",
    "Denied",
    "EnclavaError",
    "InvalidRecord",
    "InvalidValue",
    "LedgerError",
    "NotFound",
]


class EnclavaError(Exception):
    """The base of everything that this package raises about keys, policy and budgets."""


class Denied(EnclavaError):
    """The request is refused. What to send to the client is here, worked out when it is asked for."""

    def __init__(self, denial: Denial) -> None:
        """Carry `denial`."""
        super().__init__(denial)

    @property
    def denial(self) -> Denial:
        """The denial itself."""
        denial: Denial = self.args[0]
        return denial

    @property
    def reason(self) -> Reason:
        """Why, in one word: `"model_not_allowed"`."""
        return self.denial.reason

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return self.denial.status

    @property
    def message(self) -> str:
        """What happened and what to do about it, for the developer of the client."""
        return self.denial.message

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body to answer with, as OpenAI's clients expect it."""
        return self.denial.body

    @property
    def anthropic_body(self) -> dict[str, Any]:
        """The JSON body to answer with, as Anthropic's clients expect it."""
        return self.denial.anthropic_body

    @property
    def headers(self) -> dict[str, str]:
        """The headers to answer with; their names are in lower case."""
        return self.denial.headers

    @property
    def retry_after(self) -> int | None:
        """Whole seconds to wait before the request is worth repeating; `None` where waiting does not help."""
        return self.denial.retry_after

    @property
    def resets_at(self) -> datetime | None:
        """When the budget that refused starts from zero; `None` unless a budget refused."""
        return self.denial.resets_at

    @property
    def transient(self) -> bool:
        """Whether the same request may be admitted in a moment, with nothing changed by anyone."""
        return self.denial.transient

    def sse_event(self, dialect: Literal["openai", "anthropic"] = "openai") -> str:
        """Tell the denial as a server-sent event, for a stream whose status has already gone out."""
        return self.denial.sse_event(dialect)

    def __str__(self) -> str:
        """Tell the message."""
        return self.message


class InvalidRecord(EnclavaError):
    """A record, an edit or a file that is not valid. `str()` lists every fault with its field."""

    def __init__(self, errors: list[Fault]) -> None:
        """Carry every fault."""
        super().__init__(errors)

    @property
    def errors(self) -> list[Fault]:
        """Every fault, each with the path of its field: `/allowed_models/0`."""
        errors: list[Fault] = self.args[0]
        return errors

    def __str__(self) -> str:
        """List the faults."""
        return "; ".join(map(str, self.errors))


class InvalidValue(EnclavaError, ValueError):
    """An argument that is not valid. Nothing was done; a hold stays live."""

    def __init__(self, field: str, message: str) -> None:
        """Carry the name of the argument and what is wrong with it."""
        super().__init__(field, message)

    @property
    def field(self) -> str:
        """The name of the argument."""
        field: str = self.args[0]
        return field

    def __str__(self) -> str:
        """Tell which argument and what is wrong with it."""
        return f"{self.args[0]}: {self.args[1]}"


class NotFound(EnclavaError):
    """There is no such key or permit."""


class Conflict(EnclavaError):
    """The state of things forbids it: a revision that moved on, an edit that would widen, a name taken."""


class AlreadySettled(EnclavaError):
    """The permit was settled or released before; nothing was charged now."""

    def __init__(self, message: str, settlement: Settlement) -> None:
        """Carry the first settlement."""
        super().__init__(message, settlement)

    @property
    def settlement(self) -> Settlement:
        """What the permit was settled with the first time.

        Only `usage` is remembered; the other fields are empty.
        """
        settlement: Settlement = self.args[1]
        return settlement

    def __str__(self) -> str:
        """Tell that it was settled before."""
        return str(self.args[0])


class LedgerError(EnclavaError):
    """The ledger or the store cannot answer. What was asked may be asked again."""

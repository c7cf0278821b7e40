"""What the console answers: records as the core tells them, and every failure in one shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from enclava_keys import Conflict, InvalidRecord, InvalidValue, LedgerError, NotFound
from enclava_keys._plain import instant
from enclava_keys.console.tokens import Forbidden, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enclava_keys import Balance, Balances, Key, NewKey

__all__ = ["API_HEADERS", "Refused", "answer", "failed", "failure", "key", "record", "shown", "usage"]

API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WIDENS = "this edit would widen "


class Refused(Exception):  # noqa: N818 - it is an answer
    """A request that the console itself refuses."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say how: `path` is the JSON pointer of the field that is at fault, if one is."""
        super().__init__(message)
        faults = [] if path is None else [{"path": path, "message": message}]
        message = f"{path}: {message}" if path else message
        self.answer: Response = failure(status, code, message, faults, headers)


def answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with `content` as JSON; text counts as JSON already."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, allow_nan=False)
    headers = {**API_HEADERS, **(headers or {})}
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")


# The record stays the text that the core wrote: metadata may hold numbers that no float can.
def record(key: Key, told: Balances | None = None) -> str:
    """Tell a key: its record, what state it is in, and where its budgets stand."""
    more = f',"state":{json.dumps(key.state)}'
    if told is not None:
        more += f',"usage":{json.dumps(usage(told))}'
    return f"{key.to_json()[:-1]}{more}}}"


def key(told: Key) -> Response:
    """Answer with a key."""
    return answer(200, record(told), _etag(told))


def shown(status: int, made: NewKey, location: str | None = None) -> Response:
    """Answer with a new secret. Nothing else ever does."""
    headers = _etag(made.key) | ({} if location is None else {"Location": location})
    told = {"api_key": made.secret.reveal(), "id": made.key.id, "hint": made.key.hint}
    text = json.dumps(told, ensure_ascii=False)
    return answer(status, f'{text[:-1]},"key":{record(made.key)}}}', headers)


def usage(told: Balances) -> dict[str, Any]:
    """Tell where the budgets stand."""
    return {
        "daily_spend": _balance(told.daily_spend),
        "monthly_spend": _balance(told.monthly_spend),
        "daily_tokens": _balance(told.daily_tokens),
    }


def failure(
    status: int,
    code: str,
    message: str,
    faults: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with what went wrong."""
    return answer(status, {"error": {"code": code, "message": message, "faults": faults or []}}, headers)


def failed(error: Exception) -> Response | None:
    """Answer with what the gate or the console raised; `None` for what neither should."""
    told: Response | None = None
    match error:
        case Unauthorized():
            headers = {"WWW-Authenticate": 'Bearer realm="API Keys"'}
            told = failure(401, "unauthorized", "a valid admin token is required", headers=headers)
        case Forbidden():
            told = failure(403, "forbidden", "this token does not belong to an admin")
        case Refused():
            told = error.answer
        case InvalidRecord():
            faults = [{"path": fault.path, "message": fault.message} for fault in error.errors]
            told = failure(422, "invalid_record", str(error), faults)
        case InvalidValue():
            fault = {"path": f"/{error.field}", "message": str(error.args[1])}
            told = failure(422, "invalid_record", str(error), [fault])
        case NotFound():
            told = failure(404, "not_found", str(error))
        case Conflict():
            code = "would_widen" if str(error).startswith(_WIDENS) else "conflict"
            told = failure(409, code, str(error))
        case LedgerError():
            told = failure(503, "ledger_unavailable", str(error), headers={"Retry-After": "1"})
    return told


def _etag(told: Key) -> dict[str, str]:
    return {"ETag": f'"{told.revision}"'}


def _balance(balance: Balance[Any]) -> dict[str, Any]:
    amounts = {
        "used": balance.used,
        "held": balance.held,
        "limit": balance.limit,
        "remaining": balance.remaining,
    }
    told = {name: _amount(amount) for name, amount in amounts.items()}
    return {**told, "resets_at": instant(balance.resets_at)}


def _amount(amount: Any) -> int | str | None:  # noqa: ANN401 - dollars or tokens
    return amount if amount is None or isinstance(amount, int) else format(amount, "f")

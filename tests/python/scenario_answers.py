"""Answers of the gate as scenarios tell them, and how they differ from what is expected."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scenario_schema import Number

from enclava_keys import (
    AlreadySettled,
    Conflict,
    Denied,
    EnclavaError,
    InvalidRecord,
    InvalidValue,
    LedgerError,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from enclava_keys import Alert, Balances, Decision, Event, Key, Permit, Settlement, Usage

KINDS = {
    "invalid_record": InvalidRecord,
    "invalid_value": InvalidValue,
    "not_found": NotFound,
    "conflict": Conflict,
    "already_settled": AlreadySettled,
    "ledger": LedgerError,
}


def plain(value: Any) -> Any:
    """Write money, times and numbers as scenarios do."""
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case bool() | str() | None:
            return value
        case int():
            return Number(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(member) for name, member in value.items()}
    return value


def usage(usage: Usage) -> dict[str, Any]:
    return {"cost": usage.cost, "tokens": usage.tokens}


def key(key: Key) -> dict[str, Any]:
    told = key.to_dict()
    return told | {
        "alert_threshold": key.alert_threshold,
        "daily_spend_limit": key.daily_spend_limit,
        "created_at": key.created_at,
        "not_before": key.not_before,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "updated_at": key.updated_at,
        "state": key.state,
        "live_secrets": key.live_secrets,
    }


def permit(permit: Permit) -> dict[str, Any]:
    return usage(permit.estimate) | {
        "model": permit.model,
        "max_tokens": permit.max_tokens,
        "reduced": permit.is_reduced,
        "streamed": permit.is_streamed,
        "view": permit.is_view,
        "degraded": permit.is_degraded,
    }


def alert(alert: Alert, name_of: Callable[[str], str]) -> dict[str, Any]:
    return {
        "id": alert.id,
        "key": name_of(alert.key_id),
        "key_name": alert.key_name,
        "meter": alert.meter,
        "threshold": alert.threshold,
        "used": alert.used,
        "limit": alert.limit,
        "window_start": alert.window_start,
        "resets_at": alert.resets_at,
    }


def event(event: Event, name_of: Callable[[str], str]) -> dict[str, Any]:
    key = name_of(event.key_id) if event.key_id else None
    return {"kind": event.kind, "key": key, "at": event.at, "times": event.times}


def settlement(settlement: Settlement, name_of: Callable[[str], str]) -> dict[str, Any]:
    return usage(settlement.usage) | {
        "overrun": usage(settlement.overrun),
        "late": settlement.late,
        "alerts": [alert(told, name_of) for told in settlement.alerts],
    }


def balances(balances: Balances) -> dict[str, Any]:
    fields = ("used", "held", "limit", "remaining", "resets_at")
    meters = ("daily_spend", "monthly_spend", "daily_tokens")
    return {meter: {field: getattr(getattr(balances, meter), field) for field in fields} for meter in meters}


def decision(decision: Decision) -> dict[str, Any]:
    return {
        "allowed": bool(decision),
        "reason": decision.reason,
        "status": decision.status,
        "rules": [("" if check.passed else "!") + check.rule for check in decision.checks],
    }


def compare(expect: dict[str, Any], answer: object) -> None:
    """Compare what a step answered, or raised, with what is expected of it."""
    match expect, answer:
        case {"denied": denied}, Denied():
            _compare_denial(denied, answer)
        case {"error": error}, EnclavaError() if not isinstance(answer, Denied):
            compare_error(error, answer)
        case {"ok": fields}, dict():
            for name, value in fields.items():
                _same(name, value, plain(answer[name]))
        case _:
            difference = f"it should be {expect}, and it was {answer!r}"
            raise AssertionError(difference)


def compare_error(error: dict[str, Any], raised: EnclavaError) -> None:
    """Compare what was raised with the error that is expected."""
    assert type(raised) is KINDS[error["kind"]], repr(raised)
    for part in error.get("says", []):
        assert part in str(raised)
    if isinstance(raised, AlreadySettled):
        first = plain(usage(raised.settlement.usage))
        assert first == {"cost": error["cost"], "tokens": error["tokens"]}
    if isinstance(raised, InvalidRecord):
        found = list(raised.errors)
        for fault in error["faults"]:
            fits = [
                other
                for other in found
                if other.path == fault["path"]
                and all(part in other.message for part in fault.get("says", []))
            ]
            assert fits, f"no fault {fault} among {found}"
            found.remove(fits[0])
        assert not found, "more faults than expected"


def _compare_denial(expected: dict[str, Any], denied: Denied) -> None:
    error = denied.body["error"]
    found = plain(
        {
            "reason": denied.reason,
            "status": denied.status,
            "transient": denied.transient,
            "retry_after": denied.retry_after,
            "resets_at": denied.resets_at,
            "type": error["type"],
            "code": error["code"],
            "param": error["param"],
            "budget": error.get("budget"),
            "anthropic_type": denied.anthropic_body["error"]["type"],
        }
    )
    for name in set(found) & set(expected):
        _same(name, expected[name], found[name])
    for name, value in expected.get("headers", {}).items():
        _same(f"header {name}", value, denied.headers.get(name))
    assert error["message"] == denied.message == str(denied)
    assert denied.message.startswith(expected.get("message_starts", ""))
    for part in expected.get("message_has", []):
        assert part in denied.message
    for part in expected.get("message_lacks", []):
        assert part not in denied.message


# What is compared whole: a member that is not expected is a difference.
_WHOLE = ("budget", "metadata", "denied")


def _same(path: str, expected: Any, found: Any) -> None:
    if isinstance(expected, dict) and isinstance(found, dict) and path.rpartition(".")[2] not in _WHOLE:
        for name, value in expected.items():
            assert name in found, f"{path}.{name} is missing"
            _same(f"{path}.{name}", value, found[name])
    elif isinstance(expected, list) and isinstance(found, list):
        assert len(expected) == len(found), f"{path} should be {expected} and is {found}"
        for place, (value, item) in enumerate(zip(expected, found, strict=True)):
            _same(f"{path}.{place}", value, item)
    else:
        assert expected == found, f"{path} should be {expected!r} and is {found!r}"

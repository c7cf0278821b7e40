"""The shape of a scenario file. Nothing in it is skipped: what is not known is an error."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCENARIOS: Final = Path(__file__).parents[1] / "scenarios"
SCHEMA: Final = "enclava-keys/scenarios/1"


class Number(str):
    """A number as the text that it is written in."""

    __slots__ = ()


@dataclass(frozen=True)
class Case:
    """One case: a gate of its own and what happens to it."""

    name: str
    start: str
    options: dict[str, Any]
    prices: Any
    catalogue: Any
    opens: dict[str, Any] | None
    strict: bool
    shared: bool
    steps: list[dict[str, Any]]


class SchemaError(Exception):
    """A file that is not as it should be."""


_AMOUNTS = {"cost", "tokens"}
_PLACE = {"purpose", "endpoint", "ip"}
_KEY = set(
    "id name description prefix secret_format hint_style hint allowed_models denied_models purpose"
    " daily_spend_limit monthly_spend_limit daily_token_limit alert_threshold allowed_ips allowed_endpoints"
    " not_before expires_at timezone metadata tags enabled revoked_at created_at updated_at revision state"
    " live_secrets".split()
)
_NEW_KEY = _KEY | {"secret_prefix", "secret_length"}
_PERMIT = {"model", "cost", "tokens", "max_tokens", "reduced", "streamed", "view", "degraded"}
_SETTLEMENT = {"cost", "tokens", "overrun", "late", "alerts"}
_BALANCES = {"daily_spend", "monthly_spend", "daily_tokens"}
_STATS = set(
    "keys admitted denied settled released dropped lapsed recorded extended overrun alerts_lost"
    " events_lost".split()
)

# What each step needs, may have, and may tell; None where nothing is expected of it.
STEPS: Final[dict[str, tuple[set[str], set[str], set[str] | None]]] = {
    "clock": (set(), {"advance_seconds", "set"}, None),
    "create": (set(), {"as", "spec", "spec_text"}, _NEW_KEY),
    "import": ({"spec"}, {"as"}, _KEY),
    "update": ({"key", "changes"}, {"widen", "revision"}, _KEY),
    "rotate": ({"key", "overlap"}, {"as"}, _NEW_KEY),
    "disable": ({"key"}, set(), _KEY),
    "enable": ({"key"}, set(), _KEY),
    "revoke": ({"key"}, set(), _KEY),
    "get": ({"key"}, set(), _KEY),
    "delete": ({"key"}, set(), set()),
    "list": (set(), {"after", "limit"}, {"keys"}),
    "verify": ({"secret"}, set(), {"key"}),
    "authorize": ({"secret"}, {"as", "model", "request_id", "wait_ms"} | _PLACE | _AMOUNTS, _PERMIT),
    "authorize_body": ({"secret", "body"}, {"as", "floor", "request_id"} | _PLACE, _PERMIT),
    "check": ({"secret"}, {"model"} | _PLACE | _AMOUNTS, {"allowed", "reason", "status", "rules"}),
    "settle": ({"permit"}, _AMOUNTS, _SETTLEMENT),
    "settle_by_id": (set(), {"permit", "id"} | _AMOUNTS, _SETTLEMENT),
    "settle_response": ({"permit", "body"}, set(), _SETTLEMENT),
    "stream": ({"permit", "chunks"}, {"finish"}, _SETTLEMENT),
    "release_by_id": ({"permit"}, set(), set()),
    "release": ({"permit"}, set(), set()),
    "extend": ({"permit"}, _AMOUNTS, _PERMIT),
    "drop": ({"permit"}, set(), None),
    "detach": ({"permit"}, set(), None),
    "dispatched": ({"permit"}, set(), None),
    "progress": ({"permit"}, _AMOUNTS, None),
    "record": ({"key"}, {"request_id"} | _AMOUNTS, _SETTLEMENT),
    "usage": ({"key"}, set(), _BALANCES),
    "allowed_models": ({"secret", "models"}, set(), {"models"}),
    "alerts": (set(), set(), {"alerts"}),
    "events": (set(), set(), {"events"}),
    "stats": (set(), set(), _STATS),
    "outage": ({"on"}, {"of"}, None),
    "gate": ({"name"}, set(), None),
    "bearer": ({"headers"}, {"also"}, {"key"}),
    "client_ip": ({"peer", "forwarded", "trusted"}, set(), {"ip"}),
}
_ONE_OF = {
    "clock": ("advance_seconds", "set"),
    "create": ("spec", "spec_text"),
    "settle_by_id": ("permit", "id"),
}
_OPTIONS = set(
    "hold_seconds on_lapse max_in_flight hide_amounts hide_state on_unavailable refresh_seconds"
    " stale_seconds peppers".split()
)
_DENIED = set(
    "reason status transient retry_after resets_at message_starts message_has message_lacks type code param "
    "anthropic_type budget headers".split()
)
_KINDS = {"invalid_record", "invalid_value", "not_found", "conflict", "already_settled", "ledger"}


def read_all() -> dict[str, list[Case]]:
    """Read every file: its cases, by its name."""
    files = {path.name: read(path.read_text()) for path in sorted(SCENARIOS.glob("*.json"))}
    names = [case.name for cases in files.values() for case in cases]
    _demand(bool(names), "there are scenarios")
    _demand(len(names) == len(set(names)), "each case has a name of its own")
    return files


def read(text: str) -> list[Case]:
    """Read the text of a file."""
    file = json.loads(text, parse_int=Number, parse_float=Number)
    _known(file, {"schema", "about", "cases"}, set(), "the file")
    _demand(file["schema"] == SCHEMA, f"the schema is {SCHEMA}")
    _demand(bool(file["about"] and file["cases"]), "a file says what it is about and has a case")
    return [_case(case) for case in file["cases"]]


def raw(value: object) -> str:
    """Write a value as the text that it was read from, white space aside."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{raw(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(raw, value)) + "]"
    return json.dumps(value)


def _case(case: dict[str, Any]) -> Case:
    _known(
        case,
        {"name", "about", "rules", "start", "steps"},
        {"options", "prices", "catalogue", "open", "strict", "shared"},
        "a case",
    )
    name = case["name"]
    _demand(re.fullmatch("[a-z0-9-]+", name) is not None, f"{name!r} is in kebab-case")
    _demand(bool(case["about"] and case["rules"]), f"{name} says what it is about and which rules")
    options = case.get("options", {})
    _known(options, set(), _OPTIONS, name)
    for pepper in options.get("peppers", []):
        _known(pepper, {"id", "text"}, set(), name)
    opens = case.get("open")
    if opens is not None:
        _known(opens, {"error"}, set(), name)
        _error(opens["error"], name)
    _demand(bool(case["steps"]) != bool(opens), f"{name} has steps, unless its gate does not open")
    for number, step in enumerate(case["steps"], 1):
        _step(step, f"{name} step {number}")
    shared = case.get("shared", False)
    shares = any(step["do"] == "gate" or step.get("of") == "store" for step in case["steps"])
    _demand(shared == shares, f"{name} says shared if a step needs another gate or a silent store")
    prices, catalogue = case.get("prices"), case.get("catalogue")
    strict = case.get("strict", False)
    return Case(name, case["start"], options, prices, catalogue, opens, strict, shared, case["steps"])


def _step(step: dict[str, Any], where: str) -> None:
    _demand(step.get("do") in STEPS, f"{where}: there is no step {step.get('do')!r}")
    needed, optional, tells = STEPS[step["do"]]
    finishes = step.get("finish", True)
    expects = {"expect"} if tells is not None and finishes else set()
    _known(step, {"do"} | needed | expects, optional, where)
    if step["do"] in _ONE_OF:
        first, second = _ONE_OF[step["do"]]
        _demand((first in step) != (second in step), f"{where} has {first} or {second}")
    _demand(step.get("of") in {None, "ledger", "store"}, f"{where}: an outage of the ledger or the store")
    if isinstance(secret := step.get("secret"), dict):
        shapes = ({"text"}, {"of", "change"}, {"repeat", "times"})
        _demand(set(secret) in shapes, f"{where}: a secret is a text, changed, or repeated")
    if expects:
        _expect(step["expect"], tells or set(), where)


def _expect(expect: dict[str, Any], tells: set[str], where: str) -> None:
    _demand(len(expect) == 1, f"{where} expects one thing")
    match expect:
        case {"ok": fields}:
            _known(fields, set(), tells, where)
            for alert in fields.get("alerts", []):
                needed = {"key", "meter", "threshold", "used", "limit", "window_start"}
                _known(alert, needed, {"id", "key_name", "resets_at"}, where)
            for event in fields.get("events", []):
                _known(event, {"kind", "key"}, {"at", "times"}, where)
            for balance in (fields[name] for name in _BALANCES & set(fields)):
                _known(balance, set(), {"used", "held", "limit", "remaining", "resets_at"}, where)
        case {"denied": denied}:
            _known(denied, {"reason"}, _DENIED - {"reason"}, where)
        case {"error": error}:
            _error(error, where)
        case _:
            _demand(False, f"{where} expects ok, denied or error")  # noqa: FBT003 - it never holds


def _error(error: dict[str, Any], where: str) -> None:
    kind = error.get("kind")
    _demand(kind in _KINDS, f"{where}: there is no error {kind!r}")
    own = {"invalid_record": {"faults"}, "already_settled": {"cost", "tokens"}}.get(str(kind), set())
    _known(error, {"kind"} | own, {"says"}, where)
    for fault in error.get("faults", []):
        _known(fault, {"path"}, {"says"}, where)


def _known(value: dict[str, Any], needed: set[str], optional: set[str], where: str) -> None:
    _demand(isinstance(value, dict), f"{where} is an object")
    unknown = set(value) - needed - optional
    _demand(not unknown, f"{where}: unknown fields {sorted(unknown)}")
    missing = needed - set(value)
    _demand(not missing, f"{where}: missing fields {sorted(missing)}")


def _demand(holds: bool, what: str) -> None:  # noqa: FBT001 - it is the condition
    if not holds:
        raise SchemaError(what)

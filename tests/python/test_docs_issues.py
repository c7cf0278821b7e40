"""docs/common-issues.md says what the library says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asgi_driver import PRICES
from dict_ledger import DictLedger

from enclava_keys import Denied, Gate, ManualClock, PriceBook, bearer

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs/common-issues.md").read_text()
NOW = "2026-11-23T12:00:00Z"
LONG = json.dumps({"model": "gpt-4", "messages": [{"role": "user", "content": "Test"}]})


def gate(**options: Any) -> Gate:
    return Gate.open("memory:", clock=ManualClock(NOW), prices=PriceBook.from_toml(PRICES), **options)


def asks(body: str = LONG, *, spent: str = "0", held: str = "0", **fields: Any) -> None:
    """Make a request with a new key that has spent this much, and has this much in flight."""
    opened = gate()
    made = opened.create_key("App", **fields)
    opened.record(made.key.id, cost=spent, tokens=1000)
    with opened.authorize(made.secret.reveal(), model="gpt-4", cost=held):
        opened.authorize_request(made.secret.reveal(), body)


def uses(end: Callable[[Gate, str], object]) -> None:
    opened = gate()
    made = opened.create_key("App")
    end(opened, made.key.id)
    opened.verify(made.secret.reveal())


def is_crowded() -> None:
    opened = gate(max_in_flight=1)
    secret = opened.create_key("App").secret.reveal()
    with opened.authorize(secret):
        opened.authorize(secret)


def is_cut_off() -> None:
    ledger = DictLedger()
    opened = gate(ledger=ledger)
    secret = opened.create_key("App", daily_spend_limit=1).secret.reveal()
    ledger.silent = True
    opened.authorize(secret)


QUOTED: dict[str, Callable[[], object]] = {
    "Incorrect API key": lambda: gate().verify("en_8f3d4e2a9b1c6d5f"),
    "Malformed API key": lambda: gate().verify('"en_"'),
    "No API key": lambda: bearer([]),
    "Daily spend limit of $0.10 is less": lambda: asks(daily_spend_limit="0.10"),
    "Daily spend limit of $1.00 would be passed": lambda: asks(daily_spend_limit=1, spent="0.75"),
    "Daily spend limit of $1.00 reached": lambda: asks(daily_spend_limit=1, spent="1"),
    "Daily spend limit of $0.00": lambda: asks(daily_spend_limit=0),
    "Daily spend limit of $1.00 is taken up": lambda: asks(daily_spend_limit=1, held="1"),
    "Model not allowed": lambda: asks(LONG.replace("gpt-4", "GPT-4"), allowed_models=["gpt-4"]),
    "What this request may use": lambda: asks(LONG.replace("gpt-4", "new-model"), daily_spend_limit=1),
}
QUOTES = [
    " ".join(line.removeprefix(">").strip() for line in quote.splitlines())
    for quote in re.findall(r"(?:^>.*\n)+", PAGE, re.MULTILINE)
]

REASONS: dict[str, Callable[[], object]] = {
    "missing_key": QUOTED["No API key"],
    "malformed_key": QUOTED["Malformed API key"],
    "unknown_key": QUOTED["Incorrect API key"],
    "secret_retired": lambda: uses(Gate.rotate_key),
    "key_revoked": lambda: uses(Gate.revoke_key),
    "key_disabled": lambda: uses(Gate.disable_key),
    "key_not_yet_valid": lambda: asks(not_before="2027-01-01T00:00:00Z"),
    "key_expired": lambda: uses(lambda gate, key: gate.update_key(key, expires_at=NOW)),
    "ip_not_allowed": lambda: asks(allowed_ips=["192.0.2.1"]),
    "endpoint_not_allowed": lambda: asks(allowed_endpoints=["/v1/models"]),
    "purpose_not_allowed": lambda: asks(purpose="chatbot"),
    "model_missing": lambda: asks('{"messages":[]}', allowed_models=["gpt-4"]),
    "model_not_allowed": QUOTED["Model not allowed"],
    "model_not_priced": QUOTED["What this request may use"],
    "rate_limited": is_crowded,
    "daily_spend_exceeded": QUOTED["Daily spend limit of $1.00 reached"],
    "monthly_spend_exceeded": lambda: asks(monthly_spend_limit=1, spent="1"),
    "daily_tokens_exceeded": lambda: asks(daily_token_limit=1000),
    "ledger_unavailable": is_cut_off,
}
ROWS = {
    row[0]: (int(row[1]), row[2], row[3])
    for row in re.findall(r"^\| `(\w+)` \| (\d+) \| `(\w+)` \| (yes|no|as any 500) \|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("start", QUOTED)
def test_a_quote_is_what_a_client_is_told(start: str) -> None:
    [quote] = [quote for quote in QUOTES if quote.startswith(start)]
    with pytest.raises(Denied) as caught:
        QUOTED[start]()
    assert caught.value.message == quote


def test_nothing_else_is_quoted() -> None:
    assert len(QUOTES) == len(QUOTED)


@pytest.mark.parametrize("reason", REASONS)
def test_a_row_is_what_a_client_gets(reason: str) -> None:
    with pytest.raises(Denied) as caught:
        REASONS[reason]()
    denied = caught.value
    retries = "yes" if denied.headers["x-should-retry"] == "true" else "no"
    assert (denied.reason, denied.status, denied.body["error"]["code"], retries) == (reason, *ROWS[reason])


def test_every_row_is_tried() -> None:
    # A mistake of the gateway's own is an exception here; as a denial it is what Rust and C send.
    assert ROWS.keys() - REASONS.keys() == {"internal_error"}
    assert ROWS["internal_error"] == (500, "internal_error", "as any 500")


def test_the_issues_are_those_of_the_documentation() -> None:
    assert re.findall("^## (.*)", PAGE, re.MULTILINE)[:3] == [
        "Key not generated",
        "Budget too low",
        "Model access error",
    ]

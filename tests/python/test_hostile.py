"""Whatever is handed in, what comes out is documented: exceptions of the package, or TypeError for a type."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enclava_keys import (
    EnclavaError,
    Gate,
    InvalidRecord,
    InvalidValue,
    ManualClock,
    PriceBook,
    Usage,
    bearer,
    dispatch_body,
    resolve_client_ip,
)
from enclava_keys._native import Door
from enclava_keys.ledger import Hold, Moved, Outcome, Row

if TYPE_CHECKING:
    from collections.abc import Callable


class Text(str):
    """Text that says something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\ud800"


class Number(int):
    """A number that is written as none."""

    def __str__(self) -> str:
        return "NaN"

    def __index__(self) -> int:
        return 5


class Money(Decimal):
    """Money that is written as none."""

    def __str__(self) -> str:
        return "\ud800Infinity"


texts = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["", "\0", "\ud800", "en_" + "0" * 32, "1e400", "-0", "NaN", "9" * 4000, "gpt-4", "2026-11-23T12:00:00Z"]
)
numbers = (
    st.integers()
    | st.floats()
    | st.decimals()
    | st.sampled_from(
        [10**4000, -(10**4000), 2**63, 2**64, 2**128, 1e300, -0.0, Decimal("sNaN"), Fraction(1, 3)]
    )
)
times = st.datetimes() | st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))) | st.timedeltas()
odd = st.sampled_from(
    [Text("x"), Number(3), Money(1), object(), type, ..., IPv4Address("10.0.0.1"), Usage(1), b"\xff"]
)
plain = st.none() | st.booleans() | texts | numbers | times | st.binary(max_size=20) | odd
anything: st.SearchStrategy[Any] = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=8,
)
FIELDS = [
    *(
        "description",
        "allowed_models",
        "denied_models",
        "purpose",
        "daily_spend_limit",
        "monthly_spend_limit",
    ),
    *("daily_token_limit", "alert_threshold", "allowed_ips", "allowed_endpoints", "not_before", "expires_at"),
    *("timezone", "metadata", "tags", "enabled", "id", "prefix", "secret_format", "hint_style", "secret"),
    *("key_hash", "unknown", "\ud800"),
]
fields = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4)


def survives(call: Callable[..., object], *args: object, **kwargs: object) -> None:
    try:
        answer = call(*args, **kwargs)
    except (EnclavaError, TypeError) as error:
        # They can be told, and hold nothing that a log could not.
        str(error).encode()
        repr(error)
    else:
        repr(answer)


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate.open(
        "memory:",
        clock=ManualClock("2026-11-23T12:00:00Z"),
        prices={"models": {"gpt-4": {"input": 0, "output": "0.01", "max_output": 100}}},
    )


@pytest.fixture(scope="module")
def secret(gate: Gate) -> str:
    return gate.create_key("k", id="k", daily_spend_limit=100, allowed_ips=["0.0.0.0/0"]).secret.reveal()


# `make soak` tries more.
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "30"))
hostile = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@hostile
@given(
    asked=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["model", "cost", "tokens", "purpose", "endpoint", "ip", "request_id", "wait"], anything
        ),
    ),
    other=anything,
)
def test_authorize(gate: Gate, secret: str, asked: dict[str, Any], other: Any) -> None:
    if isinstance(asked.get("wait"), (int, float, timedelta)):
        asked["wait"] = 0
    of_check = {name: value for name, value in asked.items() if name not in ("request_id", "wait")}
    for presented in (secret, other):
        survives(gate.authorize, presented, **asked)
        survives(asyncio.run, gate.authorize_async(presented, **asked))
        survives(gate.check, presented, **of_check)


@hostile
@given(body=anything, floor=anything, endpoint=anything)
def test_authorize_request(gate: Gate, secret: str, body: Any, floor: Any, endpoint: Any) -> None:
    survives(lambda: gate.authorize_request(secret, body, floor=floor, endpoint=endpoint))
    whole = {"model": "gpt-4", "messages": body, "max_tokens": floor}
    survives(lambda: gate.authorize_request(secret, whole))
    survives(lambda: dispatch_body(body, model=endpoint, max_tokens=floor))
    survives(lambda: dispatch_body(whole, limit_name=endpoint, endpoint=endpoint, include_usage=True))


@hostile
@given(anythings=st.tuples(anything, anything, anything, anything))
def test_permits_and_streams(gate: Gate, secret: str, anythings: tuple[Any, Any, Any, Any]) -> None:
    usage, cost, tokens, body = anythings
    permit = gate.authorize(secret, ip="10.0.0.1", cost=1)
    for call in (permit.progress, permit.settle):
        survives(call, usage)
        survives(call, cost=cost, tokens=tokens)
    survives(lambda: permit.extend(cost=cost, tokens=tokens))
    survives(lambda: permit.settle_response(body))
    survives(lambda: gate.settle(usage, cost=cost))
    survives(lambda: gate.release(usage))
    stream = gate.authorize(secret, ip="10.0.0.1").stream()
    survives(lambda: stream.feed(body))
    survives(lambda: stream.feed(json.dumps({"usage": {"prompt_tokens": str(cost)}})))
    survives(stream.finish)
    survives(lambda: Usage(cost, tokens))


@hostile
@given(name=anything, stated=fields, body=anything)
def test_records(gate: Gate, name: Any, stated: dict[str, Any], body: Any) -> None:
    survives(lambda: gate.create_key(name, **stated))
    survives(lambda: gate.import_key(name, **stated))
    survives(lambda: gate.update_key("k", **stated))
    survives(lambda: gate.update_key("k", name=name, widen=True, revision=body))
    survives(gate.create_key_json, body)
    survives(gate.import_key_json, body)
    survives(gate.update_key_json, "k", body)


@hostile
@given(first=anything, second=anything)
def test_managing(gate: Gate, secret: str, first: Any, second: Any) -> None:
    for call in (
        lambda: gate.key(first),
        lambda: gate.keys(after=first, limit=second),
        lambda: gate.rotate_key(first, overlap=second),
        lambda: gate.rotate_key("nobody", overlap=second),
        lambda: gate.disable_key(first),
        lambda: gate.delete_key(first),
        lambda: gate.usage(first),
        lambda: gate.history(first, second),
        lambda: gate.history("nobody", second),
        lambda: gate.record(first, cost=second),
        lambda: gate.record("k", tokens=0, request_id=second),
        lambda: gate.verify(first),
        lambda: gate.allowed_models(secret, first),
        lambda: gate.take_alerts(first),
        lambda: gate.take_events(first),
        lambda: gate.on_alert(first) if not callable(first) else None,
        lambda: gate.set_prices(first) if first != {} else None,
    ):
        survives(call)


SETTINGS = [
    *(
        "clock",
        "store",
        "ledger",
        "prices",
        "peppers",
        "leased",
        "on_unavailable",
        "hold_seconds",
        "on_lapse",
    ),
    *("max_in_flight", "refresh_seconds", "stale_seconds", "hide_amounts", "hide_state"),
]


@hostile
@given(url=anything, options=st.dictionaries(st.sampled_from(SETTINGS), anything, max_size=3))
def test_opening(url: Any, options: dict[str, Any]) -> None:
    survives(lambda: Gate.open(url, **options))
    survives(lambda: Gate.open("memory:", **options))


@hostile
@given(first=anything, second=anything, third=anything)
def test_the_way_through_the_middleware(gate: Gate, first: Any, second: Any, third: Any) -> None:
    def onward(scope: dict[str, Any], body: Any) -> tuple[Any, Any]:
        call = door.call(scope, None)
        call.admit(body)
        _, receive, send = call.onward(scope, receiving, lambda message: message)  # type: ignore[arg-type, return-value]
        return receive, send

    def receiving() -> Any:
        return None

    door = Door(gate)
    secret = gate.create_key("k").secret.reveal()
    sent: dict[str, Any] = {"method": "POST", "path": "/v1/chat/completions", "client": ("10.0.0.1", 1)}
    sent["headers"] = [(b"authorization", f"Bearer {secret}".encode())]
    survives(lambda: Door(first))
    survives(lambda: Door(gate, also=first, trusted_proxies=second))
    survives(lambda: Door(gate, max_body=first, floor=second, limit_name=third))
    for scope in (
        {**sent, "headers": first, "client": (second,)},
        {**sent, "headers": [(first, second)], "client": (third, 1)},
        {**sent, "method": first, "path": second},
        [first, second],
    ):
        survives(lambda scope=scope: door.call(scope, third))
        survives(lambda scope=scope: door.secret(scope))
        survives(lambda scope=scope: door.client_ip(scope))
    survives(lambda: onward(sent, first))
    receive, send = onward(sent, b'{"model":"gpt-4","max_tokens":9,"messages":[]}')
    for message in (
        {"type": first},
        {"type": "http.response.start", "status": first, "headers": second},
        {"type": "http.response.start", "status": 200, "headers": [(first, second)]},
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.body", "body": first, "more_body": second},
        {"type": "http.response.body", "body": b"", "more_body": False},
        [first, second],
    ):
        survives(lambda message=message: send(message))
    receive().close()


@hostile
@given(first=anything, second=anything, third=anything)
def test_what_stands_alone(first: Any, second: Any, third: Any) -> None:
    for call in (
        lambda: bearer(first, also=second),
        lambda: bearer([(first, second)]),
        lambda: bearer([("authorization", first)]),
        lambda: resolve_client_ip(first, second, third),
        lambda: resolve_client_ip("10.0.0.1", second, third),
        lambda: ManualClock(first),
        lambda: ManualClock("2026-11-23T12:00:00Z").advance(first),
        lambda: ManualClock("2026-11-23T12:00:00Z").set(second),
        lambda: PriceBook.from_toml(first),
        lambda: PriceBook.from_json(first),
        lambda: PriceBook.from_litellm(first),
        lambda: first in PriceBook.from_json('{"models": {}}'),
        lambda: Outcome.taken(first, second),
        lambda: Outcome.refused(first),
        lambda: Outcome.unexpected(first),
        lambda: Outcome.elsewhen(first),
        lambda: Moved(first, told=second),
        lambda: Row(first, second, third),
        lambda: Hold.from_dict(first),
    ):
        survives(call)


@hostile
@given(st.datetimes(timezones=st.timezones()) | st.datetimes())
def test_a_time_is_an_instant_or_refused(moment: datetime) -> None:
    clock = ManualClock("2026-11-23T12:00:00Z")
    try:
        clock.set(moment)
    except ValueError:
        assert moment.tzinfo is None or not 1970 <= moment.year < 9999
    else:
        assert clock.now == moment.astimezone(UTC)


@hostile
@given(st.decimals(0, 9_000_000_000, places=12), st.floats(0, 9e9))
def test_money_is_what_it_says(amount: Decimal, number: float) -> None:
    assert Usage(amount).cost == amount == Usage(str(amount)).cost
    exact = Fraction(repr(number))
    assert exact <= Fraction(Usage(number).cost) < exact + Fraction(1, 10**12)


def test_a_number_longer_than_python_writes(gate: Gate) -> None:
    with pytest.raises(InvalidRecord, match="/daily_token_limit: has too many digits"):
        gate.create_key("k", daily_token_limit=10**5000)
    with pytest.raises(InvalidValue, match="tokens: must be less than"):
        Usage(0, 10**5000)
    with pytest.raises(InvalidValue, match="body: cannot be written as JSON"):
        dispatch_body({"max_tokens": 10**5000})


def test_a_circle_is_no_record(gate: Gate) -> None:
    circle: dict[str, Any] = {}
    circle["circle"] = [circle]
    with pytest.raises(InvalidRecord, match="/metadata: nests too deep"):
        gate.create_key("k", metadata=circle)
    with pytest.raises(InvalidValue, match="body: cannot be written as JSON"):
        dispatch_body(circle)

"""The way of one call: authorize, permit, settle; and where budgets stand after it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from enclava_keys import (
    Alert,
    AlreadySettled,
    Conflict,
    Denied,
    Gate,
    InvalidValue,
    ManualClock,
    NewKey,
    NotFound,
    Tally,
    Usage,
)

if TYPE_CHECKING:
    from pathlib import Path

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_call_is_admitted_and_settled(gate: Gate, made: NewKey, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost="0.05", tokens=1500)
    assert permit.model == "gpt-4"
    assert permit.key == made.key
    assert permit.estimate == Usage("0.05", 1500)
    assert gate.usage(made.key.id).daily_spend.held == Decimal("0.05")
    permit.dispatched()
    settlement = permit.settle(cost="0.031", tokens=1234)
    assert settlement.usage == Usage(cost="0.031", tokens=1234)
    assert settlement.alerts == []
    balances = gate.usage(made.key.id)
    assert balances.daily_spend.used == Decimal("0.031")
    assert balances.daily_spend.held == 0
    assert balances.daily_spend.limit == Decimal("50.00")
    assert balances.daily_spend.remaining == Decimal("49.969")
    assert balances.daily_spend.resets_at == MIDNIGHT
    assert balances.daily_tokens.used == 1234
    assert isinstance(balances.daily_tokens.used, int)


def test_money_is_taken_in_four_types_and_given_as_one(gate: Gate, secret: str) -> None:
    for cost in (Decimal("0.29"), "0.29", 0.29, "2.9e-1", Decimal("29E-2")):
        assert gate.authorize(secret, model="gpt-4", cost=cost).estimate.cost == Decimal("0.29")
    assert gate.authorize(secret, model="gpt-4", cost=3).estimate.cost == Decimal(3)
    assert Usage(cost=1e-13).cost == Decimal("0.000000000001"), "finer costs round up"


@pytest.mark.parametrize(
    "cost",
    [
        *(True, False, float("nan"), float("inf"), -0.01, 1e300),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("-0.1")),
        *("-1", "", "1,5", "NaN", "\ud800"),
        *(-1, 10**10, 10**400, -(10**400)),
        *([], b"1", object()),
    ],
)
def test_what_is_no_money_is_refused_by_name(gate: Gate, secret: str, cost: object) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    with pytest.raises(InvalidValue, match=r"^cost: ") as caught:
        permit.settle(cost=cost)  # type: ignore[arg-type]
    assert caught.value.field == "cost"
    assert isinstance(caught.value, ValueError)
    assert permit.settle(cost=1).usage.cost == 1, "the hold stayed live"


@pytest.mark.parametrize("tokens", [True, -1, 2**64, 10**400, 1.0, "1", None.__class__, []])
def test_what_is_no_count_is_refused_by_name(gate: Gate, secret: str, tokens: object) -> None:
    with pytest.raises(InvalidValue, match=r"^tokens: "):
        gate.authorize(secret, model="gpt-4", tokens=tokens)  # type: ignore[arg-type]


def test_a_settlement_is_never_free_by_omission(gate: Gate, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    with pytest.raises(InvalidValue, match="must be stated"):
        permit.settle()
    with pytest.raises(TypeError, match="not both"):
        permit.settle(Usage(1), cost=1)
    assert permit.settle(permit.estimate).usage == Usage(1)


def test_a_second_settlement_carries_the_first(gate: Gate, made: NewKey, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    permit.settle(cost="0.5", tokens=7)
    for again in (lambda: permit.settle(cost=9), permit.release, lambda: gate.settle(permit.id, cost=9)):
        with pytest.raises(AlreadySettled) as caught:
            again()
        assert caught.value.settlement.usage == Usage("0.5", 7)
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.5")


def test_a_denial_is_ready_to_send(gate: Gate, secret: str) -> None:
    with pytest.raises(Denied) as caught:
        gate.authorize(secret, model="gpt-4", cost="50.01")
    denied = caught.value
    assert (denied.reason, denied.status, denied.transient) == ("daily_spend_exceeded", 429, False)
    assert denied.body["error"]["code"] == "insufficient_quota"
    assert denied.body["error"]["message"] == denied.message == str(denied)
    assert denied.headers["x-should-retry"] == "false"
    assert denied.headers["retry-after"] == str(denied.retry_after) == "43200"
    assert denied.resets_at == MIDNIGHT
    assert denied.anthropic_body["type"] == "error"
    assert denied.sse_event().startswith("data: ")
    assert denied.sse_event("anthropic").startswith("event: error\n")


def test_a_missing_secret_is_a_denial(gate: Gate) -> None:
    for nothing in (None, "", b""):
        with pytest.raises(Denied) as caught:
            gate.authorize(nothing, model="gpt-4")
        assert caught.value.reason == "missing_key"


def test_a_dropped_permit_lets_its_hold_go(gate: Gate, made: NewKey, secret: str) -> None:
    gate.authorize(secret, model="gpt-4", cost=1)
    assert gate.usage(made.key.id).daily_spend.held == 0
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    permit.dispatched()
    del permit
    assert gate.usage(made.key.id).daily_spend.used == 1


def test_leaving_a_with_follows_the_rule_of_drops(gate: Gate, made: NewKey, secret: str) -> None:
    with pytest.raises(RuntimeError), gate.authorize(secret, model="gpt-4", cost=1) as permit:
        raise RuntimeError
    with gate.authorize(secret, model="gpt-4", cost=1) as permit:
        permit.progress(cost="0.25", tokens=10)
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.25")
    # What a drop decided is provisional, and the permit still knows its name.
    assert permit.settle(cost="0.5").late
    with gate.authorize(secret, model="gpt-4", cost=1) as permit:
        permit.settle(cost="0.5")
    assert gate.usage(made.key.id).daily_spend.used == 1


def test_a_detached_permit_is_settled_by_its_name(gate: Gate, made: NewKey, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    name = permit.detach()
    assert name == permit.id == permit.detach()
    assert (permit.model, permit.key, permit.estimate) == ("gpt-4", made.key, Usage(1))
    with pytest.raises(Conflict, match="given up"):
        permit.extend(cost=1)
    with pytest.raises(Conflict, match="given up"):
        permit.stream()
    del permit
    assert gate.usage(made.key.id).daily_spend.held == 1
    assert gate.settle(name, cost=2).overrun == Usage(1)
    with pytest.raises(NotFound):
        gate.settle(f"{made.key.id}:00000000000000000000000007", cost=1)
    with pytest.raises(InvalidValue, match="permit_id"):
        gate.settle("nonsense", cost=1)


def test_a_hold_may_grow_while_there_is_room(gate: Gate, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=49)
    permit.extend(cost="0.99", tokens=10)
    with pytest.raises(Denied) as caught:
        permit.extend(cost="0.02")
    assert caught.value.reason == "daily_spend_exceeded"
    assert permit.estimate == Usage("49.99", 10)


def test_a_request_id_finds_its_hold(gate: Gate, made: NewKey, secret: str) -> None:
    first = gate.authorize(secret, model="gpt-4", cost=1, request_id="a")
    view = gate.authorize(secret, model="gpt-4", cost=1, request_id="a")
    assert (first.is_view, view.is_view, first.id) == (False, True, view.id)
    assert gate.usage(made.key.id).daily_spend.held == 1
    with pytest.raises(Conflict, match="request_id"):
        gate.authorize(secret, model="gpt-4", cost=2, request_id="a")


def test_a_check_consumes_nothing_and_explains(gate: Gate, made: NewKey, secret: str) -> None:
    assert gate.check(secret, model="gpt-4", cost=50)
    refused = gate.check(secret, model="gpt-5")
    assert not refused
    assert (refused.reason, refused.status) == ("model_not_allowed", 403)
    assert [check.rule for check in refused.checks if not check.passed] == ["model"]
    assert "model_not_allowed" in refused.explain()
    assert gate.check("en_0000000000000000").reason == "unknown_key"
    assert gate.usage(made.key.id).daily_spend.held == 0


def test_only_what_a_key_may_use_is_listed(gate: Gate, secret: str) -> None:
    listed = ["gpt-3.5-turbo", "o1", "gpt-4", "GPT-4"]
    assert gate.allowed_models(secret, listed) == ["gpt-3.5-turbo", "gpt-4"]
    assert gate.allowed_models(secret, iter(listed)) == ["gpt-3.5-turbo", "gpt-4"]
    with pytest.raises(TypeError, match="models: must be a list of names, not str"):
        gate.allowed_models(secret, "gpt-4")


def test_days_end_by_the_clock(gate: Gate, made: NewKey, secret: str, clock: ManualClock) -> None:
    gate.record(made.key.id, cost=50)
    assert gate.check(secret, model="gpt-4").reason == "daily_spend_exceeded"
    clock.advance(seconds=12 * 3600)
    assert clock.now == MIDNIGHT
    assert gate.check(secret, model="gpt-4")
    clock.set("2026-11-23T12:00:00Z")
    assert not gate.check(secret, model="gpt-4"), "a clock that steps back finds the day as it was"


def test_an_alert_is_told_once(gate: Gate, made: NewKey) -> None:
    told: list[Alert] = []
    assert gate.on_alert(told.append) == told.append
    settlement = gate.record(made.key.id, cost=40)
    gate.record(made.key.id, cost=1)
    gate.flush()
    assert told == settlement.alerts == gate.take_alerts()
    [alert] = told
    assert (alert.key_id, alert.key_name, alert.meter) == (made.key.id, "Production App", "daily_spend")
    assert (alert.threshold, alert.used, alert.limit) == (Decimal("0.8"), 40, 50)
    assert (alert.window_start, alert.resets_at) == (datetime(2026, 11, 23, tzinfo=UTC), MIDNIGHT)
    assert gate.take_alerts() == []


def test_what_happened_is_counted(gate: Gate, secret: str) -> None:
    gate.authorize(secret, model="gpt-4", cost=1).settle(cost=2)
    with pytest.raises(Denied):
        gate.authorize(secret, model="gpt-5")
    stats = gate.stats()
    assert (stats.keys, stats.admitted, stats.settled, stats.overrun) == (1, 1, 1, 1)
    assert stats.denied == {"model_not_allowed": 1}


def test_a_closed_gate_admits_nothing_and_settles_what_it_admitted(gate: Gate, secret: str) -> None:
    with gate:
        permit = gate.authorize(secret, model="gpt-4", cost=1)
    assert gate.closed
    gate.close()
    with pytest.raises(Conflict, match="closed"):
        gate.authorize(secret, model="gpt-4")
    assert permit.settle(cost=1).usage == Usage(1)


def test_what_this_version_lacks_is_said() -> None:
    with pytest.raises(InvalidValue, match=r"url: must be memory:, file:///path.json or sqlite:///path.db"):
        Gate.open("redis://localhost")


def test_leases_are_told_and_given_back_when_the_gate_closes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/enclava.db"
    with Gate.open(url, leased=True) as gate:
        made = gate.create_key("k", daily_spend_limit=1000)
        permit = gate.authorize(made.secret.reveal(), model="gpt-4", cost="0.5", tokens=10)
        permit.settle(cost="0.25", tokens=7)
        [lease] = gate.leases(made.key.id)
        assert lease.process == os.getpid()
        assert lease.permit_id.startswith(f"{made.key.id}:")
        assert lease.holds.cost > 0
        assert gate.usage(made.key.id).daily_spend.used == Decimal("0.25")
        [tally] = gate.history(made.key.id, 1)
        assert (tally.model, tally.calls, tally.usage.tokens) == ("gpt-4", 1, 7)
    with Gate.open(url) as other:
        assert other.leases(made.key.id) == []
        daily = other.usage(made.key.id).daily_spend
        assert (daily.used, daily.held) == (Decimal("0.25"), Decimal(0))


def test_past_days_are_told_where_the_ledger_keeps_them(
    gate: Gate, clock: ManualClock, tmp_path: Path
) -> None:
    made = gate.create_key("k")
    gate.record(made.key.id, cost=1)
    assert gate.history(made.key.id, 7) == []
    with Gate.open(f"sqlite:///{tmp_path}/keys.db", clock=clock) as kept:
        made = kept.create_key("k")
        kept.record(made.key.id, cost="1.5", tokens=3)
        clock.advance(86400)
        for model in ("gpt-4", "o1"):
            kept.authorize(made.secret.reveal(), model=model).settle(cost="0.25", tokens=4)
        first, second = (datetime(2026, 11, day, tzinfo=UTC) for day in (23, 24))
        last = [Tally(second, "gpt-4", 1, Usage("0.25", 4)), Tally(second, "o1", 1, Usage("0.25", 4))]
        tallies = kept.history(made.key.id, 7)
        assert sorted(tallies[:2], key=str) == last
        assert tallies[2:] == [Tally(first, None, 1, Usage("1.5", 3))]
        assert len(kept.history(made.key.id, days=1)) == 2
        assert len(kept.history(made.key.id, 2**63)) == 3
        assert asyncio.run(kept.history_async(made.key.id, 7)) == tallies
        with pytest.raises(NotFound):
            kept.history("nobody", 7)
        with pytest.raises(InvalidValue, match="days"):
            kept.history(made.key.id, -1)


@pytest.mark.parametrize("store", ["memory:", "sqlite:///{}/keys.db"])
def test_async_with_ends_what_with_ends(store: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with Gate.open(store.format(tmp_path)) as gate:
            made = gate.create_key("k", daily_spend_limit=1)
            secret = made.secret.reveal()
            with pytest.raises(KeyError):
                async with await gate.authorize_async(secret, cost="0.5"):
                    raise KeyError
            balance = (await gate.usage_async(made.key.id)).daily_spend
            assert balance.remaining == 1, "it was not dispatched"
            async with await gate.authorize_async(secret, cost="0.5") as permit:
                assert await permit.settle_async(cost="0.25") is not None
            async with (await gate.authorize_async(secret, cost="0.5")).stream() as stream:
                stream.feed(b"data: [DONE]\n\n")
            assert (await gate.usage_async(made.key.id)).daily_spend.held == 0
        assert gate.closed

    asyncio.run(run())

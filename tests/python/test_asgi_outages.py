"""The ledger goes away while a call runs: its answer passes, and what it came to is not forgotten."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from asgi_driver import (
    ANSWER,
    CHAT,
    COST,
    DONE,
    STREAMED,
    TEXT,
    WHOLE,
    Answer,
    Bench,
    answering,
    coming,
    post,
    scope,
)
from dict_ledger import DictLedger

from enclava_keys.asgi import KeyMiddleware, tap

if TYPE_CHECKING:
    from decimal import Decimal

    from starlette.types import Message, Receive, Scope, Send

    from enclava_keys.ledger import Outcome, Step


class Flickering(DictLedger):
    """A ledger that does not answer the next so many steps."""

    misses = 0

    def apply(self, step: Step, /) -> Outcome:
        if self.misses:
            self.misses -= 1
            raise ConnectionError
        return super().apply(step)


def flickers(
    monkeypatch: pytest.MonkeyPatch, misses: int, body: bytes, pieces: list[bytes], kind: str
) -> tuple[Bench, Decimal]:
    """Make a call whose ledger misses so many steps at its end; what was charged when all had been tried."""
    monkeypatch.setattr(tap, "_PAUSES", (0.01, 0.01, 0.01))
    ledger = Flickering()
    bench = Bench(ledger)

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        ledger.misses = misses
        await answering(*pieces, kind=kind)(scope, receive, send)

    async def story() -> None:
        answer = Answer()
        await KeyMiddleware(breaks, bench.gate)(scope(CHAT, bench.secret), coming([body]), answer.take)
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(pieces), True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)

    asyncio.run(story())
    return bench, bench.balances.daily_spend.used


@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_settlement_that_the_ledger_missed_is_made_later(
    monkeypatch: pytest.MonkeyPatch, misses: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench, used = flickers(monkeypatch, misses, WHOLE, [ANSWER], "application/json")
    assert used == COST
    assert bench.balances.daily_spend.held == 0
    bench, used = flickers(monkeypatch, misses, STREAMED, [TEXT, DONE], "text/event-stream")
    assert COST < used < bench.estimate
    assert "was not settled" not in caplog.text


def test_a_ledger_that_stays_away_leaves_the_answer_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench, used = flickers(monkeypatch, 1000, WHOLE, [ANSWER], "application/json")
    assert used == 0
    assert bench.balances.daily_spend.held == bench.estimate, "until its hold lapses"
    assert "was not settled" in caplog.text
    assert bench.secret not in caplog.text


def test_a_call_that_nobody_settled_is_charged_its_estimate(caplog: pytest.LogCaptureFixture) -> None:
    # A record that tells where the ledger failed would keep the permit until the test ends.
    caplog.set_level(logging.CRITICAL, "enclava_keys")
    ledger = Flickering()
    bench = Bench(ledger)

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        ledger.misses = 1
        await answering(ANSWER)(scope, receive, send)

    # The process ends before the settlement is tried again.
    assert asyncio.run(post(KeyMiddleware(breaks, bench.gate), bench.secret)).body == ANSWER
    assert bench.balances.daily_spend.used == bench.estimate


def test_a_slow_ledger_does_not_keep_an_answer_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(DictLedger):
        def apply(self, step: Step, /) -> Outcome:
            if step.becomes.phase == "settled":
                assert sent.wait(60)
            return super().apply(step)

    async def take(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            sent.set()

    monkeypatch.setattr(tap, "_LONGEST_DELAY", 0.01)
    sent = threading.Event()
    bench = Bench(Slow())
    app = KeyMiddleware(answering(ANSWER), bench.gate)
    asyncio.run(app(scope(CHAT, bench.secret), coming([WHOLE]), take))
    assert bench.used == COST


def test_no_answer_of_the_ledger_is_no_call() -> None:
    ledger = DictLedger()
    bench = Bench(ledger)
    ledger.silent = True
    denied = asyncio.run(post(KeyMiddleware(answering(ANSWER), bench.gate), bench.secret))
    assert (denied.status, denied.json()["error"]["code"]) == (503, "ledger_unavailable")

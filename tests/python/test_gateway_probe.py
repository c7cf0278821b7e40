"""The probe that every gateway was put to: $0.01, 400 calls of $0.0002375, 64 at once. 42 of them fit."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from upstreams import Provider, gateway

if TYPE_CHECKING:
    from pathlib import Path

COST = Decimal("0.0002375")
BUDGET = Decimal("0.01")
FITTING = 42
CALLS = 400
AT_ONCE = 64
LATENCY = 0.3


async def probe(api: str, secret: str, asked: dict[str, Any]) -> Counter[str]:
    """Make the calls, as a client that retries when it is told to; count how each of them ended."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], **asked}
    limits = httpx.Limits(max_connections=AT_ONCE)
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def call() -> str:
            async with turns:
                while True:
                    answer = await client.post(
                        f"{api}/chat/completions", json=body, headers={"authorization": f"Bearer {secret}"}
                    )
                    if answer.status_code == 200:
                        return "admitted"
                    assert answer.status_code == 429, answer.text
                    if answer.headers["x-should-retry"] == "false":
                        return "refused"
                    await asyncio.sleep(float(answer.headers["retry-after"]))

        return Counter(await asyncio.gather(*(call() for _ in range(CALLS))))


@pytest.mark.parametrize(
    ("asked", "floor", "store"),
    [
        ({"max_tokens": 20}, None, "memory:"),
        ({}, 20, "memory:"),
        ({"max_tokens": 20, "stream": True}, None, "sqlite:///"),
    ],
    ids=["max_tokens", "grants", "streamed over a file"],
)
def test_what_fits_is_admitted_and_not_one_call_more(
    asked: dict[str, Any], floor: int | None, store: str, tmp_path: Path
) -> None:
    provider = Provider(seconds=LATENCY)
    store = store.replace("sqlite:///", f"sqlite:///{tmp_path}/keys.db")
    with gateway(provider, tmp_path, floor=floor, store=store) as served:
        made = served.gate.create_key("Probe", daily_spend_limit=BUDGET)
        ended = asyncio.run(probe(served.api, made.secret.reveal(), asked))
        assert ended == {"admitted": FITTING, "refused": CALLS - FITTING}
        assert len(provider.bodies) == FITTING
        spent = served.gate.usage(made.key.id).daily_spend
        assert (spent.used, spent.held) == (FITTING * COST, Decimal(0))
        assert served.gate.stats().dropped == 0
        if floor is not None:
            granted = [body.get("max_completion_tokens", 64) for body in provider.bodies]
            assert min(granted) >= floor


def test_answers_longer_than_asked_are_all_recorded(tmp_path: Path) -> None:
    provider = Provider(seconds=LATENCY)
    estimate = 15 * Decimal("0.0000025") + 5 * Decimal("0.00001")
    with gateway(provider, tmp_path) as served:
        made = served.gate.create_key("Probe", daily_spend_limit=BUDGET)
        ended = asyncio.run(probe(served.api, made.secret.reveal(), {"max_tokens": 5}))
        spent = served.gate.usage(made.key.id).daily_spend
        assert (spent.used, spent.held) == (ended["admitted"] * COST, Decimal(0)), "all of it is recorded"
        assert ended["admitted"] >= FITTING
        assert spent.used <= BUDGET + AT_ONCE * (COST - estimate), "over by the overage of calls in flight"
        assert served.gate.stats().overrun == ended["admitted"]

"""Measures what Python programs use where they have no gate, from an environment of its own (`make bench`).

None of them does the whole job. `limits` and `pyrate-limiter` count calls or whole numbers, three times over;
neither knows a key or a model, and neither sets anything aside. LiteLLM does more than the job, so only the
steps of its proxy that this library replaces are called, in their order, on a key with one budget that it has
in memory: no server and no database.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = (
    "True"  # before it is imported, or it asks the network for prices
)

import medians
from limits import RateLimitItemPerDay, RateLimitItemPerMonth
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth, hash_token
from litellm.proxy.auth import auth_checks
from litellm.proxy.spend_tracking.budget_reservation import reserve_budget_for_request
from pyrate_limiter import Duration, Limiter, Rate, SQLiteBucket

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 9
PLENTY = 10**12
SECRET = "sk-8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a"  # noqa: S105 - it opens nothing
# It has the key in memory, so it does not ask; it only looks that there is one to be asked.
NO_DATABASE = object()
# Beside what a key did is what SQLite makes of it: calls enough to see that, and no more.
DURABLE_CALLS = 300


def limits() -> Callable[[], None]:
    """Hit three limits of one key, in memory: cents of a day and a month, tokens of a day."""
    limiter = FixedWindowRateLimiter(MemoryStorage())
    day, month, tokens = (
        RateLimitItemPerDay(PLENTY),
        RateLimitItemPerMonth(PLENTY),
        RateLimitItemPerDay(PLENTY),
    )

    def call() -> None:
        if not (
            limiter.hit(day, "k", "day", cost=5)
            and limiter.hit(month, "k", "month", cost=5)
            and limiter.hit(tokens, "k", "tokens", cost=1500)
        ):
            raise PermissionError

    return call


def pyrate(directory: str) -> Callable[[], None]:
    """Acquire from three buckets of one key, in files: a row for each unit, so it counts calls alone."""
    limiters = []
    for name, days in [("day", 1), ("month", 30), ("tokens", 1)]:
        rates = [Rate(10**9, days * Duration.DAY)]
        path = str(Path(directory, f"{name}.db"))
        limiters.append((name, Limiter(SQLiteBucket.init_from_file(rates, table=name, db_path=path))))

    def call() -> None:
        for name, limiter in limiters:
            if not limiter.try_acquire(name, blocking=False):
                raise PermissionError

    return call


async def litellm(calls: int) -> float:
    """Find the key, check its model and its budget, reserve, and settle; the nanoseconds of a call."""
    logging, cache = proxy_server.proxy_logging_obj, proxy_server.user_api_key_cache
    token = hash_token(SECRET)
    key = UserAPIKeyAuth(token=token, models=["gpt-4", "gpt-3.5-turbo"], max_budget=1e9)
    await cache.async_set_cache(key=token, value=key)
    body = {
        "model": "gpt-4",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Tell me a story."}],
    }
    began = time.perf_counter()
    for _ in range(calls):
        found = await auth_checks.get_key_object(hash_token(SECRET), NO_DATABASE, cache, None, logging)
        await auth_checks.can_key_call_model("gpt-4", None, found, None)
        await auth_checks._virtual_key_max_budget_check(found, logging)  # noqa: SLF001 - as its own proxy does
        held = await reserve_budget_for_request(
            body, "/v1/chat/completions", None, found, None, None, NO_DATABASE, cache, logging
        )
        await proxy_server.increment_spend_counters(token, None, None, 0.031, budget_reservation=held)
    took = (time.perf_counter() - began) * 1e9 / calls
    if not held:
        sys.exit("LiteLLM reserved nothing: this measures something else")
    return took


def main() -> None:
    """Measure everything in turns, so that a busy machine is unfair to nobody."""
    times: dict[str, list[float]] = {
        "peers/limits": [],
        "peers/pyrate-limiter/sqlite": [],
        "peers/litellm": [],
    }
    with tempfile.TemporaryDirectory() as directory:
        in_memory, durable = limits(), pyrate(directory)
        asyncio.run(litellm(50))
        for _ in range(ROUNDS):
            times["peers/limits"].append(timeit.timeit(in_memory, number=5_000) / 5_000 * 1e9)
            took = timeit.timeit(durable, number=DURABLE_CALLS) / DURABLE_CALLS * 1e9
            times["peers/pyrate-limiter/sqlite"].append(took)
            times["peers/litellm"].append(asyncio.run(litellm(200)))
    medians.leave(times)


if __name__ == "__main__":
    main()

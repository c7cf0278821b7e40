"""Measures the gate from Python, beside what somebody writes by hand who has none: `make bench` runs it."""

from __future__ import annotations

import hashlib
import threading
import timeit
from decimal import Decimal
from typing import TYPE_CHECKING

import medians

from enclava_keys import Denied, Gate

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 25
CALLS = 20_000

LIMIT = 2**40
gate = Gate.open("memory:")
secret = gate.create_key(
    "bench",
    allowed_models=["gpt-4", "gpt-3.5-turbo"],
    daily_spend_limit=1_000_000_000,
    monthly_spend_limit=1_000_000_000,
    daily_token_limit=LIMIT,
).secret.reveal()


def hot() -> None:
    """Do the whole job, money as text."""
    gate.authorize(secret, model="gpt-4", cost="0.05", tokens=1500).settle(cost="0.031", tokens=1234)


def floats() -> None:
    """Do the whole job, money as floats."""
    gate.authorize(secret, model="gpt-4", cost=0.05, tokens=1500).settle(cost=0.031, tokens=1234)


ESTIMATE, COST = Decimal("0.05"), Decimal("0.031")


def decimals() -> None:
    """Do the whole job, money as decimals."""
    gate.authorize(secret, model="gpt-4", cost=ESTIMATE, tokens=1500).settle(cost=COST, tokens=1234)


def denied() -> None:
    """Be refused, and catch it."""
    try:
        gate.authorize(secret, model="o1")
    except Denied:
        pass


lock = threading.Lock()
records = {hashlib.sha256(secret.encode()).hexdigest(): {"gpt-4", "gpt-3.5-turbo"}}
used = {"day": 0.0, "month": 0.0, "tokens": 0}


def hand_written() -> None:
    """Do less: no windows, no holds, no settlement, floats."""
    models = records.get(hashlib.sha256(secret.encode()).hexdigest())
    if models is None or "gpt-4" not in models:
        raise PermissionError
    with lock:
        if used["day"] + 0.05 > LIMIT or used["month"] + 0.05 > LIMIT or used["tokens"] + 1500 > LIMIT:
            raise PermissionError
        used["day"] += 0.05
        used["month"] += 0.05
        used["tokens"] += 1500


WORK: dict[str, Callable[[], None]] = {
    "python/hot": hot,
    "python/hot/floats": floats,
    "python/hot/decimals": decimals,
    "python/denied/model": denied,
    "python/hand-written": hand_written,
}


def main() -> None:
    """Measure everything in turns, so that a busy machine is unfair to nobody."""
    times: dict[str, list[float]] = {name: [] for name in WORK}
    for _ in range(ROUNDS):
        for name, work in WORK.items():
            times[name].append(timeit.timeit(work, number=CALLS) / CALLS * 1e9)
    medians.leave(times)


if __name__ == "__main__":
    main()

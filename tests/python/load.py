"""Goes on for a while over the middleware and over the gate itself, and fails if the process grows.

LOAD_SECONDS=600 .venv/bin/python tests/python/load.py
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from asgi_driver import ANSWER, CHAT, PRICES, STREAM, STREAMED, WHOLE, Answer, coming, scope
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from enclava_keys import Denied, Gate, PriceBook
from enclava_keys.asgi import KeyMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message

LONGEST = 3600.0
SECONDS = min(float(os.environ.get("LOAD_SECONDS", "60")), LONGEST)
SAMPLES = 120
CLIENTS = 8
KEYS = 200
# What the process may grow by between its second quarter and its last, since allocators and caches breathe.
MOST_GROWN = 4 << 20
POOR = "en_00000000000000000000000000000000"


class Gates:
    """A gate in memory and one over a file, with the same keys: rich ones, and one that has nothing left."""

    def __init__(self, directory: str) -> None:
        prices = PriceBook.from_toml(PRICES)
        self.memory = Gate.open("memory:", prices=prices)
        self.sqlite = Gate.open(f"sqlite:///{directory}/load.db?durability=normal", prices=prices)
        self.secrets = [f"en_{number:032x}" for number in range(1, KEYS + 1)]
        for gate in (self.memory, self.sqlite):
            for secret in self.secrets:
                gate.import_key("rich", secret=secret, allowed_models=["gpt-4"], daily_spend_limit=10**9)
            gate.import_key("poor", secret=POOR, daily_spend_limit=0)

    def held(self) -> int:
        """Count the budgets that hold anything."""
        keys = [(gate, key) for gate in (self.memory, self.sqlite) for key in gate.keys()]  # noqa: SIM118
        return sum(gate.usage(key.id).daily_spend.held != 0 for gate, key in keys)


async def chat(request: Request) -> Response:
    """Answer as a model does: whole, streamed, or not at all."""
    asked = await request.json()
    if asked["messages"][0]["content"] == "Fail":
        return Response(b"{}", status_code=500, media_type="application/json")
    if not asked.get("stream"):
        return Response(ANSWER, media_type="application/json")

    async def pieces() -> AsyncIterator[bytes]:
        for piece in STREAM:
            await asyncio.sleep(0)
            yield piece

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def client(app: ASGIApp, secrets: list[str], until: float, counts: Counter[str]) -> None:
    """Ask again and again, each time as another kind of client."""
    failing, other_model = WHOLE.replace(b"Test", b"Fail"), WHOLE.replace(b"gpt-4", b"o1")
    kinds = [
        ("whole", WHOLE, None),
        ("streamed", STREAMED, None),
        ("cut off", STREAMED, None),
        ("failed", failing, None),
        ("no model", other_model, None),
        ("no key", WHOLE, "en_ffffffffffffffffffffffffffffffff"),
        ("poor", WHOLE, POOR),
    ]
    for name, body, secret in itertools.cycle(kinds):
        if time.monotonic() > until:
            return
        gone, answer = asyncio.Event(), Answer()

        async def take(message: Message, *, cut: bool = name == "cut off", answer: Answer = answer) -> None:
            await answer.take(message)
            if cut and answer.pieces:
                gone.set()  # noqa: B023 - called before the next round
                await asyncio.sleep(0)

        called = random.choice(secrets) if secret is None else secret  # noqa: S311
        await app(scope(CHAT, called), coming([body], gone=gone), take)
        counts[f"asgi {name}: {answer.status}"] += 1
        await asyncio.sleep(0)


def caller(name: str, gate: Gate, secrets: list[str], until: float, counts: Counter[str]) -> None:
    """Authorize and settle, release, or drop; and be denied."""
    for number in itertools.count():
        if time.monotonic() > until:
            return
        secret = random.choice(secrets)  # noqa: S311
        permit = gate.authorize(secret, model="gpt-4", cost="0.05", tokens=1500)
        match number % 8:
            case 0:
                permit.release()
            case 1:
                permit.dispatched()
                gate.settle(permit.detach(), cost="0.04", tokens=9)
            case 2:
                del permit
            case 3:
                permit.settle(cost="0.031", tokens=1234)
                try:
                    gate.authorize(POOR, cost="0.05")
                except Denied as denied:
                    counts[f"{name} {denied.reason}"] += 1
            case _:
                permit.settle(cost="0.031", tokens=1234)
        counts[f"{name} called"] += 1
        if number % 64 == 0:
            time.sleep(0.002)  # so that the clients have their turn


def resident() -> int:
    """Tell the bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def sample(until: float, sizes: list[int]) -> None:
    """Note the memory from time to time."""
    while time.monotonic() < until:
        sizes.append(resident())
        await asyncio.sleep(SECONDS / SAMPLES)


async def run(gates: Gates, counts: Counter[str]) -> list[int]:
    """Run everything at once, and tell the sizes of the process on the way."""
    until = time.monotonic() + SECONDS
    app = KeyMiddleware(Starlette(routes=[Route(CHAT, chat, methods=["POST"])]), gates.memory)
    threads = [
        threading.Thread(target=caller, args=(name, gate, gates.secrets, until, counts))
        for name, gate in [("memory:", gates.memory), ("sqlite:", gates.sqlite)]
    ]
    for thread in threads:
        thread.start()
    sizes: list[int] = []
    clients = [client(app, gates.secrets, until, counts) for _ in range(CLIENTS)]
    await asyncio.gather(sample(until, sizes), *clients)
    for thread in threads:
        thread.join()
    return sizes


def main() -> None:
    """Load, count, and compare."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        gates = Gates(directory)
        sizes = asyncio.run(run(gates, counts))
        held = gates.held()
        gates.memory.close()
        gates.sqlite.close()
    quarter = len(sizes) // 4
    early, late = (statistics.median(part) for part in (sizes[quarter : 2 * quarter], sizes[-quarter:]))
    for name, count in sorted(counts.items()):
        print(f"{count:>10} {name}")  # noqa: T201
    calls = counts.total()
    print(  # noqa: T201
        f"{calls:>10} calls in {SECONDS:.0f} s; resident memory {early / 2**20:.1f} MiB in "
        f"the second quarter, in the last {late / 2**20:.1f} MiB"
    )
    if held:
        sys.exit(f"{held} budgets hold something though every call has ended")
    if late - early > MOST_GROWN:
        sys.exit(f"the process grew by more than {MOST_GROWN >> 20} MiB")


if __name__ == "__main__":
    main()

"""Providers to stand behind the gateway in tests: they answer, fail, stop and hang as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgi_driver import read

from demo.serving import Counter, serving
from gateway.app import API, build
from gateway.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from enclava_keys import Gate, ManualClock

USAGE = {"prompt_tokens": 15, "completion_tokens": 20, "total_tokens": 35}
WHOLE = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-4o",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
).encode()


def event(choices: list[Any], usage: Any = None) -> bytes:
    told = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o", "choices": choices}
    return b"data: " + json.dumps({**told, "usage": usage}).encode() + b"\n\n"


EVENTS = [
    event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
    *(event([{"index": 0, "delta": {"content": f"{n} é "}, "finish_reason": None}]) for n in range(5)),
    b": keep-alive\n\n",
    event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    event([], USAGE),
    b"data: [DONE]\n\n",
]
SHOWN = b"".join(EVENTS[:8] + EVENTS[9:])


@dataclass
class Provider:
    """Answers every call, whole or streamed as it is asked, after `seconds`."""

    seconds: float = 0.0
    status: int = 200
    stops_after: int | None = None
    """How many events it sends before it breaks off."""
    hangs_after: int | None = None
    """How many events it sends before it sends no more."""
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        body = json.loads(await read(receive))
        self.bodies.append(body)
        await asyncio.sleep(self.seconds)
        streams = body.get("stream", False)
        kind = b"text/event-stream" if streams else b"application/json"
        headers = [(b"content-type", kind), (b"x-request-id", b"provider's")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        async for piece in self._pieces(streams=streams):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _pieces(self, *, streams: bool) -> AsyncIterator[bytes]:
        if self.status != 200:
            yield b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}'
        elif not streams:
            yield WHOLE
        else:
            for at, piece in enumerate(EVENTS):
                if at == self.stops_after:
                    raise ConnectionError
                if at == self.hangs_after:
                    await asyncio.Event().wait()
                yield piece


@dataclass
class Served:
    """A gateway that is served, with a provider behind it."""

    base: str
    gate: Gate
    counter: Counter

    @property
    def api(self) -> str:
        return self.base + API


PRICES = """
[models.gpt-4o]
input = "2.50"
output = "10.00"
per = "1m"
max_input = 15
max_output = 64
"""


@contextlib.contextmanager
def gateway(
    provider: Provider | None,
    directory: Path,
    *,
    clock: ManualClock | None = None,
    floor: int | None = None,
    store: str = "memory:",
) -> Iterator[Served]:
    """Serve the example gateway, with `provider` or the built-in model behind it."""
    prices = directory / "prices.toml"
    prices.write_text(PRICES)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(serving(provider)) if provider else ""
        settings = Settings(
            upstream=upstream, upstream_key="provider's key", floor=floor, prices=prices, store=store
        )
        app = build(settings, clock)
        counter = Counter(app)
        yield Served(stack.enter_context(serving(counter)), app.state.gate, counter)

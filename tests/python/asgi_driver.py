"""Drives an ASGI application without a server, message by message, so that a test decides what comes when."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from enclava_keys import Balances, Gate, ManualClock, PriceBook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dict_ledger import DictLedger
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

PRICES = """
[models.gpt-4]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192

[models.embedder]
input = "0.01"
output = "0"
per = "1k"
max_input = 8192
max_output = 0

[models.claude]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192
"""

CHAT = "/v1/chat/completions"
REQUEST = {"model": "gpt-4", "max_tokens": 100, "messages": [{"role": "user", "content": "Test"}]}
# 8 tokens in at $0.03 and 4 out at $0.06 for a thousand: $0.00048.
USAGE = {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}
ANSWER = json.dumps({"choices": [{"message": {"content": "It works."}}], "usage": USAGE}).encode()
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"It works."}}],"usage":null}\n\n'
TELLS_USAGE = b'data: {"choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
DONE = b"data: [DONE]\n\n"
COST = Decimal("0.00048")
WHOLE = json.dumps(REQUEST).encode()
STREAMED = json.dumps({**REQUEST, "stream": True}).encode()
STREAM = [TEXT, TELLS_USAGE, DONE]


class Answer:
    """What an application answered."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.complete = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def json(self) -> Any:
        return json.loads(self.body)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            self.pieces.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)


def scope(
    path: str, secret: str | None, method: str = "POST", headers: Iterable[tuple[str, str]] = ()
) -> Scope:
    sent = [("content-type", "application/json"), *headers]
    if secret is not None:
        sent.append(("authorization", f"Bearer {secret}"))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in sent],
        "client": ("192.0.2.1", 4711),
    }


def coming(pieces: Iterable[bytes], *, gone: asyncio.Event | None = None, cut: bool = False) -> Receive:
    """Tell of a body that comes in `pieces`, from a client that stays until `gone`, or `cut` it short."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if not cut:
        messages[-1]["more_body"] = False

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        if not cut:
            await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return receive


async def post(
    app: ASGIApp,
    secret: str | None,
    body: Any = REQUEST,
    path: str = CHAT,
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer()
    await app(scope(path, secret, headers=headers), coming([sent]), answer.take)
    return answer


async def read(receive: Receive) -> bytes:
    """Read the whole body of a request, as an application does."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def answering(
    *pieces: bytes, status: int = 200, kind: str = "application/json", headers: Iterable[tuple[str, str]] = ()
) -> Handler:
    """Make an application that reads its request and answers so."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        sent = [("content-type", kind), *headers]
        pairs = [(name.encode(), value.encode()) for name, value in sent]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def streaming(*pieces: bytes) -> Handler:
    return answering(*pieces, kind="text/event-stream; charset=utf-8")


class Bench:
    """A gate with one key, over a ledger that blocks or one that does not."""

    def __init__(self, ledger: DictLedger | None) -> None:
        clock = ManualClock("2026-11-23T12:00:00Z")
        self.gate = Gate.open("memory:", clock=clock, prices=PriceBook.from_toml(PRICES), ledger=ledger)
        made = self.gate.create_key("App", daily_spend_limit=50)
        self.secret = made.secret.reveal()
        self.key_id = made.key.id
        permit = self.gate.authorize_request(self.secret, REQUEST)
        self.estimate = permit.estimate.cost
        permit.release()

    @property
    def balances(self) -> Balances:
        return self.gate.usage(self.key_id)

    @property
    def used(self) -> Decimal:
        """What was charged, when nothing is held any more."""
        spend = self.balances.daily_spend
        assert spend.held == 0, "a hold did not end"
        assert self.gate.stats().dropped == 0, "a permit was left to itself"
        return spend.used

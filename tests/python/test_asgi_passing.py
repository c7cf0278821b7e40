"""What an application gets from the middleware is as good as what it gets from a server."""

from __future__ import annotations

import asyncio
import collections
import gc
import inspect
import threading
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from asgi_driver import (
    ANSWER,
    CHAT,
    COST,
    DONE,
    STREAM,
    STREAMED,
    TELLS_USAGE,
    TEXT,
    WHOLE,
    Answer,
    Bench,
    answering,
    coming,
    post,
    read,
    scope,
)
from dict_ledger import DictLedger
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from enclava_keys import Conflict
from enclava_keys._native import Door
from enclava_keys.asgi import KeyMiddleware, access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from enclava_keys.ledger import Outcome, Step

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
EVENTS = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def test_what_is_received_and_sent_are_coroutines(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        first: Any = receive()
        assert inspect.iscoroutine(first)
        assert (await asyncio.create_task(first))["body"]
        async with anyio.create_task_group() as tasks:
            passed: Any = send
            tasks.start_soon(passed, EVENTS)
        # One of them goes on to nobody.
        for piece in STREAM:
            passing: Any = send({"type": "http.response.body", "body": piece, "more_body": True})
            assert inspect.iscoroutine(passing)
            await asyncio.create_task(passing)
        await send({"type": "http.response.body"})

    answer = asyncio.run(post(KeyMiddleware(app, bench.gate), bench.secret, STREAMED))
    assert (answer.pieces, answer.complete) == ([TEXT, DONE, b""], True)
    assert bench.used == COST


def test_the_body_is_told_once_and_then_what_the_server_tells(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        told.append(await receive())
        listening: Any = receive()
        waiting = asyncio.ensure_future(listening)
        await asyncio.sleep(0)
        assert not waiting.done()
        gone.set()
        told.append(await waiting)
        await answering(ANSWER)({}, coming([b""]), send)

    async def story() -> None:
        await KeyMiddleware(app, bench.gate)(
            scope(CHAT, bench.secret), coming([WHOLE[:9], WHOLE[9:]], gone=gone), Answer().take
        )

    told: list[Message] = []
    gone = asyncio.Event()
    asyncio.run(story())
    assert told == [
        {"type": "http.request", "body": WHOLE, "more_body": False},
        {"type": "http.disconnect"},
    ]
    assert bench.used == COST


def test_a_thread_may_ask_for_the_body(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()

        def ask() -> Message:
            # As adapters for WSGI do.
            asked: Any = receive()
            told: Message = asyncio.run_coroutine_threadsafe(asked, loop).result(60)
            return told

        assert (await asyncio.to_thread(ask))["body"] == WHOLE
        await answering(ANSWER)({}, coming([b""]), send)

    assert asyncio.run(post(KeyMiddleware(app, bench.gate), bench.secret)).body == ANSWER
    assert bench.used == COST


async def pieces() -> AsyncIterator[bytes]:
    for piece in STREAM:
        yield piece


async def stream(request: Request) -> Response:
    assert await request.json()
    return StreamingResponse(pieces(), media_type="text/event-stream")


async def endless(_request: Request) -> Response:
    async def on() -> AsyncIterator[bytes]:
        yield TEXT
        await asyncio.Event().wait()

    return StreamingResponse(on(), media_type="text/event-stream")


async def look(request: Request, call_next: RequestResponseEndpoint) -> Response:
    permit = access(request).permit
    assert permit is not None
    assert permit.model == "gpt-4"
    return await call_next(request)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("spec", ["2.0", "2.4"])
def test_starlettes_streams_and_middlewares_work(bench: Bench, spec: str, inside: bool) -> None:  # noqa: FBT001
    keys = Middleware(KeyMiddleware, gate=bench.gate)
    around = Middleware(BaseHTTPMiddleware, dispatch=look if inside else (lambda request, on: on(request)))
    app = Starlette(
        routes=[Route(CHAT, stream, methods=["POST"]), Route("/x/messages", endless, methods=["POST"])],
        middleware=[keys, around] if inside else [around, keys],
    )

    async def ask(path: str, *, gone: bool) -> Answer:
        answer = Answer()
        left = asyncio.Event()
        asked = scope(path, bench.secret)
        asked["asgi"]["spec_version"] = spec

        async def take(message: Message) -> None:
            if message["type"] == "http.response.body" and gone:
                left.set()
                if spec == "2.4":
                    # What a newer server says of a client that went away.
                    raise OSError
            await answer.take(message)

        try:
            await app(asked, coming([STREAMED], gone=left), take)
        finally:
            # A server goes on after a request that was cancelled, and so does what settles it.
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return answer

    answer = asyncio.run(ask(CHAT, gone=False))
    assert (answer.body, answer.complete) == (TEXT + DONE, True)
    assert bench.used == COST
    try:
        asyncio.run(ask("/x/messages", gone=True))
    except (OSError, ExceptionGroup):
        assert spec == "2.4"
    assert COST < bench.used - COST < bench.estimate, "the client that went away pays what it saw"


def test_messages_may_be_any_mapping_and_headers_any_pairs(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        start = {**EVENTS, "headers": [[b"Content-Type", b"Text/Event-Stream"], [b"CONTENT-LENGTH", b"9"]]}
        await send(collections.UserDict(start))
        for piece in (bytearray(TEXT), memoryview(TELLS_USAGE), b"", DONE):
            await send(collections.UserDict(type="http.response.body", body=piece, more_body=True))
        await send(collections.UserDict(type="http.response.body"))

    answer = asyncio.run(post(KeyMiddleware(app, bench.gate), bench.secret, STREAMED))
    assert (answer.body, answer.complete) == (TEXT + DONE, True)
    assert answer.headers == {"Content-Type": "Text/Event-Stream"}
    assert bench.used == COST


def test_a_piece_that_changes_after_it_was_sent_counts_as_it_was_sent(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await send(START)
        for piece in (ANSWER[:20], ANSWER[20:]):
            buffer = bytearray(piece)
            await send({"type": "http.response.body", "body": buffer, "more_body": True})
            buffer[:] = b"x" * len(buffer)
        await send({"type": "http.response.body"})

    assert asyncio.run(post(KeyMiddleware(app, bench.gate), bench.secret)).complete
    assert bench.used == COST


def test_what_comes_after_the_last_piece_changes_nothing(bench: Bench) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await answering(ANSWER)({}, receive, send)
        await send(EVENTS)
        await send({"type": "http.response.body", "body": TELLS_USAGE})
        await send({"type": "http.response.trailers", "headers": []})

    assert asyncio.run(post(KeyMiddleware(app, bench.gate), bench.secret)).body == ANSWER + TELLS_USAGE
    assert bench.used == COST


def test_a_call_that_is_cancelled_while_it_is_admitted_costs_nothing() -> None:
    class Slow(DictLedger):
        def apply(self, step: Step, /) -> Outcome:
            if asked is not None and step.becomes.phase == "live":
                asked.set()
                assert goes_on.wait(60)
            return super().apply(step)

    async def unreached(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pytest.fail("nobody waits for an answer")

    async def story() -> None:
        call = asyncio.ensure_future(post(KeyMiddleware(unreached, bench.gate), bench.secret))
        assert asked is not None
        await asyncio.to_thread(asked.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        goes_on.set()

    asked: threading.Event | None = None
    goes_on = threading.Event()
    bench = Bench(Slow())
    asked = threading.Event()
    asyncio.run(story())
    spend = bench.balances.daily_spend
    assert not spend.used
    assert not spend.held


def test_a_call_is_admitted_once_and_sent_on_after_that(bench: Bench) -> None:
    call = Door(bench.gate).call(scope(CHAT, bench.secret), None)
    with pytest.raises(Conflict):
        call.onward(scope(CHAT, None), coming([b""]), Answer().take)
    call.admit(WHOLE)
    with pytest.raises(Conflict):
        call.admit(WHOLE)
    assert bench.balances.daily_spend.held == bench.estimate
    del call
    assert bench.balances.daily_spend.held == 0


def test_a_server_that_its_own_requests_hold_is_let_go(bench: Bench) -> None:
    class Server:
        def __init__(self) -> None:
            self.scopes: list[Scope] = []
            self.answer = Answer()

        async def receive(self) -> Message:
            return {"type": "http.request", "body": WHOLE}

        async def send(self, message: Message) -> None:
            await self.answer.take(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server = holder()
        assert server is not None
        server.scopes.append({**scope, "receive": receive, "send": send})
        await answering(ANSWER)({}, receive, send)

    server = Server()
    holder = weakref.ref(server)
    asked = scope(CHAT, bench.secret)
    asyncio.run(KeyMiddleware(app, bench.gate)(asked, server.receive, server.send))
    assert server.answer.body == ANSWER
    del server
    gc.collect()
    assert holder() is None
    assert bench.used == COST

"""Every hold ends: whoever goes away, whatever fails, however little an answer tells."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from asgi_driver import (
    ANSWER,
    CHAT,
    COST,
    DONE,
    REQUEST,
    STREAMED,
    TELLS_USAGE,
    TEXT,
    WHOLE,
    Answer,
    Bench,
    answering,
    coming,
    post,
    scope,
    streaming,
)
from dict_ledger import DictLedger
from starlette.requests import Request

from enclava_keys.asgi import KeyMiddleware, access

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from enclava_keys import Stream


@pytest.mark.parametrize(
    ("status", "body", "charge"),
    [
        (400, b'{"error":{"message":"no"}}', "nothing"),
        (400, b'{"error":{"param":"usage","code":"unknown_parameter"}}', "nothing"),
        (401, b"", "nothing"),
        (404, b"not found", "nothing"),
        (413, b"", "nothing"),
        (429, b'{"error":{"code":"rate_limit_exceeded"}}', "nothing"),
        (302, b"", "nothing"),
        (500, b"oops", "nothing"),
        (502, b"", "nothing"),
        (503, b"", "nothing"),
        (529, b"", "nothing"),
        (408, b"", "estimate"),
        (504, b"upstream timed out", "estimate"),
        (524, b"", "estimate"),
        (500, ANSWER, "usage"),
        (504, ANSWER, "usage"),
        (500, b'{"usage":"much"}', "estimate"),
        (200, b"", "estimate"),
        (200, b'{"choices":[]}', "estimate"),
        (200, ANSWER[:-1], "estimate"),
        (200, b'{"usage":{"prompt_tokens":-1}}', "estimate"),
        (200, b"\xff\x00", "estimate"),
        (200, ANSWER, "usage"),
        (201, ANSWER, "usage"),
    ],
)
def test_what_an_answer_says_is_what_is_charged(bench: Bench, status: int, body: bytes, charge: str) -> None:
    app = KeyMiddleware(answering(body, status=status), bench.gate)
    answer = asyncio.run(post(app, bench.secret))
    assert (answer.status, answer.body, answer.complete) == (status, body, True)
    assert bench.used == {"nothing": 0, "estimate": bench.estimate, "usage": COST}[charge]


def test_an_error_that_tells_usage_does_so_however_it_is_cut(bench: Bench) -> None:
    for cut in range(0, len(ANSWER), 7):
        before = bench.used
        app = KeyMiddleware(answering(ANSWER[:cut], ANSWER[cut:], status=500), bench.gate)
        assert asyncio.run(post(app, bench.secret)).status == 500
        assert bench.used - before == COST


@pytest.mark.parametrize("taken", ["detach", "stream"])
def test_a_permit_that_a_handler_took_is_the_handlers(bench: Bench, taken: str) -> None:
    kept: list[str | Stream] = []

    async def takes(scope: Scope, receive: Receive, send: Send) -> None:
        kept.append(getattr(access(Request(scope)).permit, taken)())
        await streaming(TEXT, DONE)(scope, receive, send)

    answer = asyncio.run(post(KeyMiddleware(takes, bench.gate), bench.secret, STREAMED))
    assert (answer.status, answer.body) == (200, TEXT + DONE)
    spend = bench.balances.daily_spend
    assert spend.used == 0 < spend.held
    (mine,) = kept
    if isinstance(mine, str):
        bench.gate.settle(mine, cost="0.25")
        assert bench.used == Decimal("0.25")
    else:
        mine.feed(TEXT)
        mine.finish()
        assert COST < bench.used < spend.held


def test_what_cannot_be_read_on_its_way_is_charged_the_estimate(bench: Bench) -> None:
    for headers, kind in [([("content-encoding", "gzip")], "application/json"), ([], "audio/mpeg")]:
        before = bench.balances.daily_spend.used
        app = KeyMiddleware(answering(ANSWER, kind=kind, headers=headers), bench.gate)
        assert asyncio.run(post(app, bench.secret)).body == ANSWER
        assert bench.used - before == bench.estimate


def test_a_stream_without_usage_is_charged_what_it_showed(bench: Bench) -> None:
    app = KeyMiddleware(streaming(TEXT, TEXT, DONE), bench.gate)
    answer = asyncio.run(post(app, bench.secret, STREAMED))
    assert answer.body == TEXT + TEXT + DONE
    # A token a byte is the most that text can have been: 18 of them, and the prompt.
    assert COST < bench.used < bench.estimate


def test_an_application_that_fails_is_charged_the_estimate(bench: Bench) -> None:
    async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(post(KeyMiddleware(fails, bench.gate), bench.secret))
    assert bench.used == bench.estimate


def test_an_application_that_fails_in_mid_stream_is_charged_what_was_seen(bench: Bench) -> None:
    async def fails(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": TEXT, "more_body": True})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(post(KeyMiddleware(fails, bench.gate), bench.secret, STREAMED))
    assert COST < bench.used < bench.estimate


def test_an_application_that_answers_nothing_is_charged_the_estimate(bench: Bench) -> None:
    async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    asyncio.run(post(KeyMiddleware(silent, bench.gate), bench.secret))
    assert bench.used == bench.estimate


def test_a_client_that_goes_in_mid_stream_pays_what_it_saw(bench: Bench) -> None:
    async def streams(_scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.body", "body": TEXT, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    async def story() -> None:
        gone = asyncio.Event()
        gone.set()
        app = KeyMiddleware(streams, bench.gate)
        await app(scope(CHAT, bench.secret), coming([STREAMED], gone=gone), Answer().take)

    asyncio.run(story())
    assert COST < bench.used < bench.estimate


def test_a_server_that_cannot_send_any_more_is_no_leak(bench: Bench) -> None:
    async def lost(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionError

    async def story(app: KeyMiddleware, body: bytes) -> None:
        with pytest.raises(ConnectionError):
            await app(scope(CHAT, bench.secret), coming([body]), lost)

    asyncio.run(story(KeyMiddleware(streaming(TEXT, DONE), bench.gate), STREAMED))
    assert COST < bench.used < bench.estimate
    before = bench.used
    asyncio.run(story(KeyMiddleware(answering(ANSWER), bench.gate), WHOLE))
    assert bench.used - before == COST, "what the answer was is known, if nobody got it"
    before = bench.used
    asyncio.run(story(KeyMiddleware(answering(ANSWER[:20], ANSWER[20:]), bench.gate), WHOLE))
    assert bench.used - before == bench.estimate, "an answer that was cut is the estimate"


def test_a_cancelled_call_is_settled(bench: Bench) -> None:
    started = asyncio.Event()

    async def hangs(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": TEXT, "more_body": True})
        started.set()
        await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.ensure_future(post(KeyMiddleware(hangs, bench.gate), bench.secret, STREAMED))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert COST < bench.used < bench.estimate


def test_a_call_that_is_cancelled_twice_is_settled() -> None:
    bench = Bench(DictLedger())
    busy = threading.Event()

    async def hangs(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": TEXT, "more_body": True})
        asyncio.get_running_loop().run_in_executor(None, busy.wait)
        await asyncio.Event().wait()

    async def story() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        task = asyncio.ensure_future(post(KeyMiddleware(hangs, bench.gate), bench.secret, STREAMED))
        while bench.balances.daily_spend.held == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for _ in range(2):
            await asyncio.sleep(0.01)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The settlement still waits for its thread.
        busy.set()
        while bench.balances.daily_spend.held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    asyncio.run(story())
    assert COST < bench.used < bench.estimate


def test_a_body_cut_short_is_no_call(bench: Bench) -> None:
    answer = Answer()
    app = KeyMiddleware(answering(ANSWER), bench.gate)
    asyncio.run(app(scope(CHAT, bench.secret), coming([WHOLE[:20]], cut=True), answer.take))
    asyncio.run(app(scope(CHAT, bench.secret), coming([], cut=True), answer.take))
    assert answer.status == 0
    assert bench.used == 0


def test_a_body_may_come_slowly_and_in_pieces(bench: Bench) -> None:
    answer = Answer()
    app = KeyMiddleware(answering(ANSWER), bench.gate)
    pieces = [WHOLE[i : i + 1] for i in range(len(WHOLE))]
    asyncio.run(app(scope(CHAT, bench.secret), coming(pieces), answer.take))
    assert (answer.status, bench.used) == (200, COST)


def test_ten_megabytes_are_read_and_more_are_refused(bench: Bench) -> None:
    message = {"role": "user", "content": "x" * 10_000_000}
    body = json.dumps({**REQUEST, "messages": [message]}).encode()
    answer = asyncio.run(post(KeyMiddleware(answering(ANSWER), bench.gate), bench.secret, body))
    assert (answer.status, bench.used) == (200, COST)
    bound = KeyMiddleware(answering(ANSWER), bench.gate, max_body=len(body) - 1)
    answer = asyncio.run(post(bound, bench.secret, body))
    assert (answer.status, answer.json()["error"]["code"]) == (413, "request_too_large")

    async def unread() -> Message:
        pytest.fail("what is too long by its own account is not read")

    stated = scope(CHAT, bench.secret, headers=[("content-length", str(len(body)))])
    answer = Answer()
    asyncio.run(bound(stated, unread, answer.take))
    assert answer.status == 413
    answer = Answer()
    pieces = [body[i : i + 65536] for i in range(0, len(body), 65536)]
    asyncio.run(bound(scope(CHAT, bench.secret), coming(pieces), answer.take))
    assert (answer.status, bench.used) == (413, COST)


def test_a_strangers_upload_is_not_waited_for(bench: Bench) -> None:
    async def receive() -> Message:
        assert not asked.is_set(), "no more is read than came at once"
        asked.set()
        return {"type": "http.request", "body": b"{", "more_body": True}

    asked = asyncio.Event()
    answer = Answer()
    asyncio.run(
        KeyMiddleware(answering(ANSWER), bench.gate)(scope(CHAT, "en_" + "0" * 32), receive, answer.take)
    )
    assert answer.status == 401


def test_embeddings_are_settled(bench: Bench) -> None:
    body = {"model": "embedder", "input": ["some text"]}
    told = json.dumps({"data": [], "usage": {"prompt_tokens": 2, "total_tokens": 2}}).encode()
    app = KeyMiddleware(answering(told), bench.gate)
    assert asyncio.run(post(app, bench.secret, body, "/v1/embeddings")).status == 200
    assert bench.used == Decimal("0.00002")


def test_who_has_an_answer_finds_it_charged(bench: Bench) -> None:
    async def finds(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            seen.append(bench.used)

    seen: list[Decimal] = []
    for app, body in [(answering(ANSWER), WHOLE), (streaming(TEXT, TELLS_USAGE, DONE), STREAMED)]:
        asyncio.run(KeyMiddleware(app, bench.gate)(scope(CHAT, bench.secret), coming([body]), finds))
    assert seen == [COST, 2 * COST]

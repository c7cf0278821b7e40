"""The middleware: who is let through, what goes on, what is settled, and what a client is told."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from asgi_driver import (
    ANSWER,
    CHAT,
    DONE,
    PRICES,
    REQUEST,
    TELLS_USAGE,
    TEXT,
    Answer,
    answering,
    coming,
    post,
    read,
    scope,
)

from enclava_keys import Gate, InvalidValue, ManualClock, NewKey, PriceBook
from enclava_keys.asgi import Access, KeyMiddleware, access, call, free, keyed

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

COST = Decimal("0.00048")


@pytest.fixture
def gate(clock: ManualClock) -> Gate:
    return Gate.open("memory:", clock=clock, prices=PriceBook.from_toml(PRICES))


class Recorder:
    """An application that answers well and remembers what it was sent."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            self.bodies.append(await read(receive))
            await answering(ANSWER)(scope, coming([b""]), send)


def test_a_call_is_settled_to_the_token(gate: Gate, made: NewKey, secret: str) -> None:
    app = KeyMiddleware(answering(ANSWER[:20], ANSWER[20:]), gate)
    answer = asyncio.run(post(app, secret))
    assert (answer.status, answer.body, answer.complete) == (200, ANSWER, True)
    assert answer.pieces == [ANSWER[:20], ANSWER[20:], b""], "each piece went on as it came"
    balances = gate.usage(made.key.id)
    assert (balances.daily_spend.used, balances.daily_spend.held) == (COST, Decimal(0))
    assert (balances.daily_tokens.used, balances.daily_tokens.held) == (12, 0)


def test_the_body_goes_on_byte_for_byte(gate: Gate, secret: str) -> None:
    app = Recorder()
    body = b'{ "model" : "gpt-4",\n "seed": 12345678901234567890123, "max_tokens":5, "messages": [] }'
    answer = asyncio.run(post(KeyMiddleware(app, gate), secret, body, headers=[("accept-encoding", "gzip")]))
    assert answer.status == 200
    assert app.bodies == [body]
    headers = dict(app.scopes[0]["headers"])
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"accept-encoding"] == b"identity", "a compressed answer could not be read on its way"


def test_what_was_checked_is_what_goes_on(gate: Gate, secret: str) -> None:
    app = Recorder()
    asyncio.run(post(KeyMiddleware(app, gate), secret, b'{"model":"gpt\\u002d4","messages":[]}'))
    assert json.loads(app.bodies[0]) == {"model": "gpt-4", "messages": []}
    assert b"gpt-4" in app.bodies[0], "escapes that another reader may not undo are gone"
    twice = asyncio.run(
        post(KeyMiddleware(app, gate), secret, b'{"model":"gpt-4","model":"x","messages":[]}')
    )
    assert (twice.status, twice.json()["error"]["code"]) == (400, "invalid_request_body")
    assert len(app.bodies) == 1


def test_usage_is_asked_for_and_hidden_from_who_did_not_ask(gate: Gate, made: NewKey, secret: str) -> None:
    app = Recorder()
    asyncio.run(post(KeyMiddleware(app, gate), secret, {**REQUEST, "stream": True}))
    assert json.loads(app.bodies[0])["stream_options"] == {"include_usage": True}
    length = [("content-length", str(len(TEXT + TELLS_USAGE + DONE)))]
    told = KeyMiddleware(answering(TEXT, TELLS_USAGE, DONE, kind="text/event-stream", headers=length), gate)
    answer = asyncio.run(post(told, secret, {**REQUEST, "stream": True}))
    assert answer.body == TEXT + DONE
    assert "content-length" not in answer.headers, "it would be that of what the provider sent"
    asks = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}
    answer = asyncio.run(post(told, secret, asks))
    assert answer.body == TEXT + TELLS_USAGE + DONE
    assert gate.usage(made.key.id).daily_spend.used == 3 * COST


def test_a_grant_is_dispatched_and_a_full_answer_is_not_limited(gate: Gate) -> None:
    # $1 is 16666 tokens of answer; the model can write 8192 and two of them do not fit.
    made = gate.create_key("Small", daily_spend_limit=1)
    app = Recorder()
    granting = KeyMiddleware(app, gate, floor=16, limit_name="max_tokens")
    body = b'{"model":"gpt-4","messages":[]}'
    asyncio.run(post(granting, made.secret.reveal(), body))
    assert app.bodies == [body], "the model's own maximum need not be said"
    hold = gate.authorize(made.secret.reveal(), model="gpt-4", cost="0.9")
    asyncio.run(post(granting, made.secret.reveal(), body))
    granted = json.loads(app.bodies[1])["max_tokens"]
    assert 1500 < granted < 1700
    asyncio.run(
        post(granting, made.secret.reveal(), {**REQUEST, "max_tokens": 5000, "max_completion_tokens": 9})
    )
    limits = json.loads(app.bodies[2])
    assert (limits["max_tokens"], limits["max_completion_tokens"]) == (pytest.approx(granted, abs=100), 9)
    without = asyncio.run(post(KeyMiddleware(app, gate), made.secret.reveal(), body))
    assert (without.status, without.headers["x-should-retry"]) == (429, "true")
    hold.release()


def test_a_key_in_the_query_is_not_read(gate: Gate, secret: str) -> None:
    app = Recorder()
    answer = Answer()
    keyed = {**scope(CHAT, None), "query_string": f"key={secret}&api_key={secret}".encode()}
    asyncio.run(KeyMiddleware(app, gate)(keyed, coming([b"{}"]), answer.take))
    assert (answer.status, answer.json()["error"]["code"], app.scopes) == (401, "missing_api_key", [])
    assert secret not in answer.body.decode()


def test_denials_come_in_the_words_of_the_api(gate: Gate, secret: str) -> None:
    app = Recorder()
    denying = KeyMiddleware(app, gate, also=["x-api-key"])
    openai = asyncio.run(post(denying, secret, {**REQUEST, "model": "GPT-4"}))
    assert (openai.status, openai.json()["error"]["code"]) == (403, "model_not_found")
    assert openai.json()["error"]["message"].startswith("Model not allowed")
    assert openai.headers["x-should-retry"] == "false"
    assert openai.headers["content-length"] == str(len(openai.body))
    body = {"model": "claude", "max_tokens": 10, "messages": []}
    headers = [("x-api-key", secret)]
    anthropic = asyncio.run(post(denying, None, body, "/v1/messages", headers))
    assert (anthropic.status, anthropic.json()["type"]) == (403, "error")
    assert anthropic.json()["error"]["type"] == "permission_error"
    broken = asyncio.run(post(denying, secret, b"{", "/v1/messages"))
    assert (broken.status, broken.json()["error"]["type"]) == (400, "invalid_request_error")
    unasked = asyncio.run(post(KeyMiddleware(app, gate), None, body, "/v1/messages", headers))
    assert (unasked.status, unasked.json()["error"]["type"]) == (401, "authentication_error")
    assert not app.bodies
    assert gate.stats().admitted == 0


def test_a_request_id_of_the_client_names_nothing(gate: Gate, made: NewKey, secret: str) -> None:
    names = [("x-request-id", "same"), ("idempotency-key", "same"), ("openai-request-id", "same")]
    app = KeyMiddleware(answering(ANSWER), gate)

    async def both() -> list[Answer]:
        return await asyncio.gather(*(post(app, secret, headers=names) for _ in range(2)))

    assert [answer.status for answer in asyncio.run(both())] == [200, 200]
    assert gate.usage(made.key.id).daily_spend.used == 2 * COST


def test_nothing_passes_without_a_rule(gate: Gate, secret: str) -> None:
    app = Recorder()
    guarded = KeyMiddleware(app, gate, free=["/health", "/static/*"])

    def status(method: str, path: str, key: str | None) -> int:
        answer = Answer()
        asyncio.run(guarded(scope(path, key, method), coming([b"{}"]), answer.take))
        return answer.status

    for method, path in [
        ("POST", "/v1/images/generations"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1//chat/completions"),
        ("DELETE", "/v1/files/1"),
        ("POST", "/static/../v1/chat/completions"),
        ("GET", "/static/%2e%2e/secret"),
        # What a server decoded of `%3F` and `%23`: whoever builds a URL of it ends the path there.
        ("POST", "/v1/images/generations?x=/completions"),
        ("POST", "/v1/images/generations#/completions"),
        ("POST", "/static/x\n"),
        ("PUT", "*"),
    ]:
        expected = 200 if path.startswith("/static/x") and "\n" not in path else 403
        assert status(method, path, secret) == expected, (method, path)
    assert not app.scopes
    assert status("GET", "/health", None) == 200
    assert status("POST", "/static/form", None) == 200
    assert status("OPTIONS", CHAT, None) == 200
    assert status("GET", "/v1/models", None) == 401
    assert status("GET", "/v1/models", "en_" + "0" * 32) == 401
    assert status("GET", "/v1/models", secret) == 200


def test_routes_say_the_purpose_and_which_come_first(gate: Gate) -> None:
    made = gate.create_key("Bot", purpose="chatbot", allowed_endpoints=["/v1/*"], allowed_models=["gpt-4"])
    secret = made.secret.reveal()
    routes = [call("POST /v1/bot", purpose="chatbot"), keyed("/v1/bot/*", purpose="chatbot"), keyed("/*")]
    guarded = KeyMiddleware(Recorder(), gate, routes=routes)

    def ask(method: str, path: str) -> Any:
        answer = Answer()
        asyncio.run(guarded(scope(path, secret, method), coming([json.dumps(REQUEST).encode()]), answer.take))
        return answer.status if answer.status == 200 else answer.json()["error"]["message"].split(":")[0]

    assert ask("POST", "/v1/bot") == 200
    assert ask("GET", "/v1/bot/history") == 200
    assert ask("GET", "/v1/other") == "Purpose not allowed"
    assert ask("GET", "/v2/bot") == "Endpoint not allowed"


@pytest.mark.parametrize("pattern", ["v1/models", "get /v1", "/a*b", "**", "", "/a b", "/*/x/*", "GET  /x"])
def test_a_pattern_that_would_not_mean_what_it_says_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern: "):
        free(pattern)


def test_options_are_read_at_once(gate: Gate) -> None:
    with pytest.raises(InvalidValue, match="trusted"):
        KeyMiddleware(Recorder(), gate, trusted_proxies=["10.0.0.0/99"])
    with pytest.raises(InvalidValue, match="also"):
        KeyMiddleware(Recorder(), gate, also=["cookie"])  # type: ignore[list-item]


def test_who_has_spent_everything_may_still_read(gate: Gate, made: NewKey, secret: str) -> None:
    gate.record(made.key.id, cost=50)
    seen: list[Access] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        from starlette.requests import Request  # noqa: PLC0415

        seen.append(access(Request(scope)))
        assert await seen[0].allowed_models(["gpt-4", "o1"]) == ["gpt-4"]
        await answering(b"[]")(scope, coming([b""]), send)

    answer = Answer()
    asyncio.run(KeyMiddleware(app, gate)(scope("/v1/models", secret, "GET"), coming([b""]), answer.take))
    assert answer.status == 200
    assert (seen[0].key, seen[0].permit) == (made.key, None)
    assert secret not in repr(seen[0]) + repr(vars(seen[0]).keys())
    gate.disable_key(made.key.id)
    asyncio.run(KeyMiddleware(app, gate)(scope("/v1/models", secret, "GET"), coming([b""]), answer.take))
    assert answer.status == 401


def test_the_client_behind_a_proxy_is_the_one_it_names(gate: Gate) -> None:
    made = gate.create_key("Office", allowed_ips=["198.51.100.7"])
    forwarded = [("x-forwarded-for", "198.51.100.7")]

    def status(*proxies: str, headers: list[tuple[str, str]] = forwarded) -> int:
        app = KeyMiddleware(answering(ANSWER), gate, trusted_proxies=proxies)
        return asyncio.run(post(app, made.secret.reveal(), headers=headers)).status

    assert status("192.0.2.0/24") == 200
    assert status() == 403, "anyone can write a header"
    assert status("203.0.113.0/24") == 403
    gate.update_key(made.key.id, allowed_ips=["192.0.2.1"], widen=True)
    assert status() == 200
    unknown = [("x-forwarded-for", "unknown")]
    assert status("192.0.2.0/24", headers=unknown) == 403, "the proxy is not the client"


def test_a_socket_is_refused_unless_it_is_free(gate: Gate) -> None:
    app = Recorder()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    socket = {"type": "websocket", "path": "/v1/realtime", "headers": []}
    asyncio.run(KeyMiddleware(app, gate)(socket, receive, send))
    assert (sent, app.scopes) == ([{"type": "websocket.close", "code": 1008}], [])
    asyncio.run(KeyMiddleware(app, gate, free=["WEBSOCKET /v1/realtime"])(socket, receive, send))
    asyncio.run(KeyMiddleware(app, gate)({"type": "lifespan"}, receive, send))
    assert [scope["type"] for scope in app.scopes] == ["websocket", "lifespan"]


def test_a_settled_permit_stays_as_its_handler_settled_it(
    gate: Gate, made: NewKey, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request  # noqa: PLC0415

        permit = access(Request(scope)).permit
        assert permit is not None
        permit.settle(cost="0.5", tokens=7)
        await answering(ANSWER)(scope, receive, send)

    assert asyncio.run(post(KeyMiddleware(app, gate), secret)).status == 200
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.5")
    assert not caplog.records


def test_a_short_wait_sits_out_a_full_budget(gate: Gate) -> None:
    made = gate.create_key("One at a time", daily_spend_limit="0.05")
    app = KeyMiddleware(answering(ANSWER), gate, wait=5)

    async def story() -> int:
        hold = gate.authorize(made.secret.reveal(), model="gpt-4", cost="0.05")
        waiting = asyncio.ensure_future(post(app, made.secret.reveal()))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        hold.release()
        return (await waiting).status

    assert asyncio.run(story()) == 200

"""Calls that the gate prices itself, answers that stream, and what travels beside them."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from enclava_keys import (
    AlreadySettled,
    Conflict,
    Denied,
    Gate,
    InvalidRecord,
    InvalidValue,
    PriceBook,
    Usage,
    bearer,
    dispatch_body,
    resolve_client_ip,
)

PRICES = """
[models.gpt-4]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192
"""
BODY: dict[str, Any] = {"model": "gpt-4", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = b'{"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}'


@pytest.fixture
def priced() -> Gate:
    return Gate.open("memory:", prices=PriceBook.from_toml(PRICES))


@pytest.fixture
def chatbot(priced: Gate) -> str:
    return priced.create_key("Chatbot", id="chatbot", daily_spend_limit="25.00").secret.reveal()


@pytest.mark.parametrize(
    "body", [BODY, json.dumps(BODY), json.dumps(BODY).encode(), bytearray(json.dumps(BODY).encode())]
)
def test_a_request_is_estimated_from_its_body(priced: Gate, chatbot: str, body: bytes) -> None:
    permit = priced.authorize_request(chatbot, body, endpoint="/v1/chat/completions")
    assert (permit.model, permit.max_tokens) == ("gpt-4", 100)
    assert permit.estimate.cost > Decimal("0.006"), "a hundred tokens of answer, and the prompt"
    settlement = permit.settle_response(ANSWER)
    assert settlement.usage == Usage("0.00048", 12)
    assert priced.usage("chatbot").daily_spend.used == Decimal("0.00048")


def test_a_request_is_granted_what_fits(priced: Gate) -> None:
    secret = priced.create_key("small", daily_spend_limit="0.5").secret.reveal()
    body = BODY | {"max_tokens": 100_000}
    with pytest.raises(Denied):
        priced.authorize_request(secret, body)
    permit = priced.authorize_request(secret, body, floor=10)
    assert permit.max_tokens is not None
    assert 10 <= permit.max_tokens < 100_000
    sent = json.loads(dispatch_body(json.dumps(body), model=permit.model, max_tokens=permit.max_tokens))
    assert sent == body | {"max_tokens": permit.max_tokens}


def test_what_has_no_price_is_denied(priced: Gate, chatbot: str) -> None:
    with pytest.raises(Denied) as caught:
        priced.authorize_request(chatbot, BODY | {"model": "gpt-9"})
    assert caught.value.reason == "model_not_priced"
    priced.set_prices({"models": {"gpt-9": {"input": 0.000001, "output": "0.000002"}}})
    assert priced.authorize_request(chatbot, BODY | {"model": "gpt-9"}).model == "gpt-9"


def test_what_is_no_body_is_refused(priced: Gate, chatbot: str) -> None:
    for body in (b"", "[]", b"\xff", {"model": float("nan")}, {"model": object()}, {1: {2, 3}}, "\ud800"):
        with pytest.raises(InvalidValue, match="body"):
            priced.authorize_request(chatbot, body)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="body: must be bytes or str, not int"):
        priced.authorize_request(chatbot, 5)  # type: ignore[arg-type]
    permit = priced.authorize_request(chatbot, BODY)
    with pytest.raises(InvalidValue, match="response"):
        permit.settle_response(b"not json")
    assert permit.settle_response(json.loads(ANSWER)).usage.tokens == 12, "the hold stayed live"


def chunks(*texts: str, usage: bool = True) -> bytes:
    events: list[dict[str, Any]] = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    if usage:
        events.append({"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 4}})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


def test_a_stream_settles_what_it_tells(priced: Gate, chatbot: str) -> None:
    permit = priced.authorize_request(chatbot, BODY)
    stream = permit.stream()
    assert (permit.model, permit.max_tokens) == ("gpt-4", 100), "to be dispatched"
    told = chunks("Hello", " there")
    for byte in told:
        stream.feed(bytes([byte]))
    assert stream.progress == Usage("0.00048", 12)
    assert stream.finish().usage == Usage("0.00048", 12)
    assert stream.progress is None
    with pytest.raises(Conflict, match="finished before"):
        stream.finish()
    with pytest.raises(AlreadySettled):
        permit.settle(cost=1)


def test_a_stream_that_is_left_charges_what_was_seen(priced: Gate, chatbot: str) -> None:
    stream = priced.authorize_request(chatbot, BODY).stream()
    stream.feed(chunks("Hello", usage=False).decode())
    seen = stream.progress
    assert seen is not None
    assert 0 < seen.cost < Decimal("0.01")
    del stream
    assert priced.usage("chatbot").daily_spend.used == seen.cost
    with suppress(RuntimeError), priced.authorize_request(chatbot, BODY).stream() as stream:
        stream.feed(memoryview(chunks("Hello", usage=False)))
        raise RuntimeError
    assert priced.usage("chatbot").daily_spend.used == 2 * seen.cost
    with pytest.raises(Conflict, match="over"):
        stream.feed(b"")


def test_leaving_a_stream_finishes_it(priced: Gate, chatbot: str) -> None:
    with priced.authorize_request(chatbot, BODY).stream() as stream:
        stream.feed(chunks("Hi"))
    assert priced.usage("chatbot").daily_spend.used == Decimal("0.00048")
    with priced.authorize_request(chatbot, BODY).stream() as stream:
        stream.feed(chunks("Hi"))
        assert stream.finish().usage.tokens == 12


def test_a_stream_of_a_plain_permit_settles_its_tokens(priced: Gate, chatbot: str) -> None:
    stream = priced.authorize(chatbot, model="gpt-4", cost=1, tokens=50).stream()
    stream.feed(chunks("Hi"))
    assert stream.finish().usage == Usage("0.00048", 12)


def test_prices_are_read_from_files_of_two_kinds() -> None:
    own = PriceBook.from_json('{"models": {"a": {"input": "1e-6", "output": 0, "aliases": ["b"]}}}')
    assert (own.models(), len(own), "b" in own, "c" in own) == (["a", "b"], 2, True, False)
    theirs = PriceBook.from_litellm('{"m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}')
    assert theirs.models() == ["m"]
    with pytest.raises(InvalidRecord) as caught:
        PriceBook.from_json('{"models": {"a": {"input": "-1", "outptu": 0}}}')
    assert {fault.path for fault in caught.value.errors} >= {"models.a.input", "models.a.outptu"}
    for bad in (PriceBook.from_toml, PriceBook.from_litellm):
        with pytest.raises(InvalidRecord):
            bad("[")
    with pytest.raises(InvalidRecord, match="not one model has any"):
        PriceBook.from_litellm('{"m": {"litellm_provider": "openai"}}')
    with pytest.raises(TypeError, match="prices: must be a PriceBook or a dict"):
        Gate.open("memory:", prices="prices.json")  # type: ignore[arg-type]


def test_a_bearer_key_is_found_among_headers() -> None:
    assert bearer([("Authorization", "Bearer en_1")]) == "en_1"
    assert bearer([(b"authorization", b"bearer en_1 "), (b"accept", b"*/*")]) == "en_1"
    assert bearer({"x-api-key": "en_1"}.items(), also=["x-api-key"]) == "en_1"
    for headers in ([], [("authorization", "Basic eDp5")], [("x-api-key", "en_1")]):
        with pytest.raises(Denied) as caught:
            bearer(headers)
        assert caught.value.reason == "missing_key"
    with pytest.raises(Denied) as caught:
        bearer([("authorization", "Bearer en_1"), ("authorization", "Bearer en_2")])
    assert caught.value.reason == "malformed_key"
    with pytest.raises(InvalidValue, match="also"):
        bearer([], also=["x-secret"])  # type: ignore[list-item]
    for bad in ([5], ["ab", "cd", "efg"], [("a", 5)], "authorization"):
        with pytest.raises(TypeError, match="headers"):
            bearer(bad)  # type: ignore[arg-type]


def test_a_key_of_other_than_ascii_is_found_and_denied(priced: Gate) -> None:
    for value in ("Bearer en_é", "Bearer en_\ud800", b"Bearer en_\xff"):
        try:
            key = bearer([("authorization", value)])
        except Denied as denied:
            assert denied.reason == "missing_key"  # noqa: PT017 - one of two
        else:
            assert priced.check(key).reason == "malformed_key"


def test_clients_behind_proxies_are_found() -> None:
    assert resolve_client_ip("10.0.0.1", ["6.6.6.6, 203.0.113.9"], ["10.0.0.0/8"]) == "203.0.113.9"
    assert resolve_client_ip("192.0.2.1", ["6.6.6.6"], []) == "192.0.2.1"
    for peer, forwarded, trusted, field in (
        ("nowhere", [], [], "peer"),
        ("10.0.0.1", ["nonsense"], ["10.0.0.0/8"], "forwarded"),
        ("10.0.0.1", [], ["10.0.0.0/99"], "trusted"),
    ):
        with pytest.raises(InvalidValue) as caught:
            resolve_client_ip(peer, forwarded, trusted)
        assert caught.value.field == field


def test_a_body_is_dispatched_with_what_was_decided() -> None:
    body = b'{"model": "x", "messages": [], "stream": true, "seed": 12345678901234567890123}'
    sent = dispatch_body(body, model="gpt-4", max_tokens=7, include_usage=True, limit_name="max_tokens")
    told = json.loads(sent)
    assert (told["model"], told["max_tokens"]) == ("gpt-4", 7)
    assert told["stream_options"] == {"include_usage": True}
    assert b"12345678901234567890123" in sent
    assert dispatch_body(body) == body
    assert json.loads(dispatch_body({"input": "x"}, max_tokens=7, endpoint="POST /v1/responses")) == {
        "input": "x",
        "max_output_tokens": 7,
    }
    with pytest.raises(InvalidValue, match="body"):
        dispatch_body(b'{"model": "a", "model": "b"}', model="c")

"""Whatever comes in, the middleware answers or passes it on, and no hold is left."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgi_driver import ANSWER, PRICES, REQUEST, Answer, answering, coming, scope
from hypothesis import given
from hypothesis import strategies as st

from enclava_keys import Gate, PriceBook
from enclava_keys.asgi import KeyMiddleware

gate = Gate.open("memory:", prices=PriceBook.from_toml(PRICES))
made = gate.create_key("App", allowed_models=["gpt-4"], allowed_ips=["192.0.2.0/24"])
SECRET = made.secret.reveal()
KEYS = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-forwarded-for", "content-length"]
ANSWERS = {200, 400, 401, 403, 413, 429}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [*REQUEST, "stream", "stream_options", "n", "input", "prompt", "max_completion_tokens"]
)
requests = st.dictionaries(names | st.text(max_size=3), anything).map(lambda more: {**REQUEST, **more})
bodies = st.binary() | requests.map(lambda body: json.dumps(body).encode())
values = st.text(st.characters(codec="ascii", min_codepoint=1)) | st.sampled_from(
    [
        f"Bearer {SECRET}",
        f"bearer  {SECRET} ",
        SECRET,
        f"Bearer {SECRET}\n",
        "Basic eDp5",
        "Bearer",
        "192.0.2.7",
    ]
)
paths = st.text(max_size=20).map("/".__add__) | st.sampled_from(
    [
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/responses",
        "/v1/completions",
        "/",
        "",
        "*",
    ]
)


@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", ""]),
    path=paths,
    headers=st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=4),
    pieces=st.lists(bodies, min_size=1, max_size=3),
    cut=st.booleans(),
    client=st.sampled_from([None, ("192.0.2.1", 1), ("testclient", 1), ("", 0)]),
    trusted=st.booleans(),
)
def test_every_request_is_answered_or_passed_on(  # noqa: PLR0913, PLR0917
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    pieces: list[bytes],
    cut: bool,  # noqa: FBT001
    client: Any,
    trusted: bool,  # noqa: FBT001
) -> None:
    app = KeyMiddleware(
        answering(ANSWER),
        gate,
        also=["x-api-key", "api-key", "x-goog-api-key"],
        trusted_proxies=["192.0.2.0/24"] if trusted else [],
        floor=1,
        max_body=2000,
    )
    answer = Answer()
    sent = {**scope(path, None, method, headers), "client": client}
    asyncio.run(app(sent, coming(pieces, cut=cut), answer.take))
    assert answer.status in ANSWERS or (cut and not answer.status)
    assert SECRET.encode() not in answer.body
    assert gate.usage(made.key.id).daily_spend.held == 0
    if answer.status not in {0, 200}:
        error = answer.json()["error"]
        assert error["message"]
        assert error["type"]


@given(pieces=st.lists(st.binary() | st.sampled_from([ANSWER, ANSWER[:9], b'data: {"usage":1}\n\n'])))
def test_every_answer_passes_and_is_settled(pieces: list[bytes]) -> None:
    secret = gate.create_key("App").secret.reveal()
    before = gate.stats().settled
    for kind in ("application/json", "text/event-stream"):
        app = KeyMiddleware(answering(*pieces, kind=kind), gate)
        answer = Answer()
        body = json.dumps({**REQUEST, "stream": True, "stream_options": {"include_usage": True}}).encode()
        asyncio.run(app(scope("/v1/chat/completions", secret), coming([body]), answer.take))
        assert answer.body == b"".join(pieces)
    stats = gate.stats()
    assert (stats.settled - before, stats.dropped) == (2, 0)

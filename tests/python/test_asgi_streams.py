"""Streams pass as they are: every event at once, byte for byte, but for the usage that nobody asked for."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from asgi_driver import DONE, PRICES, REQUEST, TELLS_USAGE, TEXT, post, streaming
from hypothesis import example, given
from hypothesis import strategies as st

from enclava_keys import Gate, PriceBook
from enclava_keys.asgi import KeyMiddleware
from enclava_keys.asgi.hiding import UsageHider

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDS = [b"\n", b"\r\n", b"\r"]
KEPT = [
    b'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}',
    b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}',
    b'data: {"choices":[],"prompt_filter_results":[],"usage":null}',
    b'data: {"choices":[{"delta":{"content":"\\"usage\\" \\"choices\\":[]"}}]}',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":7}}',
    b": keep-alive",
    b"data: [DONE]",
    b'data: not json "usage" "choices"',
    b'data: ["usage","choices"]',
]
HIDDEN = [
    b'data: {"choices":[],"usage":{"prompt_tokens":8}}',
    b'data:{"id":"c","choices": [ ] ,"usage":{}}',
    b'id: 7\ndata: {"choices":[],\ndata: "usage":{"prompt_tokens":8}}',
]


def hide(pieces: Iterable[bytes]) -> bytes:
    hider = UsageHider()
    return b"".join([hider.feed(piece) for piece in pieces] + [hider.finish()])


def cut(stream: bytes, sizes: Iterable[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


@example([(KEPT[0], b"\n"), (HIDDEN[0], b"\r\n"), (KEPT[1], b"\r\n")], [len(KEPT[0] + HIDDEN[0]) + 5])
@given(
    st.lists(st.tuples(st.sampled_from(KEPT + HIDDEN), st.sampled_from(ENDS))),
    st.lists(st.integers(0, 40)),
)
def test_only_the_usage_event_is_missing_wherever_a_stream_is_cut(
    events: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    whole = b"".join(event.replace(b"\n", end) + end + end for event, end in events)
    kept = b"".join(event.replace(b"\n", end) + end + end for event, end in events if event in KEPT)
    assert hide(cut(whole, sizes)) == kept


@given(st.lists(st.binary()))
def test_any_bytes_without_usage_pass(pieces: list[bytes]) -> None:
    assert hide(pieces) == b"".join(pieces)


@pytest.mark.parametrize("end", ENDS)
def test_a_long_event_is_not_kept_waiting(end: bytes) -> None:
    hider = UsageHider()
    start = b'data: {"choices":[],"usage":{"x":"' + b"x" * 20_000
    assert hider.feed(start) == start
    assert hider.feed(b'"}}' + end) + hider.feed(end) == b'"}}' + end + end
    assert hider.feed(TELLS_USAGE) == b"", "the event after it is looked at again"
    assert hider.feed(TEXT) == TEXT


def test_every_whole_event_goes_on_at_once() -> None:
    hider = UsageHider()
    for event in (TEXT, b": ping\n\n", TEXT.replace(b"\n", b"\r\n"), DONE):
        assert hider.feed(event) == event


def test_a_last_event_without_its_empty_line_counts() -> None:
    assert hide([TEXT, TELLS_USAGE.rstrip()]) == TEXT
    assert hide([TEXT, DONE.rstrip()]) == TEXT + DONE.rstrip()


@given(st.lists(st.integers(1, 60), max_size=12), st.booleans())
def test_a_stream_is_settled_and_intact_wherever_it_is_cut(sizes: list[int], asks: bool) -> None:  # noqa: FBT001
    gate = Gate.open("memory:", prices=PriceBook.from_toml(PRICES))
    made = gate.create_key("App", daily_spend_limit=50)
    stream = TEXT + b": ping\r\n\r\n" + TEXT + TELLS_USAGE + DONE
    options = {"stream_options": {"include_usage": True}} if asks else {}
    app = KeyMiddleware(streaming(*cut(stream, sizes)), gate)
    body = json.dumps({**REQUEST, "stream": True, **options}).encode()
    answer = asyncio.run(post(app, made.secret.reveal(), body))
    assert answer.complete
    assert answer.body == (stream if asks else stream.replace(TELLS_USAGE, b""))
    balances = gate.usage(made.key.id)
    assert balances.daily_spend.used == Decimal("0.00048")
    assert balances.daily_spend.held == 0
    assert balances.daily_tokens.used == 12


def test_anthropics_stream_is_settled_and_intact() -> None:
    gate = Gate.open("memory:", prices=PriceBook.from_toml(PRICES))
    made = gate.create_key("App", daily_spend_limit=50)
    begin = {"type": "message_start", "message": {"usage": {"input_tokens": 8, "output_tokens": 1}}}
    end = {"type": "message_delta", "usage": {"output_tokens": 4}}
    stream = b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in (begin, end, {"type": "message_stop"})
    )
    body = {"model": "claude", "max_tokens": 100, "messages": [], "stream": True}
    answer = asyncio.run(
        post(KeyMiddleware(streaming(stream), gate), made.secret.reveal(), body, "/v1/messages")
    )
    assert answer.body == stream
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.00048")

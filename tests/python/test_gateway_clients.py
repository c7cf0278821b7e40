"""The gateway as the clients that people use see it: the right exception, one request, whole streams."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import openai
import pytest
from upstreams import EVENTS, SHOWN, USAGE, WHOLE, Provider, Served, gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enclava_keys import Gate, ManualClock, NewKey

COST = Decimal("0.0002375")
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
CALL: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 20}


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def served(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> Iterator[Served]:
    with gateway(provider, tmp_path_factory.mktemp("gateway"), clock=clock) as served:
        yield served


def client(served: Served, secret: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.api, api_key=secret)


def _retired(gate: Gate) -> str:
    made = gate.create_key("App")
    gate.rotate_key(made.key.id)
    return made.secret.reveal()


def _ended(gate: Gate, end: Callable[[str], object]) -> str:
    made = gate.create_key("App")
    end(made.key.id)
    return made.secret.reveal()


def _spent(gate: Gate, **limits: Any) -> str:
    made = gate.create_key("App", **limits)
    gate.record(made.key.id, cost=1, tokens=1000)
    return made.secret.reveal()


def _made(gate: Gate, **fields: Any) -> str:
    return gate.create_key("App", **fields).secret.reveal()


FINAL: list[tuple[str, type[openai.APIStatusError], str, Callable[[Gate], str]]] = [
    ("malformed_key", openai.AuthenticationError, "invalid_api_key", lambda _: "en_1"),
    ("unknown_key", openai.AuthenticationError, "invalid_api_key", lambda _: "en_" + "0" * 32),
    ("secret_retired", openai.AuthenticationError, "invalid_api_key", _retired),
    (
        "key_revoked",
        openai.AuthenticationError,
        "invalid_api_key",
        lambda gate: _ended(gate, gate.revoke_key),
    ),
    (
        "key_disabled",
        openai.AuthenticationError,
        "invalid_api_key",
        lambda gate: _ended(gate, gate.disable_key),
    ),
    (
        "key_not_yet_valid",
        openai.AuthenticationError,
        "invalid_api_key",
        lambda gate: _made(gate, not_before="2027-01-01T00:00:00Z"),
    ),
    (
        "ip_not_allowed",
        openai.PermissionDeniedError,
        "ip_not_allowed",
        lambda gate: _made(gate, allowed_ips=["192.0.2.1"]),
    ),
    (
        "endpoint_not_allowed",
        openai.PermissionDeniedError,
        "permission_denied",
        lambda gate: _made(gate, allowed_endpoints=["/api/v1/embeddings"]),
    ),
    (
        "purpose_not_allowed",
        openai.PermissionDeniedError,
        "permission_denied",
        lambda gate: _made(gate, purpose="chatbot"),
    ),
    (
        "model_not_allowed",
        openai.PermissionDeniedError,
        "model_not_found",
        lambda gate: _made(gate, allowed_models=["gpt-4"]),
    ),
    (
        "daily_spend_exceeded",
        openai.RateLimitError,
        "insufficient_quota",
        lambda gate: _spent(gate, daily_spend_limit=1),
    ),
    (
        "monthly_spend_exceeded",
        openai.RateLimitError,
        "insufficient_quota",
        lambda gate: _spent(gate, monthly_spend_limit=1),
    ),
    (
        "daily_tokens_exceeded",
        openai.RateLimitError,
        "insufficient_quota",
        lambda gate: _spent(gate, daily_token_limit=1000),
    ),
]


@pytest.mark.parametrize(("reason", "kind", "code", "prepare"), FINAL, ids=[row[0] for row in FINAL])
def test_each_refusal_is_one_request_and_the_right_exception(
    served: Served,
    reason: str,
    kind: type[openai.APIStatusError],
    code: str,
    prepare: Callable[[Gate], str],
) -> None:
    asking = client(served, prepare(served.gate))
    with pytest.raises(kind) as caught:
        asking.chat.completions.create(**CALL)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert served.gate.stats().denied == {reason: 1}
    assert served.counter.requests == 1
    with pytest.raises(kind):
        asking.chat.completions.create(**CALL, stream=True)
    assert served.counter.requests == 2


def test_an_expired_key_is_refused_once(served: Served, clock: ManualClock) -> None:
    secret = _made(served.gate, expires_at="2026-11-23T13:00:00Z")
    client(served, secret).chat.completions.create(**CALL)
    clock.advance(3600)
    with pytest.raises(openai.AuthenticationError, match="expired"):
        client(served, secret).chat.completions.create(**CALL)
    assert served.counter.requests == 2


def test_a_model_without_a_price_is_refused_once(served: Served) -> None:
    secret = _made(served.gate, daily_spend_limit=1)
    with pytest.raises(openai.PermissionDeniedError, match="`new-one` cannot be bounded"):
        client(served, secret).chat.completions.create(model="new-one", messages=MESSAGES)
    assert served.counter.requests == 1


def test_what_is_no_request_is_refused_once(served: Served) -> None:
    secret = _made(served.gate)
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        client(served, secret).chat.completions.create(**{**CALL, "max_tokens": -1})
    with pytest.raises(openai.PermissionDeniedError, match="no rule"):
        client(served, secret).images.generate(prompt="a cat", model="dall-e-3")
    assert served.counter.requests == 2


def test_a_passing_shortage_is_tried_again(served: Served) -> None:
    made = served.gate.create_key("App", daily_spend_limit="0.0003")
    hold = served.gate.authorize(made.secret.reveal(), model="gpt-4o", cost="0.0003")
    with pytest.raises(openai.RateLimitError) as caught:
        client(served, made.secret.reveal()).chat.completions.create(**CALL)
    assert caught.value.code == "rate_limit_exceeded"
    assert served.counter.requests == 3, "the client tries twice more"
    hold.release()
    client(served, made.secret.reveal()).chat.completions.create(**CALL)


def test_a_whole_answer_is_intact_and_settled(served: Served, provider: Provider) -> None:
    made = served.gate.create_key("App", daily_spend_limit=1)
    answer = client(served, made.secret.reveal()).chat.completions.with_raw_response.create(**CALL)
    assert answer.content == WHOLE
    assert answer.headers["x-request-id"] == "provider's"
    _settled(served, made, calls=1)
    assert made.secret.reveal() not in str(provider.headers), "the provider never sees the client's key"
    assert provider.headers[0]["authorization"] == "Bearer provider's key"


def test_a_stream_is_intact_byte_for_byte_and_settled(served: Served, provider: Provider) -> None:
    made = served.gate.create_key("App", daily_spend_limit=1)
    headers = {"authorization": f"Bearer {made.secret.reveal()}"}
    url = f"{served.api}/chat/completions"
    plain = httpx.post(url, json={**CALL, "stream": True}, headers=headers)
    assert plain.content == SHOWN
    asks = {**CALL, "stream": True, "stream_options": {"include_usage": True}}
    assert httpx.post(url, json=asks, headers=headers).content == b"".join(EVENTS)
    assert provider.bodies == [asks, asks]
    asking = client(served, made.secret.reveal())
    text = "".join(
        chunk.choices[0].delta.content or "" for chunk in asking.chat.completions.create(**CALL, stream=True)
    )
    assert text == "0 é 1 é 2 é 3 é 4 é "
    _settled(served, made, calls=3)


def test_anthropics_client_understands_refusals(served: Served) -> None:
    def ask(secret: str, model: str = "gpt-4o") -> None:
        asking = anthropic.Anthropic(base_url=served.base + "/api", api_key=secret)
        asking.messages.create(model=model, max_tokens=20, messages=MESSAGES)

    with pytest.raises(anthropic.AuthenticationError):
        ask("en_" + "0" * 32)
    with pytest.raises(anthropic.PermissionDeniedError, match="Model not allowed"):
        ask(_made(served.gate, allowed_models=["gpt-4"]))
    with pytest.raises(anthropic.RateLimitError, match="Daily spend limit"):
        ask(_spent(served.gate, daily_spend_limit=1))
    assert served.counter.requests == 3


def test_embeddings_and_models_of_the_built_in_model(tmp_path: Any) -> None:
    with gateway(None, tmp_path) as served:
        secret = _made(served.gate, allowed_models=["gpt-4o", "other"])
        asking = client(served, secret)
        assert [model.id for model in asking.models.list()] == ["gpt-4o"]
        assert asking.models.retrieve("gpt-4o").id == "gpt-4o"
        for hidden in ("gpt-4", "gpt-5"):
            with pytest.raises(openai.NotFoundError, match="no such model here"):
                asking.models.retrieve(hidden)
        with pytest.raises(openai.APIStatusError, match="no such call here"):
            asking.get("/nothing", cast_to=object)
        assert len(asking.embeddings.create(model="other", input=["a b", "c"]).data) == 2
        stats = served.gate.stats()
        assert (stats.settled, stats.dropped) == (1, 0)


def _settled(served: Served, made: NewKey, calls: int) -> None:
    balances = served.gate.usage(made.key.id)
    assert balances.daily_spend.used == calls * COST
    assert balances.daily_spend.held == 0
    assert balances.daily_tokens.used == calls * USAGE["total_tokens"]

"""The real client against examples/cpp/gateway.cpp: what it is answered, and how often it asks."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

import httpx2
import openai

MESSAGES = [{"role": "user", "content": "Test"}]


def main(url: str, key: str, spent: str) -> None:
    asked: list[httpx2.Request] = []
    http = httpx2.Client(event_hooks={"request": [asked.append]})

    def client(api_key: str) -> openai.OpenAI:
        asked.clear()
        return openai.OpenAI(base_url=url, api_key=api_key, http_client=http)

    # Admitted, and settled by what the answer says.
    answer = client(key).chat.completions.create(model="gpt-4", messages=MESSAGES, max_tokens=100)
    assert answer.choices[0].message.content == "It works."
    assert total(url) == Decimal("0.00042")

    # Streamed, and settled by what the stream says at its end.
    stream = client(key).chat.completions.create(
        model="gpt-4", messages=MESSAGES, max_tokens=100, stream=True
    )
    words = [choice.delta.content for chunk in stream for choice in chunk.choices]
    assert "".join(word or "" for word in words) == "It works."
    assert total(url) == Decimal("0.00084")

    # Whether it is streamed is said by the body and by no member of it, and a body may be blank for long.
    answer = client(key).chat.completions.create(
        model="gpt-4", messages=MESSAGES, max_tokens=100, extra_body={"metadata": {"stream": True}}
    )
    assert answer.choices[0].message.content == "It works."
    headers = {"authorization": f"Bearer {key}"}
    for stream, kind in [("false", "application/json"), ("true", "text/event-stream")]:
        body = json.dumps({"model": "gpt-4", "max_tokens": 100, "messages": MESSAGES})[:-1]
        body += f',"stream"{" " * 200_000}:{stream}}}'
        told = http.post(f"{url}/chat/completions", headers=headers, content=body)
        assert (told.status_code, told.headers["content-type"]) == (200, kind), told.text
    assert total(url) == Decimal("0.0021")

    # Only what the key may use.
    assert [model.id for model in client(key).models.list()] == ["gpt-4"]

    # Refused: a stranger, another model, no request at all. The client asks once.
    refused(client("en_00000000000000000000000000000000"), openai.AuthenticationError, "invalid_api_key")
    assert len(asked) == 1
    refused(client(key), openai.PermissionDeniedError, "model_not_found", model="o1")
    assert len(asked) == 1

    # A budget that is spent is one request, and not a storm of them.
    refused(client(spent), openai.RateLimitError, "insufficient_quota")
    assert len(asked) == 1, f"{len(asked)} requests"

    # A body that is no request is the client's mistake.
    assert http.post(f"{url}/chat/completions", headers=headers, content=b"{").status_code == 400
    assert http.get(f"{url}/models").status_code == 401
    assert total(url) == Decimal("0.0021")


def refused(
    client: openai.OpenAI, error: type[openai.APIStatusError], code: str, model: str = "gpt-4"
) -> None:
    found = None
    try:
        client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=100)
    except error as refusal:
        found = refusal.code
    assert found == code, found


def total(url: str) -> Decimal:
    return Decimal(httpx2.get(url.removesuffix("/v1") + "/spent").text)


main(*sys.argv[1:])

"""A stand-in for a provider: answers like a model, whole and streamed, and tells its usage."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Self

from starlette.responses import JSONResponse, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

_LIMITS = ("max_completion_tokens", "max_tokens")
_DIMENSIONS = 8


class Model:
    """Repeats what it is told, and counts as far as it is asked to. A word is a token."""

    async def __aenter__(self) -> Self:
        """Open it: there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""

    async def call(self, request: Request) -> Response:
        """Answer one call."""
        body = await request.json()
        match request.path_params["path"]:
            case "chat/completions" if body.get("stream"):
                return StreamingResponse(_stream(body), media_type="text/event-stream")
            case "chat/completions":
                return JSONResponse(_chat(body))
            case "embeddings":
                return JSONResponse(_embeddings(body))
            case _:
                error = {"message": "not found", "type": "invalid_request_error", "param": None, "code": None}
                return JSONResponse({"error": error}, 404)


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    words, reason = _words(body)
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(_prompt(body), len(words))}


def _stream(body: dict[str, Any]) -> Iterator[str]:
    head = _head(body, "chat.completion.chunk")
    words, reason = _words(body)
    asked = (body.get("stream_options") or {}).get("include_usage")
    unknown = {"usage": None} if asked else {}
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    for delta, end in [*deltas, ({}, reason)]:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        yield _event({**head, "choices": [choice], **unknown})
    if asked:
        yield _event({**head, "choices": [], "usage": _usage(_prompt(body), len(words))})
    yield "data: [DONE]\n\n"


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = []
    for index, text in enumerate(texts):
        digest = hashlib.sha256(str(text).encode()).digest()[:_DIMENSIONS]
        vector = [round(byte / 255, 6) for byte in digest]
        data.append({"object": "embedding", "index": index, "embedding": vector})
    read = sum(_size(str(text)) for text in texts)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


def _words(body: dict[str, Any]) -> tuple[list[str], str]:
    asked = _text(body["messages"][-1]) if body["messages"] else ""
    count = re.search(r"[Cc]ount to (\d{1,6})", asked)
    text = " ".join(map(str, range(1, int(count[1]) + 1))) if count else f"You said: {asked}"
    words = re.findall(r"\s*\S+", text)
    most = min((body[name] for name in _LIMITS if body.get(name)), default=len(words))
    return words[:most], "length" if most < len(words) else "stop"


def _prompt(body: dict[str, Any]) -> int:
    return sum(_size(_text(message)) + 3 for message in body["messages"])


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _size(text: str) -> int:
    return len(text.split())


def _usage(read: int, written: int) -> dict[str, int]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": body["model"]}


def _event(told: dict[str, Any]) -> str:
    return f"data: {json.dumps(told)}\n\n"

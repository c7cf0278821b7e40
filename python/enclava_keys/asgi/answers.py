"""What a client is told when its request does not pass: the bodies that its library expects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Send

    from enclava_keys.errors import Denied, InvalidValue

__all__ = ["Answer", "of_denied", "of_invalid", "too_large", "unruled"]

_ANTHROPIC_PATH = "/messages"


class Answer:
    """A finished HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        """Take what it consists of."""
        self.status = status
        self.headers = headers
        self.body = body

    async def send(self, send: Send) -> None:
        """Send it."""
        body = json.dumps(self.body, ensure_ascii=False).encode()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def of_denied(denied: Denied, path: str) -> Answer:
    """Tell what the core says, in the words of the API that the path belongs to."""
    body = denied.anthropic_body if _is_anthropic(path) else denied.body
    return Answer(denied.status, denied.headers, body)


def of_invalid(error: InvalidValue, path: str) -> Answer:
    """Tell that the body cannot be read: nothing was set aside for it, and nothing is sent on."""
    return _refusal(400, "invalid_request_body", f"Invalid request: {error}.", path)


def too_large(most: int, path: str) -> Answer:
    """Tell that the body is larger than the gateway reads."""
    return _refusal(
        413, "request_too_large", f"The request body is larger than the {most} bytes allowed here.", path
    )


def unruled(method: str, path: str) -> Answer:
    """Tell that the gateway has no rule for the path: what it might cost would be counted by nobody."""
    message = (
        f"Endpoint not allowed: this gateway has no rule for {method} requests to this path. Check the URL; "
        "the operator may add a route for it."
    )
    return _refusal(403, "endpoint_not_allowed", message, path)


_ANTHROPIC_KINDS = {400: "invalid_request_error", 403: "permission_error", 413: "request_too_large"}


def _refusal(status: int, code: str, message: str, path: str) -> Answer:
    body: dict[str, Any]
    if _is_anthropic(path):
        body = {"type": "error", "error": {"type": _ANTHROPIC_KINDS[status], "message": message}}
    else:
        kind = "invalid_request_error"
        body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status, {"content-type": "application/json", "x-should-retry": "false"}, body)


def _is_anthropic(path: str) -> bool:
    return path.rstrip("/").endswith(_ANTHROPIC_PATH)

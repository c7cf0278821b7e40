"""What comes in: the client's address, and the body within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enclava_keys import _native
from enclava_keys.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from starlette.types import Message, Receive, Scope

__all__ = ["TooLarge", "client_ip", "read_body", "replayed", "with_body"]

Headers = list[tuple[bytes, bytes]]


class TooLarge(Exception):  # noqa: N818 - it says what happened
    """The body is larger than the bound."""


async def read_body(
    scope: Scope, receive: Receive, most: int, known: Callable[[], Awaitable[object]]
) -> bytes | None:
    """Read the whole body; `None` if the client went away before its end.

    `known` is asked before more is read than came at once: a stranger's upload is not waited for.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > most:
            raise TooLarge
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > most:
            raise TooLarge
        return body
    await known()
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def with_body(scope: Scope, body: bytes) -> Scope:
    """Describe the request that goes on: its body's own length, and an answer that can be read on its way."""
    dropped = (b"content-length", b"transfer-encoding", b"accept-encoding")
    headers: Headers = [pair for pair in scope["headers"] if pair[0] not in dropped]
    headers.append((b"content-length", b"%d" % len(body)))
    headers.append((b"accept-encoding", b"identity"))
    return {**scope, "headers": headers}


def replayed(body: bytes, receive: Receive) -> Receive:
    """Hand `body` over as the whole request; after it, tell what the server tells."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def client_ip(scope: Scope, trusted: Sequence[str]) -> str | None:
    """Tell the client's address; behind proxies that are `trusted`, the one that they name.

    `None` where it cannot be told: keys that are bound to addresses refuse such a request.
    """
    client = scope.get("client")
    if not client:
        return None
    peer: str = client[0]
    if not trusted:
        return peer
    try:
        return _native.resolve_client_ip(peer, _forwarded(scope["headers"]), trusted)
    except InvalidValue:
        return None


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]

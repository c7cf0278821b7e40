"""What comes in: the body within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive

__all__ = ["TooLarge", "read_on"]


class TooLarge(Exception):  # noqa: N818 - it says what happened
    """The body is larger than the bound."""


async def read_on(
    message: Message, receive: Receive, most: int, known: Callable[[], Awaitable[object]]
) -> bytes | None:
    """Read a body to its end, of which `message` came first; `None` if the client went away before.

    `known` is asked before more is read than came at once: a stranger's upload is not waited for.
    """
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        if len(parts) == 1:
            await known()
        message = await receive()
    return None

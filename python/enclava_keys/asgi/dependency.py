"""A dependency for FastAPI, for handlers that settle their calls themselves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from typing import TYPE_CHECKING, Literal

# FastAPI reads the annotations of a dependency when the application starts.
from starlette.requests import Request  # noqa: TC002
from starlette.responses import JSONResponse

from enclava_keys import _native
from enclava_keys.asgi import answers
from enclava_keys.errors import Denied, EnclavaError, InvalidValue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from starlette.responses import Response

    from enclava_keys._native import Gate, Permit
    from enclava_keys.arguments import Amount, Seconds

__all__ = ["refused", "require_key"]


def require_key(  # noqa: PLR0913 - each option stands for itself
    gate: Gate,
    *,
    model: str | None = None,
    cost: Amount | None = None,
    tokens: int | None = None,
    purpose: str | None = None,
    floor: int | None = None,
    wait: Seconds | None = None,
    also: Iterable[Literal["x-api-key", "api-key", "x-goog-api-key"]] = (),
    trusted_proxies: Iterable[str] = (),
    max_body: int = 32 * 1024 * 1024,
) -> Callable[[Request], AsyncIterator[Permit]]:
    """Make a dependency that gives a handler the permit for its call.

    Write `permit: Annotated[Permit, Depends(require_key(gate))]`. With a `cost` or `tokens`, these are the
    estimate, and `model` is the model. Without, the body is one of OpenAI's or Anthropic's requests, of at
    most `max_body` bytes, and the gate prices it.

    The handler settles or releases the permit; one that it leaves is charged its progress, else its estimate.
    A handler that is not called, because FastAPI finds fault with its other arguments, costs nothing. Put
    this dependency last: where one after it raises, nobody can tell that from a handler that did.
    Register `app.add_exception_handler(EnclavaError, refused)`, or denials are answered as 500.
    """
    door = _native.Door(gate, also=tuple(also), trusted_proxies=tuple(trusted_proxies))

    async def permit(request: Request) -> AsyncIterator[Permit]:
        secret = door.secret(request.scope)
        # Not of `request.url`, which may be what the client's Host header makes of it.
        endpoint = f"{request.method} {request.scope['path']}"
        ip = door.client_ip(request.scope)
        if cost is None and tokens is None:
            given = await gate.authorize_request_async(
                secret,
                await _read(request, max_body, functools.partial(gate.verify_async, secret)),
                floor=floor,
                purpose=purpose,
                endpoint=endpoint,
                ip=ip,
                wait=wait,
            )
        else:
            given = await gate.authorize_async(
                secret,
                model=model,
                cost=cost,
                tokens=tokens,
                purpose=purpose,
                endpoint=endpoint,
                ip=ip,
                wait=wait,
            )
        # From here on the handler may call the model: a permit that it forgets is not free of charge.
        given.dispatched()
        try:
            yield given
        except Exception as error:
            if _is_of_arguments(error):
                await _whole(given.release, blocks=gate.blocks)
            raise
        finally:
            await _whole(functools.partial(given.__exit__, None, None, None), blocks=gate.blocks)

    return permit


class _TooLarge(InvalidValue):
    """The body is larger than the bound."""

    def __init__(self, most: int) -> None:
        super().__init__("body", f"must have at most {most} bytes")
        self.most = most


# The body, which handlers may read as well. A stranger's upload is not waited for.
async def _read(request: Request, most: int, known: Callable[[], Awaitable[object]]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _TooLarge(most)
        if part and len(parts) == 1:
            await known()
        parts.append(part)
    # Where Starlette keeps it, and FastAPI may have left it.
    request._body = b"".join(parts)  # noqa: SLF001
    return request._body  # noqa: SLF001


# Whether FastAPI refuses the request before it calls the handler. Whoever can raise this has imported it.
def _is_of_arguments(error: Exception) -> bool:
    exceptions = sys.modules.get("fastapi.exceptions")
    return exceptions is not None and isinstance(error, exceptions.RequestValidationError)


# Ends a permit even where the client goes away meanwhile. What was ended before stays so, and what the ledger
# cannot end now lapses.
async def _whole(end: Callable[[], None], *, blocks: bool) -> None:
    with contextlib.suppress(EnclavaError):
        if blocks:
            await asyncio.shield(asyncio.to_thread(end))
        else:
            end()


async def refused(request: Request, error: Exception) -> Response:
    """Answer what `require_key` raised: `app.add_exception_handler(EnclavaError, refused)`."""
    path = request.scope["path"]
    if isinstance(error, Denied):
        answer = answers.of_denied(error, path)
    elif isinstance(error, _TooLarge):
        answer = answers.too_large(error.most, path)
    elif isinstance(error, InvalidValue) and error.field == "body":
        answer = answers.of_invalid(error, path)
    else:
        raise error
    return JSONResponse(answer.body, answer.status, answer.headers)

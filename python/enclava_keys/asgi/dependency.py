"""A dependency for FastAPI, for handlers that settle their calls themselves."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Literal

# FastAPI reads the annotations of a dependency when the application starts.
from starlette.requests import Request  # noqa: TC002
from starlette.responses import JSONResponse

from enclava_keys import _native
from enclava_keys.asgi import answers
from enclava_keys.errors import Denied, InvalidValue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

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
) -> Callable[[Request], AsyncIterator[Permit]]:
    """Make a dependency that gives a handler the permit for its call.

    Write `permit: Annotated[Permit, Depends(require_key(gate))]`. With a `cost` or `tokens`, these are the
    estimate, and `model` is the model. Without, the body is one of OpenAI's or Anthropic's requests, and the
    gate prices it.

    The handler settles or releases the permit; one that it leaves is charged its progress, else its estimate.
    Register `app.add_exception_handler(EnclavaError, refused)`, or denials are answered as 500.
    """
    door = _native.Door(gate, also=tuple(also), trusted_proxies=tuple(trusted_proxies))

    async def permit(request: Request) -> AsyncIterator[Permit]:
        secret = door.secret(request.scope)
        endpoint = f"{request.method} {request.url.path}"
        ip = door.client_ip(request.scope)
        if cost is None and tokens is None:
            given = await gate.authorize_request_async(
                secret,
                await request.body(),
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
        finally:
            leave = functools.partial(given.__exit__, None, None, None)
            if gate.blocks:
                await asyncio.shield(asyncio.to_thread(leave))
            else:
                leave()

    return permit


async def refused(request: Request, error: Exception) -> Response:
    """Answer what `require_key` raised: `app.add_exception_handler(EnclavaError, refused)`."""
    if isinstance(error, Denied):
        answer = answers.of_denied(error, request.url.path)
    elif isinstance(error, InvalidValue) and error.field == "body":
        answer = answers.of_invalid(error, request.url.path)
    else:
        raise error
    return JSONResponse(answer.body, answer.status, answer.headers)

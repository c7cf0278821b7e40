"""The middleware: between the server and an application that calls models."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Literal

from enclava_keys import _native, errors
from enclava_keys.asgi import answers, inbound
from enclava_keys.asgi.access import Access
from enclava_keys.asgi.routes import DEFAULT_ROUTES, Route, Table
from enclava_keys.asgi.routes import free as free_route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from enclava_keys._native import Gate, Key
    from enclava_keys.arguments import Seconds
    from enclava_keys.asgi.answers import Answer
    from enclava_keys.values import Reason

__all__ = ["KeyMiddleware"]

# What only a call of a model can be refused for: who reads a list of models may have spent everything.
_OF_CALLS: frozenset[Reason] = frozenset(
    {
        "model_missing",
        "model_not_allowed",
        "model_not_priced",
        "rate_limited",
        "daily_spend_exceeded",
        "monthly_spend_exceeded",
        "daily_tokens_exceeded",
    }
)


class KeyMiddleware:
    """Lets through only requests whose key may make them, and settles every call by what the model answered.

    For any ASGI application: `app.add_middleware(KeyMiddleware, gate=gate)` in FastAPI and Starlette.

    A call's body is read, authorized at the gate's prices, and handed on with the model that was checked. Its
    answer passes at once, whole or streamed, and is read on its way; only its last piece waits for the
    ledger, up to a quarter of a second, so that who has an answer finds it charged.

    A call whose client goes away, or whose application raises in mid-stream, is charged what was seen of its
    answer, and its estimate where a model that reasons has not told its usage yet. One that ends in an error
    is charged nothing, unless the error tells usage or is a timeout; one whose application raises before it
    answers is charged its estimate.
    """

    def __init__(  # noqa: PLR0913 - each option stands for itself
        self,
        app: ASGIApp,
        gate: Gate,
        *,
        routes: Iterable[Route] = DEFAULT_ROUTES,
        free: Iterable[str] = (),
        also: Iterable[Literal["x-api-key", "api-key", "x-goog-api-key"]] = (),
        trusted_proxies: Iterable[str] = (),
        floor: int | None = None,
        wait: Seconds | None = None,
        max_body: int = 32 * 1024 * 1024,
        limit_name: str | None = None,
    ) -> None:
        """Stand before `app`.

        `routes`: what is asked of which paths; the first that fits decides, and what fits none is refused.
        `free`: patterns of paths that anyone may use, looked at first.
        `also`: headers that may carry the key beside `Authorization`, as `x-api-key` does for Anthropic's.
        `trusted_proxies`: addresses and networks whose `X-Forwarded-For` is believed.
        `floor`: where the longest answer to a request does not fit its budget, grant a shorter one, of at
        least so many tokens.
        `wait`: seconds to sit out a budget that only calls in flight take up.
        `max_body`: the most bytes of a request's body.
        `limit_name`: the member that limits an answer upstream, where a body has none and gets one.
        """
        self._app = app
        self._gate = gate
        # Faults of the options are told now, not to the first client.
        self._door = _native.Door(
            gate,
            max_body=max_body,
            also=tuple(also),
            trusted_proxies=tuple(trusted_proxies),
            floor=floor,
            limit_name=limit_name,
        )
        # A coroutine costs more than a call that answers at once.
        self._at_once = not gate.blocks and wait is None
        self._table = Table([*map(free_route, free), *routes])
        self._wait = wait
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._beside_http(scope, receive, send)
            return
        route = self._table.find(scope["method"], scope["path"])
        if route is None or route.rule != "call":
            await self._beside_calls(route, scope, receive, send)
            return
        # A call's whole way stands here: every frame of Python that it does without is a part of its time.
        try:
            call = self._door.call(scope, route.purpose)
            message = await receive()
            body = message.get("body", b"")
            if message.get("more_body") or message["type"] != "http.request":
                known = functools.partial(self._gate.verify_async, call.secret)
                body = await inbound.read_on(message, receive, self._max_body, known)
                if body is None:
                    return
            if self._at_once:
                call.admit(body)
            else:
                await call.admit_async(body, wait=self._wait)
        except (errors.Denied, errors.InvalidValue, inbound.TooLarge) as error:
            await self._refusal(error, scope["path"]).send(send)
            return
        try:
            await self._app(*call.onward(scope, receive, send))
        finally:
            ending = call.end()
            if ending is not None:
                await asyncio.shield(ending)

    async def _beside_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            route = self._table.find("WEBSOCKET", scope["path"])
            if route is None or route.rule != "free":
                # What passes through a socket would be counted by nobody.
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)

    # What calls no model: anyone may ask for it, or a key is enough, or nobody may.
    async def _beside_calls(self, route: Route | None, scope: Scope, receive: Receive, send: Send) -> None:
        if route is None:
            await answers.unruled(scope["method"], scope["path"]).send(send)
            return
        if route.rule == "keyed":
            try:
                secret = self._door.secret(scope)
                key = await self._check(secret, scope, route)
            except errors.Denied as denied:
                await answers.of_denied(denied, scope["path"]).send(send)
                return
            Access(self._gate, secret, key).leave(scope)
        await self._app(scope, receive, send)

    async def _check(self, secret: str, scope: Scope, route: Route) -> Key:
        key = await self._gate.verify_async(secret)
        decision = await self._gate.check_async(
            secret,
            purpose=route.purpose,
            endpoint=f"{scope['method']} {scope['path']}",
            ip=self._door.client_ip(scope),
        )
        if decision.denial is not None and decision.reason not in _OF_CALLS:
            raise errors.Denied(decision.denial)
        return key

    def _refusal(self, error: Exception, path: str) -> Answer:
        if isinstance(error, errors.Denied):
            return answers.of_denied(error, path)
        if isinstance(error, inbound.TooLarge):
            return answers.too_large(self._max_body, path)
        if isinstance(error, errors.InvalidValue) and error.field == "body":
            return answers.of_invalid(error, path)
        raise error

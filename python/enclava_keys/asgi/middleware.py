"""The middleware: between the server and an application that calls models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from enclava_keys import _native, errors
from enclava_keys.asgi import answers, inbound
from enclava_keys.asgi.access import Access
from enclava_keys.asgi.answers import Answer
from enclava_keys.asgi.routes import DEFAULT_ROUTES, Route, Table
from enclava_keys.asgi.routes import free as free_route
from enclava_keys.asgi.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from enclava_keys._native import Gate, Key, Permit
    from enclava_keys.arguments import Seconds
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


class _Options(TypedDict):
    floor: int | None
    purpose: str | None
    endpoint: str
    ip: str | None


class KeyMiddleware:
    """Lets through only requests whose key may make them, and settles every call by what the model answered.

    For any ASGI application: `app.add_middleware(KeyMiddleware, gate=gate)` in FastAPI and Starlette.

    A call's body is read, authorized at the gate's prices, and handed on with the model that was checked. Its
    answer passes at once, whole or streamed, and is read on its way; only its last piece waits for the
    ledger, up to a quarter of a second, so that who has an answer finds it charged.

    A call whose client goes away is charged what was seen of its answer; one that ends in an error is charged
    nothing, unless the error tells usage or is a timeout; one whose application raises is charged its
    estimate.
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
        # A coroutine costs more than a call that answers at once.
        self._at_once = not gate.blocks and wait is None
        self._table = Table([*map(free_route, free), *routes])
        self._also = tuple(also)
        self._trusted = tuple(trusted_proxies)
        self._floor = floor
        self._wait = wait
        self._max_body = max_body
        self._limit_name = limit_name
        # Faults of the options are told now, not to the first client.
        _native.bearer([(b"authorization", b"Bearer ?")], also=self._also)
        _native.resolve_client_ip("::1", [], self._trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._beside_http(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        route = self._table.find(method, path)
        if route is None:
            await answers.unruled(method, path).send(send)
            return
        if route.rule == "free":
            await self._app(scope, receive, send)
            return
        admitted = await self._admit(route, scope, receive)
        if isinstance(admitted, Answer):
            await admitted.send(send)
        elif admitted is not None:
            access, body = admitted
            access.leave(scope)
            if access.permit is None:
                await self._app(scope, receive, send)
            else:
                await self._call(access.permit, body, scope, receive, send)

    async def _beside_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            route = self._table.find("WEBSOCKET", scope["path"])
            if route is None or route.rule != "free":
                # What passes through a socket would be counted by nobody.
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)

    # Who it is and the body of the call; or what to answer instead; or nothing, if the client went away.
    async def _admit(
        self, route: Route, scope: Scope, receive: Receive
    ) -> tuple[Access, bytes] | Answer | None:
        gate, path = self._gate, scope["path"]
        try:
            secret = _native.bearer(scope["headers"], also=self._also)
            if route.rule == "keyed":
                return Access(gate, secret, await self._check(secret, scope, route)), b""
            body = await inbound.read_body(
                scope, receive, self._max_body, known=lambda: gate.verify_async(secret)
            )
            if body is None:
                return None
            # No request id of the client's goes in: two calls of one name would be taken for one.
            options: _Options = {
                "floor": self._floor,
                "purpose": route.purpose,
                "endpoint": _endpoint(scope),
                "ip": inbound.client_ip(scope, self._trusted),
            }
            if self._at_once:
                permit = gate.authorize_request(secret, body, **options)
            else:
                permit = await gate.authorize_request_async(secret, body, **options, wait=self._wait)
        except errors.Denied as denied:
            return answers.of_denied(denied, path)
        except errors.InvalidValue as error:
            if error.field != "body":
                raise
            return answers.of_invalid(error, path)
        except inbound.TooLarge:
            return answers.too_large(self._max_body, path)
        return Access(gate, secret, permit.key, permit), body

    async def _check(self, secret: str, scope: Scope, route: Route) -> Key:
        key = await self._gate.verify_async(secret)
        decision = await self._gate.check_async(
            secret,
            purpose=route.purpose,
            endpoint=_endpoint(scope),
            ip=inbound.client_ip(scope, self._trusted),
        )
        if decision.denial is not None and decision.reason not in _OF_CALLS:
            raise errors.Denied(decision.denial)
        return key

    async def _call(self, permit: Permit, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        dispatched, hides_usage = self._dispatched(permit, body, _endpoint(scope))
        tap = Tap(self._gate, permit, send, hides_usage=hides_usage)
        permit.dispatched()
        try:
            await self._app(
                inbound.with_body(scope, dispatched), inbound.replayed(dispatched, receive), tap.send
            )
        finally:
            await tap.end()

    # What goes on: the model that was checked, the answer that was granted, a stream that tells its usage.
    def _dispatched(self, permit: Permit, body: bytes, endpoint: str) -> tuple[bytes, bool]:
        def dispatch(*, include_usage: bool) -> bytes:
            return _native.dispatch_body(
                body,
                model=permit.model,
                max_tokens=permit.max_tokens if permit.is_reduced else None,
                limit_name=self._limit_name,
                endpoint=endpoint,
                include_usage=include_usage,
            )

        dispatched = dispatch(include_usage=True)
        return dispatched, dispatched != body and dispatched != dispatch(include_usage=False)


def _endpoint(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']}"

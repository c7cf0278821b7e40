"""The gateway, put together: the API behind keys, and the console."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route

from enclava_keys import Gate
from enclava_keys.asgi import KeyMiddleware, access
from enclava_keys.console import Console
from gateway.alerts import Alerts
from gateway.model import Model
from gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from enclava_keys import ManualClock
    from gateway.settings import Settings

API = "/api/v1"


def build(settings: Settings, clock: ManualClock | None = None) -> Starlette:
    """Build the gateway. With a `clock` of one's own it lives through a day in a moment."""
    prices = settings.price_book()
    gate = Gate.open(settings.store, prices=prices, clock=clock, leased=settings.leased)
    gate.on_alert(Alerts(settings.alert_webhook))
    models = prices.models()
    upstream = Upstream(settings.upstream, settings.upstream_key) if settings.upstream else Model()

    async def listed(request: Request) -> Response:
        allowed = await access(request).allowed_models(models)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "gateway"} for name in allowed]
        return JSONResponse({"object": "list", "data": data})

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def home(_request: Request) -> Response:
        return RedirectResponse("/console/")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with upstream:
            with gate:
                yield

    api = Starlette(routes=[Route("/models", listed), Route("/{path:path}", upstream.call, methods=["POST"])])
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/health", health),
            Mount(API, KeyMiddleware(api, gate, also=["x-api-key"], floor=settings.floor)),
            Mount("/", Console(gate, jwt_secret=settings.jwt_secret)),
        ],
        lifespan=lifespan,
    )
    app.state.gate = gate
    return app

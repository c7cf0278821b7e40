"""The gateway, put together: the API behind keys, and the console."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route

from enclava_keys import Gate
from enclava_keys.asgi import KeyMiddleware, access
from enclava_keys.console import Console
from gateway.alerts import Alerts
from gateway.model import Model
from gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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
        return JSONResponse({"object": "list", "data": [_model(name) for name in allowed]})

    async def shown(request: Request) -> Response:
        name = request.path_params["name"]
        if name in await access(request).allowed_models(models):
            return JSONResponse(_model(name))
        return _refusal(404, "there is no such model here, or your key may not use it", "model_not_found")

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def home(_request: Request) -> Response:
        return RedirectResponse("/console/")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with upstream:
            with gate:
                yield

    api = Starlette(
        routes=[
            Route("/models", listed),
            Route("/models/{name:path}", shown),
            Route("/{path:path}", upstream.call, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _strayed},
    )
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


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway"}


async def _strayed(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _refusal(error.status_code, "there is no such call here", "unknown_url", error.headers)


def _refusal(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status, headers)

"""A reverse proxy to an OpenAI-compatible provider, streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import httpx
from starlette.responses import JSONResponse, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

# What a client may tell the provider; not its key, nor that its body is other than the JSON that was read.
_PASSED_ON = {"accept", "accept-encoding", "anthropic-beta", "anthropic-version", "openai-beta"}
# What is between two parties, and not for a third.
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "set-cookie", "trailer", "transfer-encoding"}
_PATIENCE = httpx.Timeout(600, connect=10)


class Upstream:
    """Sends calls to the provider and its answers back, piece by piece."""

    def __init__(self, base_url: str, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Send to paths below `base_url`, with the provider's `key`."""
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._client = httpx.AsyncClient(transport=transport, timeout=_PATIENCE, limits=httpx.Limits())

    async def __aenter__(self) -> Self:
        """Open it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def call(self, request: Request) -> Response:
        """Send one call on."""
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        headers["content-type"] = "application/json"
        if self._key:
            headers |= {"authorization": f"Bearer {self._key}", "x-api-key": self._key}
        # It was decoded, and is no more than a path: nothing in it begins a query.
        url = f"{self._base_url}/{quote(request.path_params['path'], safe='/:')}"
        sent = self._client.build_request("POST", url, content=await request.body(), headers=headers)
        try:
            answer = await self._client.send(sent, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return _failed(502, "the model cannot be reached")
        except httpx.TransportError:
            # It was asked and may have answered: 504 says so, and is charged.
            return _failed(504, "the model did not answer")
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        return StreamingResponse(_pieces(answer), answer.status_code, kept)


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _failed(status: int, message: str) -> Response:
    error = {"message": message, "type": "server_error", "param": None, "code": "upstream_failed"}
    return JSONResponse({"error": error}, status)

"""The console as one ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from enclava_keys.console.answers import answer, failure
from enclava_keys.console.api import Api
from enclava_keys.console.openapi import description
from enclava_keys.console.page import Page
from enclava_keys.console.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from enclava_keys import Gate

__all__ = ["Console"]

_WORDS = {404: "not_found", 405: "method_not_allowed"}


class Console:
    """The API Keys page and the calls behind it: an ASGI app, for any number of tasks at once."""

    def __init__(  # noqa: PLR0913 - each is named where it is given
        self,
        gate: Gate,
        *,
        jwt_secret: str | bytes,
        algorithms: Sequence[str] = ("HS256",),
        audience: str | None = None,
        issuer: str | None = None,
        claims: Mapping[str, Any] | None = None,
        max_body: int = 1 << 20,
    ) -> None:
        """Manage the keys of `gate`, for whoever shows a JWT that `jwt_secret` verifies.

        `jwt_secret` is the shared secret, of at least as many bytes as the hash (32 for HS256), or a public
        key in PEM; `algorithms` are the only ones that count, all of one of these kinds. A token must say
        when it expires, name `audience` and `issuer` if they are given, and carry every one of `claims` with
        exactly this value: `{"role": "admin"}`. Without `claims`, whoever has a token is an admin.

        `max_body` bounds request bodies, in bytes.

        Raises `InvalidValue` for a secret or algorithms that could not keep anybody out.
        """
        tokens = Tokens(jwt_secret, algorithms=algorithms, audience=audience, issuer=issuer, claims=claims)
        api = Api(gate, tokens, max_body)
        self._app = Starlette(
            routes=[
                *api.routes(),
                Route("/api-internal/v1/openapi.json", _openapi, methods=["GET"]),
                *Page().routes(),
            ],
            exception_handlers={HTTPException: _strayed, Exception: _broken},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)


async def _openapi(request: Request) -> Response:
    return answer(200, description(request.scope.get("root_path", "") or "/"))


async def _strayed(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _WORDS.get(error.status_code, "invalid_request")
    return failure(error.status_code, code, error.detail, headers=error.headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    return failure(500, "internal_error", "something went wrong; the log of the gateway says more")

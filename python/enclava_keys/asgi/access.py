"""What the middleware found out, for the handlers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

# FastAPI reads the annotations of a dependency when the application starts.
from starlette.requests import HTTPConnection  # noqa: TC002

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

    from enclava_keys._native import Call, Gate, Key, Permit

__all__ = ["Access", "access"]

_PLACE = "enclava"


class Access:
    """Whose request it is and, where it is a call of a model, the permit for it.

    The middleware settles the permit. Where a handler settles or releases it first, that counts.
    """

    def __init__(self, gate: Gate, secret: str, key: Key, permit: Permit | None = None) -> None:
        """Keep what was found out; the secret is asked with and never shown."""
        self.gate = gate
        self.key = key
        self.permit = permit
        self._secret = secret

    async def allowed_models(self, models: Iterable[str]) -> list[str]:
        """Which of `models` the key may use, in their order."""
        return await self.gate.allowed_models_async(self._secret, models)

    def leave(self, scope: Scope) -> None:
        """Leave it where `access` finds it."""
        scope[_PLACE] = self


def access(request: HTTPConnection) -> Access:
    """Tell what the middleware found out about `request`: `Annotated[Access, Depends(access)]` in FastAPI.

    Raises `LookupError` where the middleware asked for no key: the route is free, or there is no middleware.
    """
    if _PLACE not in request.scope:
        message = f"nobody was asked for a key at {request.scope['path']}"
        raise LookupError(message)
    found: Access | Call = request.scope[_PLACE]
    if isinstance(found, Access):
        return found
    # Of a call, it is made for those who ask.
    return Access(found.gate, found.secret, found.permit.key, found.permit)

"""Who may use the console: whoever shows an admin token, a JWT that was signed for it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
from jwt.algorithms import HMACAlgorithm

from enclava_keys import InvalidValue, bearer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

__all__ = ["Forbidden", "Tokens", "Unauthorized", "admin_token"]

# RFC 7518, section 3.2: a key at least as long as the hash.
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
# What is longer is cut, and so not valid.
_LONGEST_TOKEN = 8192


class Unauthorized(Exception):  # noqa: N818 - it is an answer
    """No valid token. It says no more: what was wrong with a token is nobody's business."""


class Forbidden(Exception):  # noqa: N818 - it is an answer
    """A valid token of somebody who is not an admin."""


class Tokens:
    """Verifies admin tokens by one key and pinned algorithms."""

    def __init__(
        self,
        jwt_secret: str | bytes,
        *,
        algorithms: Sequence[str],
        audience: str | None,
        issuer: str | None,
        claims: Mapping[str, Any] | None,
    ) -> None:
        """Take the key and what a token has to say; refuse what could not keep anybody out."""
        self._algorithms = _pinned(algorithms)
        self._key = _prepared(jwt_secret, self._algorithms)
        self._audience = audience
        self._issuer = issuer
        self._claims = {name: _exactly(value) for name, value in (claims or {}).items()}

    def subject(self, request: Request) -> str:
        """Tell whose token `request` carries."""
        claims = self._verified(request)
        if any(_exactly(claims.get(name)) != value for name, value in self._claims.items()):
            raise Forbidden
        return str(claims.get("sub", "admin"))

    def _verified(self, request: Request) -> dict[str, Any]:
        try:
            return jwt.decode(
                bearer(request.headers.raw)[:_LONGEST_TOKEN],
                self._key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp"]},
            )
        # A stranger's bytes: whatever they make the parsers do, they are no token.
        except Exception:  # noqa: BLE001
            raise Unauthorized from None


def admin_token(
    jwt_secret: str | bytes,
    *,
    subject: str = "admin",
    seconds: int = 3600,
    algorithm: str = "HS256",
    claims: Mapping[str, Any] | None = None,
) -> str:
    """Sign a token for the console that is valid for `seconds` from now; `claims` go into it as they are.

    For gateways without a sign-in of their own. `jwt_secret` is the console's, or the private key to it.
    """
    if algorithm in _SECRET_BYTES:
        _prepared(jwt_secret, [algorithm])
    now = int(time.time())
    told = {**(claims or {}), "sub": subject, "iat": now, "exp": now + seconds}
    return jwt.encode(told, jwt_secret, algorithm=algorithm)


# JSON tells true from 1, where Python does not.
def _exactly(value: object) -> str:
    return json.dumps(value, sort_keys=True)


# A public key that is also tried as a shared secret lets everybody sign: one family, or the other.
def _pinned(algorithms: Sequence[str]) -> list[str]:
    if isinstance(algorithms, str) or not algorithms:
        raise InvalidValue(field="algorithms", message='must be a list of JWT algorithms, such as ["HS256"]')
    known = jwt.algorithms.get_default_algorithms()
    for algorithm in algorithms:
        if algorithm == "none" or algorithm not in known:
            raise InvalidValue(
                field="algorithms",
                message=f"`{algorithm}` signs nothing here; use HS256, RS256, ES256 or EdDSA",
            )
    if len({algorithm in _SECRET_BYTES for algorithm in algorithms}) > 1:
        raise InvalidValue(
            field="algorithms",
            message="mix shared secrets (HS…) with public keys; name algorithms of one kind",
        )
    return list(algorithms)


# What PyJWT makes of a key depends on its kind.
def _prepared(jwt_secret: str | bytes, algorithms: Sequence[str]) -> Any:  # noqa: ANN401
    needed, name = max((_SECRET_BYTES.get(name, 0), name) for name in algorithms)
    length = len(jwt_secret.encode() if isinstance(jwt_secret, str) else jwt_secret)
    if length < needed:
        message = f"must be at least {needed} bytes of randomness for {name}: openssl rand -hex {needed}"
        raise InvalidValue(field="jwt_secret", message=message)
    algorithm = jwt.algorithms.get_default_algorithms()[name]
    try:
        key = algorithm.prepare_key(jwt_secret)
    except (jwt.PyJWTError, TypeError, ValueError):
        kind = "a shared secret" if isinstance(algorithm, HMACAlgorithm) else "a public key in PEM"
        raise InvalidValue(field="jwt_secret", message=f"must be {kind} for {name}") from None
    return jwt_secret if isinstance(algorithm, HMACAlgorithm) else key

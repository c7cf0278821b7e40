"""The gate in front of an ASGI application: FastAPI, Starlette, Litestar, or a plain one. Extra `[asgi]`."""

from enclava_keys._extras import needed_for

with needed_for("asgi", "starlette"):
    from enclava_keys.asgi.access import Access, access
    from enclava_keys.asgi.dependency import refused, require_key
    from enclava_keys.asgi.middleware import KeyMiddleware
    from enclava_keys.asgi.routes import DEFAULT_ROUTES, Route, Rule, call, free, keyed

__all__ = [
    "DEFAULT_ROUTES",
    "Access",
    "KeyMiddleware",
    "Route",
    "Rule",
    "access",
    "call",
    "free",
    "keyed",
    "refused",
    "require_key",
]

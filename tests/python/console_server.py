"""A console that listens, for the tests that call it as others will."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from enclava_keys.console import Console, admin_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from enclava_keys import Gate

JWT_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - made up
KEYS = "/api-internal/v1/api-keys"


def console(gate: Gate) -> Console:
    return Console(gate, jwt_secret=JWT_SECRET)


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Serve `app` on a free port, and tell its address."""
    config = uvicorn.Config(
        app, port=0, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def calling(app: ASGIApp, root: str = "", token: str | None = None) -> Iterator[httpx.Client]:
    """Serve `app` below `root`, and call it as an admin."""
    mounted = Starlette(routes=[Mount(root or "/", app)])
    headers = {"Authorization": f"Bearer {token or admin_token(JWT_SECRET)}"}
    with listening(mounted) as url, httpx.Client(base_url=url + root, headers=headers) as client:
        yield client

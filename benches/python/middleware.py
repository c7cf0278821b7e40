"""Measures what the middleware adds to a server: one application with and without it, in turns.

Eight connections ask again and again, of a handler that waits for 1 ms and of one that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import medians
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from enclava_keys import Gate, PriceBook
from enclava_keys.asgi import KeyMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

# How a process lies in memory makes it a little faster or slower for good, so there are several.
SERVERS = 3
ROUNDS = 3
SECONDS = 1.0
CONNECTIONS = 8
WORK = ["1ms/plain", "1ms/keys", "bare/plain", "bare/keys"]
PATH = "/v1/chat/completions"
SECRET = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a"  # noqa: S105 - it opens nothing

BODY = json.dumps(
    {"model": "gpt-4", "max_tokens": 200, "messages": [{"role": "user", "content": "Tell me a story. " * 20}]}
).encode()
ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Once upon a time. " * 20}}],
        "usage": {"prompt_tokens": 108, "completion_tokens": 100, "total_tokens": 208},
    }
).encode()
PRICES = {"models": {"gpt-4": {"input": "0.03", "output": "0.06", "per": "1k"}}}


def serve(descriptor: int) -> None:
    """Serve every variant on a socket that listens."""
    gate = Gate.open("memory:", prices=PriceBook.from_json(json.dumps(PRICES)))
    gate.import_key(
        "bench",
        secret=SECRET,
        allowed_models=["gpt-4"],
        daily_spend_limit=1_000_000_000,
        monthly_spend_limit=1_000_000_000,
        daily_token_limit=2**40,
    )

    def handler(path: str, pause: float) -> Starlette:
        async def chat(request: Request) -> Response:
            await request.body()
            if pause:
                await asyncio.sleep(pause)
            return Response(ANSWER, media_type="application/json")

        return Starlette(routes=[Route(path, chat, methods=["POST"])])

    # Found in a dict: among the routes of one application, the last would be asked for after all others.
    apps: dict[str, ASGIApp] = {}
    for name, pause in [("1ms", 0.001), ("bare", 0.0)]:
        plain, keys = (f"/{name}/{how}{PATH}" for how in ("plain", "keys"))
        apps[plain] = handler(plain, pause)
        apps[keys] = KeyMiddleware(handler(keys, pause), gate)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["path"]](scope, receive, send)

    config = uvicorn.Config(either, lifespan="off", log_level="error", access_log=False)
    asyncio.run(uvicorn.Server(config).serve([socket.socket(fileno=descriptor)]))


def ask(port: int, path: str, seconds: float) -> float:
    """Ask over all connections; the nanoseconds that a request took of the server's time.

    Looks again and again for what came, and never sleeps: a server pays for waking its client, and would pay
    the more often the slower it is.
    """
    request = (
        f"POST /{path}/v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    came = [b""] * CONNECTIONS
    for connection in connections:
        connection.settimeout(0)
        connection.sendall(request)
    answered = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for place, connection in enumerate(connections):
            try:
                part = connection.recv(65536)
            except BlockingIOError:
                continue
            if not part:
                sys.exit(f"{path} hung up")
            came[place] += part
            head, blank, body = came[place].partition(b"\r\n\r\n")
            if not blank or len(body) < len(ANSWER):
                continue
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"{path} answered {head!r}")
            answered += 1
            came[place] = b""
            connection.sendall(request)
    for connection in connections:
        connection.close()
    return passed * 1e9 / answered


def measure(times: dict[str, list[float]]) -> None:
    """Measure everything at one server, in turns, so that a busy machine is unfair to nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, __file__, str(descriptor)]
        with subprocess.Popen(command, pass_fds=[descriptor]) as server:  # noqa: S603
            port = listener.getsockname()[1]
            for name in WORK:
                ask(port, name, SECONDS / 4)
            for _ in range(ROUNDS):
                for name in WORK:
                    times[f"asgi/{name}"].append(ask(port, name, SECONDS))
            server.terminate()


def main() -> None:
    """Measure at one server after another."""
    times: dict[str, list[float]] = {f"asgi/{name}": [] for name in WORK}
    for _ in range(SERVERS):
        measure(times)
    medians.leave(times)


if __name__ == "__main__":
    serve(int(sys.argv[1])) if sys.argv[1:] else main()

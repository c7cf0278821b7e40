"""The gateway over real sockets, when providers fail and clients leave."""

from __future__ import annotations

import socket
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from upstreams import EVENTS, Provider, Served, gateway

from gateway.app import build
from gateway.settings import Settings
from gateway.upstream import Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from enclava_keys import NewKey

CALL: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 64}
# 15 tokens read and 64 written at most.
ESTIMATE = Decimal("0.0006775")
PATIENCE = 20


def ended(served: Served, made: NewKey) -> Decimal:
    """Wait until nothing is held; what was charged."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        spend = served.gate.usage(made.key.id).daily_spend
        if spend.held == 0:
            assert served.gate.stats().dropped == 0
            return spend.used
        time.sleep(0.01)
    pytest.fail("a hold did not end")


def call(served: Served, made: NewKey, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {made.secret.reveal()}"}
    return httpx.post(
        f"{served.api}/chat/completions", json={**CALL, **more}, headers=headers, timeout=PATIENCE
    )


def test_what_a_client_says_of_its_call_does_not_turn_it_into_another() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    upstream = Upstream("http://provider/v1", "key", httpx.MockTransport(answer))
    app = Starlette(routes=[Route("/{path:path}", upstream.call, methods=["POST"])])
    headers = {"content-type": "application/json; charset=utf-7", "cookie": "c"}
    with TestClient(app) as client:
        for path in ("images/generations%3Fx=/completions", "images%23/a", "models/m:ask"):
            client.post(f"/{path}", content=b"{}", headers=headers)
    assert [str(request.url) for request in asked] == [
        "http://provider/v1/images/generations%3Fx%3D/completions",
        "http://provider/v1/images%23/a",
        "http://provider/v1/models/m:ask",
    ]
    assert {request.headers["content-type"] for request in asked} == {"application/json"}
    assert "cookie" not in asked[0].headers


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_an_error_of_the_provider_costs_nothing(status: int, tmp_path: Path) -> None:
    with gateway(Provider(status=status), tmp_path) as served:
        made = served.gate.create_key("App", daily_spend_limit=1)
        answer = call(served, made)
        assert (answer.status_code, answer.json()["error"]["message"]) == (status, "no")
        assert ended(served, made) == 0


def test_a_provider_that_hangs_up_may_have_answered() -> None:
    def hang_up() -> None:
        connection, _ = listener.accept()
        with connection:
            came = b""
            while b"gpt-4o" not in came:
                came += connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        status, used = asked_of(listener.getsockname())
        thread.join()
    assert status == 504
    assert used > 0


def test_a_provider_that_cannot_be_reached_costs_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    assert asked_of(address) == (502, Decimal(0))


def asked_of(address: tuple[str, int]) -> tuple[int, Decimal]:
    """Make one call through a gateway to `address`; its status, and what it was charged."""
    app = build(Settings(upstream=f"http://{address[0]}:{address[1]}", store="memory:"))
    with TestClient(app) as client:
        made = app.state.gate.create_key("App", daily_spend_limit=1)
        headers = {"authorization": f"Bearer {made.secret.reveal()}"}
        answer = client.post("/api/v1/chat/completions", json={**CALL, "max_tokens": 1}, headers=headers)
        spend = app.state.gate.usage(made.key.id).daily_spend
        assert spend.held == 0
        return answer.status_code, spend.used


def test_a_stream_that_breaks_off_is_charged_what_it_showed(tmp_path: Path) -> None:
    with gateway(Provider(stops_after=4), tmp_path) as served:
        made = served.gate.create_key("App", daily_spend_limit=1)
        with pytest.raises(httpx.RemoteProtocolError):
            call(served, made, stream=True)
        used = ended(served, made)
        assert 0 < used < ESTIMATE


def test_a_client_that_leaves_in_mid_stream_pays_what_it_saw(tmp_path: Path) -> None:
    with gateway(Provider(hangs_after=4), tmp_path) as served:
        made = served.gate.create_key("App", daily_spend_limit=1)
        headers = {"authorization": f"Bearer {made.secret.reveal()}"}
        body = {**CALL, "stream": True}
        with httpx.stream("POST", f"{served.api}/chat/completions", json=body, headers=headers) as answer:
            # Kept: one that nobody holds any more closes the connection.
            pieces, seen = answer.iter_raw(), b""
            while len(seen) < len(b"".join(EVENTS[:4])):
                seen += next(pieces)
            assert served.gate.usage(made.key.id).daily_spend.held == ESTIMATE
        used = ended(served, made)
        assert 0 < used < ESTIMATE


def test_a_client_that_leaves_before_its_body_came_costs_nothing(tmp_path: Path) -> None:
    with gateway(Provider(), tmp_path) as served:
        made = served.gate.create_key("App", daily_spend_limit=1)
        host, port = served.base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as sock:
            head = "POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
            sock.sendall(f"{head}Authorization: Bearer {made.secret.reveal()}\r\n\r\n{{".encode())
        assert call(served, made).status_code == 200
        assert served.gate.stats().admitted == 1

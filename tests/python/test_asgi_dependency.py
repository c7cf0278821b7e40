"""`require_key`: the permit in a handler of FastAPI's, and what becomes of it."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from asgi_driver import ANSWER, CHAT, PRICES, REQUEST, STREAM
from dict_ledger import DictLedger
from fastapi import Depends, FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from enclava_keys import EnclavaError, Gate, Permit, PriceBook
from enclava_keys.asgi import KeyMiddleware, access, refused, require_key

COST = Decimal("0.00048")


@pytest.fixture(params=["at once", "blocking"])
def gate(request: pytest.FixtureRequest) -> Gate:
    ledger = DictLedger() if request.param == "blocking" else None
    return Gate.open("memory:", prices=PriceBook.from_toml(PRICES), ledger=ledger)


def client(app: FastAPI, gate: Gate) -> tuple[TestClient, str]:
    app.add_exception_handler(EnclavaError, refused)
    made = gate.create_key("App", daily_spend_limit=50, allowed_models=["gpt-4"])
    headers = {"authorization": f"Bearer {made.secret.reveal()}"}
    return TestClient(app, headers=headers, raise_server_exceptions=False), made.key.id


def used(gate: Gate, key_id: str) -> Decimal:
    spend = gate.usage(key_id).daily_spend
    assert spend.held == 0
    return spend.used


def test_the_handler_decides_what_becomes_of_its_permit(gate: Gate) -> None:
    app = FastAPI()
    required = require_key(gate)
    estimates: list[Decimal] = []

    @app.post(CHAT)
    async def chat(permit: Annotated[Permit, Depends(required)], end: str) -> dict[str, Any]:
        estimates.append(permit.estimate.cost)
        match end:
            case "settle":
                await permit.settle_response_async(ANSWER)
            case "release":
                await permit.release_async()
            case "progress":
                permit.progress(cost="0.001", tokens=1)
            case "refuse":
                raise HTTPException(418)
            case "fail":
                raise RuntimeError
        return {}

    asking, key_id = client(app, gate)
    for end, status in [
        ("settle", 200),
        ("release", 200),
        ("progress", 200),
        ("forget", 200),
        ("refuse", 418),
        ("fail", 500),
    ]:
        before = used(gate, key_id)
        assert asking.post(f"{CHAT}?end={end}", json=REQUEST).status_code == status
        spent = used(gate, key_id) - before
        assert spent == {"settle": COST, "release": 0, "progress": Decimal("0.001")}.get(
            end, estimates[-1]
        ), end


def test_a_stream_outlives_its_handler(gate: Gate) -> None:
    app = FastAPI()

    @app.post(CHAT)
    async def chat(permit: Annotated[Permit, Depends(require_key(gate))]) -> StreamingResponse:
        stream = permit.stream()

        def events() -> Any:
            with stream:
                for event in STREAM:
                    stream.feed(event)
                    yield event

        return StreamingResponse(events(), media_type="text/event-stream")

    asking, key_id = client(app, gate)
    assert asking.post(CHAT, json=REQUEST).content == b"".join(STREAM)
    assert used(gate, key_id) == COST


def test_what_it_refuses_is_answered(gate: Gate) -> None:
    app = FastAPI()

    @app.post(CHAT)
    async def chat(permit: Annotated[Permit, Depends(require_key(gate))]) -> None:
        permit.release()

    asking, _ = client(app, gate)
    denied = asking.post(CHAT, json={**REQUEST, "model": "x"})
    assert (denied.status_code, denied.json()["error"]["code"]) == (403, "model_not_found")
    assert denied.headers["x-should-retry"] == "false"
    broken = asking.post(CHAT, content=b"{")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_request_body")
    gate.close()
    assert asking.post(CHAT, json=REQUEST).status_code == 500, (
        "what is not the client's fault is not told to it"
    )


def test_access_is_for_requests_that_showed_a_key() -> None:
    gate = Gate.open("memory:")
    app = FastAPI()
    app.add_middleware(KeyMiddleware, gate=gate, free=["/free"])

    @app.get("/free")
    @app.get("/keyed")
    async def who(request: Request) -> str:
        return access(request).key.name

    asking, _ = client(app, gate)
    assert asking.get("/keyed").json() == "App"
    assert asking.get("/free").status_code == 500

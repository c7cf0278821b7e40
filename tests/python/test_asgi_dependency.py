"""`require_key`: the permit in a handler of FastAPI's, and what becomes of it."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

import pytest
from asgi_driver import ANSWER, CHAT, PRICES, REQUEST, STREAM, Answer, coming, scope
from dict_ledger import DictLedger
from fastapi import Depends, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
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


def test_a_handler_that_is_not_called_costs_nothing(gate: Gate) -> None:
    app = FastAPI()
    required = require_key(gate)

    @app.post(CHAT)
    async def chat(count: int, permit: Annotated[Permit, Depends(required)]) -> None:
        await permit.settle_response_async(ANSWER)
        if count == 0:
            raise RequestValidationError([])

    asking, key_id = client(app, gate)
    for wrong in ("", "?count=many"):
        assert asking.post(CHAT + wrong, json=REQUEST).status_code == 422
        assert used(gate, key_id) == 0
    assert asking.post(f"{CHAT}?count=0", json=REQUEST).status_code == 422
    assert used(gate, key_id) == COST, "what the handler settled stays so"


def test_the_endpoint_is_the_path_and_not_what_the_client_calls_the_host(gate: Gate) -> None:
    app = FastAPI()

    @app.post(CHAT)
    async def chat(permit: Annotated[Permit, Depends(require_key(gate))]) -> None:
        permit.release()

    asking, _ = client(app, gate)
    key = gate.create_key("Embeds", allowed_endpoints=["POST /v1/embeddings"], allowed_models=["gpt-4"])
    headers = {"authorization": f"Bearer {key.secret.reveal()}", "host": "gw/v1/embeddings?"}
    refused = asking.post(CHAT, json=REQUEST, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")


def test_a_body_is_read_within_a_bound(gate: Gate) -> None:
    app = FastAPI()
    required = require_key(gate, max_body=1000)

    @app.post(CHAT)
    async def chat(request: Request, permit: Annotated[Permit, Depends(required)]) -> Any:
        permit.release()
        return await request.json()

    asking, _ = client(app, gate)
    assert asking.post(CHAT, json=REQUEST).json() == REQUEST, "the handler reads it as well"
    large = asking.post(CHAT, content=b" " * 1001)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")

    # From a stranger no more is read than came at once.
    answer = Answer()
    upload = coming([b"{", b" "], cut=True)
    asyncio.run(app({**scope(CHAT, "en_" + "0" * 32), "query_string": b""}, upload, answer.take))
    assert answer.status == 401


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

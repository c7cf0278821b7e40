"""The programs of docs/recipes.md and of the README do what they are there for."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from a2wsgi import WSGIMiddleware
from starlette.testclient import TestClient

from enclava_keys import Denied, InvalidRecord, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enclava_keys import Gate

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "docs/recipes.md").read_text()
README = (ROOT / "README.md").read_text()
CALL = {"model": "gpt-4", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
COST = Decimal("0.00048")


def block(page: str, heading: str, language: str = "python") -> str:
    section = f"\n{page}".split(f"\n{heading}\n", 1)[1]
    found = re.search(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "prices.toml").write_text(block(RECIPES, "# Recipes", "toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCLAVA_JWT_SECRET", "a secret of more than thirty-two bytes")
    yield tmp_path
    sys.modules.pop("recipe", None)


def program(text: str) -> tuple[Any, Gate]:
    module = run(text)
    return module.app, module.gate


def run(text: str) -> Any:
    path = Path("recipe.py")
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Litestar looks for the names of annotations there.
    sys.modules["recipe"] = module
    spec.loader.exec_module(module)
    return module


def guards(app: Any, gate: Gate) -> TestClient:
    """See that calls are admitted, charged and refused."""
    made = gate.create_key("App", allowed_models=["gpt-4"], daily_spend_limit=1)
    client = TestClient(app, headers={"authorization": f"Bearer {made.secret.reveal()}"})
    answer = client.post(CHAT, json=CALL)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "gpt-4 says hello."
    assert gate.usage(made.key.id).daily_spend.used == COST
    refused = client.post(CHAT, json={**CALL, "model": "gpt-5"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_found")
    stranger = client.post(CHAT, json=CALL, headers={"authorization": "Bearer en_0000000000000000"})
    assert (stranger.status_code, stranger.headers["x-should-retry"]) == (401, "false")
    assert client.post(CHAT, content=b"{").status_code == 400
    gate.record(made.key.id, cost=1)
    assert client.post(CHAT, json=CALL).status_code == 429
    assert gate.usage(made.key.id).daily_spend.held == 0
    assert gate.stats().dropped == 0
    return client


@pytest.mark.usefixtures("place")
def test_fastapi() -> None:
    app, gate = program(block(RECIPES, "## FastAPI"))
    client = guards(app, gate)
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["gpt-4"]
    assert TestClient(app).get("/openapi.json").status_code == 200
    assert TestClient(app).get("/v1/models").status_code == 401
    assert client.get("/api-internal/v1/api-keys").status_code == 401, "an API key is no admin token"


@pytest.mark.usefixtures("place")
def test_fastapi_with_the_permit_in_the_handler() -> None:
    app, gate = program(block(RECIPES, "## FastAPI, with the permit in the handler"))
    made = gate.create_key("App", purpose="summaries", daily_spend_limit="0.1")
    client = TestClient(app, headers={"authorization": f"Bearer {made.secret.reveal()}"})
    assert client.post("/summaries?text=long").json() == "long"
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.031")
    assert TestClient(app).post("/summaries?text=long").json()["error"]["code"] == "missing_api_key"
    gate.record(made.key.id, cost="0.06")
    refused = client.post("/summaries?text=long")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert gate.stats().dropped == 0


@pytest.mark.usefixtures("place")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:litestar")
def test_litestar() -> None:
    guards(*program(block(RECIPES, "## Litestar")))


@pytest.mark.usefixtures("place")
def test_plain_asgi() -> None:
    guards(*program(block(RECIPES, "## Plain ASGI")))


def test_keys_from_a_file(place: Path) -> None:
    script = block(RECIPES, "## Keys from a file", "sh")
    said = subprocess.run(["sh", "-ec", script], check=True, capture_output=True, text=True)  # noqa: S603, S607
    secret, key_hash = said.stdout.split()
    policy = json.loads(block(RECIPES, "## Keys from a file", "json"))
    (place / "policy.json").write_text(json.dumps(policy))
    gate = run(block(RECIPES, "## Keys from a file")).gate
    assert gate.key("prod-web-app").daily_spend_limit == 50
    with pytest.raises(Denied):
        gate.verify(secret)
    policy["keys"][0]["key_hash"] = key_hash
    replace(place / "policy.json", json.dumps(policy))
    gate.refresh()
    assert gate.verify(secret).name == "Production App"
    policy["keys"][0]["daily_spend_limit"] = "much"
    replace(place / "policy.json", json.dumps(policy))
    with pytest.raises(InvalidRecord, match="/keys/0/daily_spend_limit"):
        gate.refresh()
    assert gate.verify(secret).daily_spend_limit == 50
    assert any("/keys/0/daily_spend_limit" in event.note for event in gate.take_events())


def replace(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


@pytest.mark.usefixtures("place")
def test_flask() -> None:
    app, gate = program(block(RECIPES, "## Flask, and WSGI"))
    guards(WSGIMiddleware(app), gate)
    made = gate.create_key("Streams", daily_spend_limit=1)
    headers = {"authorization": f"Bearer {made.secret.reveal()}"}
    streamed = app.test_client().post(CHAT, json={**CALL, "stream": True}, headers=headers)
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert gate.usage(made.key.id).daily_spend.used == COST
    cut = app.test_client().post(CHAT, json={**CALL, "stream": True}, headers=headers, buffered=False)
    next(cut.iter_encoded())
    cut.close()
    spend = gate.usage(made.key.id).daily_spend
    assert spend.held == 0
    assert spend.used > COST


@pytest.mark.usefixtures("place")
def test_flask_does_not_blame_the_client_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    app, gate = program(block(RECIPES, "## Flask, and WSGI"))
    recipe = sys.modules["recipe"]
    made = gate.create_key("App", daily_spend_limit=1)
    asking = app.test_client()
    headers = {"authorization": f"Bearer {made.secret.reveal()}"}

    # A model that cannot be reached costs nothing, whichever way it is asked.
    def unreached(_body: bytes) -> Any:
        raise ConnectionRefusedError

    for name, asks in (("ask", CALL), ("ask_streaming", {**CALL, "stream": True})):
        with monkeypatch.context() as patch:
            patch.setattr(recipe, name, unreached)
            answer = asking.post(CHAT, json=asks, headers=headers)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (502, "upstream_failed")
        assert gate.usage(made.key.id).daily_spend.used == 0

    # What cannot be read of an answer is no reason to keep it: it was paid for.
    odd = b'{"choices": [], "usage": {"prompt_tokens": -1}}'
    monkeypatch.setattr(recipe, "ask", lambda _body: odd)
    answer = asking.post(CHAT, json=CALL, headers=headers)
    assert (answer.status_code, answer.data) == (200, odd)
    spend = gate.usage(made.key.id).daily_spend
    assert spend.used > COST
    assert spend.held == 0

    # Nor does the gateway's own mistake look like the client's.
    def mistaken(_body: bytes) -> Any:
        field = "max_tokens"
        raise InvalidValue(field, "must be a number")

    monkeypatch.setattr(recipe, "ask", mistaken)
    assert asking.post(CHAT, json=CALL, headers=headers).status_code == 500

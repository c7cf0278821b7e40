"""The Python of the README does what it says."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

README = (Path(__file__).parents[2] / "README.md").read_text()
CATALOGUE = Path(__file__).parents[1] / "data" / "litellm_sample.json"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_story_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [story, _] = SNIPPETS
    names: dict[str, Any] = {}
    exec(compile(story, "README.md", "exec"), names)  # noqa: S102 - it is ours
    assert capsys.readouterr().out == "0.031\n"
    gate, made = names["gate"], names["made"]
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.031")
    assert made.key.alert_threshold == Decimal("0.8")
    # And its denial is told, not raised.
    gate.update_key(made.key.id, daily_spend_limit=0)
    with pytest.raises(names["Denied"]):
        gate.authorize(names["secret"], model="gpt-4", cost="0.05")


def test_four_lines_protect_a_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    [_, gateway] = SNIPPETS
    lines = gateway.rstrip().split("\n\n\n")[-1].splitlines()
    assert len([line for line in lines if line]) == 4
    monkeypatch.chdir(CATALOGUE.parent)
    names: dict[str, Any] = {}
    text = gateway.replace("model_prices.json", CATALOGUE.name)
    exec(compile(text, "README.md", "exec"), names)  # noqa: S102 - it is ours
    gate = names["gate"]
    made = gate.create_key("App", allowed_models=["gpt-4o"], daily_spend_limit=1)
    client = TestClient(names["app"], headers={"authorization": f"Bearer {made.secret.reveal()}"})
    call = {"model": "gpt-4o", "max_tokens": 50, "messages": []}
    assert client.post("/v1/chat/completions", json=call).status_code == 200
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.00006")
    assert client.post("/v1/chat/completions", json={**call, "model": "gpt-4"}).status_code == 403
    assert TestClient(names["app"]).post("/v1/chat/completions", json=call).status_code == 401

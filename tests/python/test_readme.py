"""The Python of the README does what it says."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_story_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SNIPPETS) == 1
    [story] = SNIPPETS
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

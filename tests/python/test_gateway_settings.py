"""What the example gateway says of a setting that it cannot use, before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import python

from gateway.settings import BadSetting, Settings

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ENCLAVA_PORT", "abc"),
        ("ENCLAVA_PORT", "70000"),
        ("ENCLAVA_FLOOR", "no"),
        ("ENCLAVA_LEASED", "true"),
        ("ENCLAVA_PRICES", "/nowhere.toml"),
        ("ENCLAVA_UPSTREAM", "api.openai.com"),
        ("ENCLAVA_ALERT_WEBHOOK", "hooks"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadSetting, match=f"^{variable}: must "):
        Settings.from_environment()


def test_what_is_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCLAVA_PORT", "8080")
    monkeypatch.setenv("ENCLAVA_FLOOR", "")
    monkeypatch.setenv("ENCLAVA_LEASED", "1")
    settings = Settings.from_environment()
    assert (settings.port, settings.floor, settings.leased) == (8080, None, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["token"], "ENCLAVA_JWT_SECRET: must be set"), (["tokn"], "invalid choice: 'tokn'")],
)
def test_the_program_does_not_begin_what_was_not_meant(arguments: list[str], told: str) -> None:
    done = python("-m", "gateway", *arguments, place=EXAMPLES)
    assert done.returncode != 0
    assert told in done.stderr
    assert done.stdout == ""

"""What the tests share."""

from __future__ import annotations

import pytest

from enclava_keys import Gate, ManualClock, NewKey


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2026-11-23T12:00:00Z")


@pytest.fixture
def gate(clock: ManualClock) -> Gate:
    return Gate.open("memory:", clock=clock)


@pytest.fixture
def made(gate: Gate) -> NewKey:
    return gate.create_key(
        "Production App",
        allowed_models=["gpt-4", "gpt-3.5-turbo"],
        daily_spend_limit="50.00",
        monthly_spend_limit=1500,
        daily_token_limit=500_000,
        alert_threshold=0.8,
    )


@pytest.fixture
def secret(made: NewKey) -> str:
    return made.secret.reveal()

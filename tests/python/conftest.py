"""What the tests share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asgi_driver import Bench
from dict_ledger import DictLedger

from enclava_keys import Gate, ManualClock, NewKey

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="session")
def _no_database_stays() -> Iterator[None]:
    before = databases()
    yield
    assert databases() <= before, "a test left a database in the tree: it belongs in tmp_path"


def databases() -> set[Path]:
    inside = [
        path for part in ("docs", "examples", "python", "tests") for path in (ROOT / part).rglob("*.db*")
    ]
    return {*ROOT.glob("*.db*"), *inside}


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


@pytest.fixture(params=["at once", "blocking"])
def bench(request: pytest.FixtureRequest) -> Bench:
    bench = Bench(DictLedger() if request.param == "blocking" else None)
    assert bench.gate.blocks is (request.param == "blocking")
    return bench

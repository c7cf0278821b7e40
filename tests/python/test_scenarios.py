"""The scenarios of tests/scenarios through the Python API, each case a test of its own."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest
import scenario_answers as answers
from scenario_schema import Case, Number, SchemaError, read, read_all
from scenario_world import Engine, World

from enclava_keys import EnclavaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = [case for cases in read_all().values() for case in cases]


def runs() -> Iterator[object]:
    for engine in get_args(Engine):
        for case in CASES:
            if engine not in unfit(case):
                yield pytest.param(case, engine, id=f"{engine}-{case.name}")


def unfit(case: Case) -> set[Engine]:
    """Tell the engines that a case is not for."""
    unfit: set[Engine] = {"python-leased", "sqlite-leased"} if case.strict else set()
    # Only ours can be silenced.
    if any(step["do"] == "outage" for step in case.steps):
        unfit |= {"memory", "keywords", "sqlite", "sqlite-leased"}
    # What is in memory is one gate's alone.
    if case.shared:
        unfit |= {"memory", "keywords"}
    return unfit


@pytest.mark.parametrize(("case", "engine"), list(runs()))
def test_scenario(case: Case, engine: Engine, tmp_path: Path) -> None:
    if case.opens:
        with pytest.raises(EnclavaError) as caught:
            World(case, engine, tmp_path)
        answers.compare_error(case.opens["error"], caught.value)
        return
    world = World(case, engine, tmp_path)
    for number, step in enumerate(case.steps, 1):
        try:
            world.take(step)
        except AssertionError as difference:
            difference.add_note(f"step {number}: {step}")
            raise


GOOD = {"do": "create", "as": "k", "spec": {"name": "k", "daily_spend_limit": 1}, "expect": {"ok": {}}}


def file(*steps: dict[str, object], **more: object) -> str:
    case = {
        "name": "a",
        "about": "x",
        "rules": ["B3"],
        "start": "2026-11-23T12:00:00Z",
        "steps": [GOOD, *steps],
    }
    return json.dumps({"schema": "enclava-keys/scenarios/1", "about": "x", "cases": [case | more]})


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (file(strictly=True), "unknown fields"),
        (file(name="A b"), "kebab-case"),
        (file(rules=[]), "which rules"),
        (file(options={"hold": 1}), "unknown fields"),
        (file(steps=[]), "has steps"),
        (file({"do": "creat", "expect": {"ok": {}}}), "no step 'creat'"),
        (file({"do": "alerts", "secret": "k", "expect": {"ok": {}}}), "unknown fields"),
        (
            file({"do": "verify", "secret": {"text": "x", "chnge": "cut"}, "expect": {"ok": {}}}),
            "a secret is",
        ),
        (file({"do": "verify", "secret": "k"}), "missing fields"),
        (file({"do": "stream", "permit": "p", "chunks": []}), "missing fields"),
        (file({"do": "gate", "name": "b"}), "says shared"),
        (file({"do": "outage", "on": True, "of": "shop"}), "ledger or the store"),
        (file({"do": "clock"}), "advance_seconds or set"),
        (file({"do": "verify", "secret": "k", "expect": {"okay": {}}}), "expects ok, denied or error"),
        (file({"do": "verify", "secret": "k", "expect": {"ok": {"kay": 1}}}), "unknown fields"),
        (file({"do": "usage", "key": "k", "expect": {"ok": {"daily_spend": {"usd": 1}}}}), "unknown fields"),
        (file({"do": "alerts", "expect": {"ok": {"alerts": [{"key": "k"}]}}}), "missing fields"),
        (file({"do": "verify", "secret": "k", "expect": {"denied": {"status": 401}}}), "missing fields"),
        (file({"do": "verify", "secret": "k", "expect": {"error": {"kind": "oops"}}}), "no error"),
        (file().replace("scenarios/1", "scenarios/2"), "schema"),
    ],
)
def test_a_broken_file_is_rejected(text: str, because: str) -> None:
    with pytest.raises(SchemaError, match=because):
        read(text)


@pytest.mark.parametrize(
    "step",
    [
        {"do": "verify", "secret": "k", "expect": {"denied": {"reason": "unknown_key"}}},
        {"do": "verify", "secret": "k", "expect": {"error": {"kind": "ledger"}}},
        {"do": "verify", "secret": "k", "expect": {"ok": {"key": "l"}}},
        {"do": "authorize", "secret": "k", "cost": "2", "expect": {"ok": {}}},
        {
            "do": "authorize",
            "secret": "k",
            "cost": "2",
            "expect": {"denied": {"reason": "daily_spend_exceed"}},
        },
        {
            "do": "authorize",
            "secret": "k",
            "cost": "2",
            "expect": {"denied": {"reason": "daily_spend_exceeded", "transient": True}},
        },
        {
            "do": "create",
            "spec": {"name": "", "x": 1},
            "expect": {"error": {"kind": "invalid_record", "faults": [{"path": "/x"}]}},
        },
        {"do": "usage", "key": "k", "expect": {"ok": {"daily_spend": {"used": "0.01"}}}},
    ],
)
@pytest.mark.parametrize("engine", get_args(Engine))
def test_a_wrong_expectation_is_noticed(step: dict[str, object], engine: Engine, tmp_path: Path) -> None:
    [case] = read(file(step))
    world = World(case, engine, tmp_path)
    world.take(case.steps[0])
    with pytest.raises(AssertionError):
        world.take(case.steps[1])


def mutants(expect: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Tell expectations that differ in one value. What a message lacks may be anything."""
    for path in leaves(expect):
        mutant = copy.deepcopy(expect)
        *way, last = path
        place: Any = mutant
        for step in way:
            place = place[step]
        place[last] = another(place[last])
        yield mutant


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name in value.keys() - {"message_lacks"}:
            yield from leaves(value[name], (*path, name))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    elif path not in (("ok",), ("error",), ("denied",)):
        yield path


def another(value: object) -> object:
    match value:
        case bool():
            return not value
        case Number():
            return Number(int(Decimal(value)) + 1)
        case str():
            return value + "~"
        case None:
            return "not null"
    return ["other"]


@pytest.mark.parametrize("case", [case for case in CASES if not case.opens], ids=lambda case: case.name)
def test_no_expectation_goes_unread(case: Case, tmp_path: Path) -> None:
    world = World(case, "python" if "memory" in unfit(case) else "memory", tmp_path)
    for step in case.steps:
        answer = world.answer(step)
        for mutant in mutants(step.get("expect", {})):
            with pytest.raises((AssertionError, KeyError, TypeError)):
                answers.compare(mutant, answer)

"""Ledgers and stores written in Python, and what becomes of what they raise."""

from __future__ import annotations

import gc
import logging
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest
from dict_ledger import DictLedger, DictStore

from enclava_keys import Conflict, Denied, Gate, InvalidRecord, InvalidValue, LedgerError, ManualClock, Usage
from enclava_keys.ledger import Hold, Ledger, Moved, Outcome, Row
from enclava_keys.store import News, Store

if TYPE_CHECKING:
    from enclava_keys.ledger import Step


@pytest.fixture
def ledger() -> DictLedger:
    return DictLedger()


@pytest.fixture
def plugged(ledger: DictLedger) -> Gate:
    return Gate.open("memory:", ledger=ledger)


def test_they_are_what_the_protocols_say() -> None:
    assert isinstance(DictLedger(), Ledger)
    assert isinstance(DictStore(), Store)
    with pytest.raises(TypeError, match="ledger: must be a URL or have a method apply, not object"):
        Gate.open("memory:", ledger=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="store: must be a URL or have a method news, not int"):
        Gate.open("memory:", store=1)  # type: ignore[arg-type]


def test_what_a_ledger_raises_denies_and_is_never_lost(
    plugged: Gate, ledger: DictLedger, caplog: pytest.LogCaptureFixture
) -> None:
    made = plugged.create_key("k", daily_spend_limit=5)
    permit = plugged.authorize(made.secret.reveal(), cost=1)
    ledger.silent = True
    with pytest.raises(Denied) as denied:
        plugged.authorize(made.secret.reveal(), cost=1)
    assert denied.value.reason == "ledger_unavailable"
    assert isinstance(denied.value.__cause__, ConnectionError)
    for call in (lambda: permit.settle(cost=1), permit.release, lambda: plugged.usage(made.key.id)):
        with pytest.raises(LedgerError, match="ConnectionError: it was switched off") as failed:
            call()
        assert isinstance(failed.value.__cause__, ConnectionError)
    assert {record.name for record in caplog.records} == {"enclava_keys"}
    assert all(record.exc_info for record in caplog.records)
    ledger.silent = False
    assert permit.settle(cost=1).usage == Usage(1), "the permit stayed as it was"


def test_a_drop_that_fails_is_told_in_the_log(
    plugged: Gate, ledger: DictLedger, caplog: pytest.LogCaptureFixture
) -> None:
    permit = plugged.authorize(plugged.create_key("k", daily_spend_limit=5).secret.reveal(), cost=1)
    ledger.silent = True
    with pytest.raises(RuntimeError, match="on its way"):
        drop_while_raising([permit])
    del permit
    gc.collect()
    assert [record.message for record in caplog.records] == ["the ledger raised ConnectionError"]


def drop_while_raising(permits: list[object]) -> NoReturn:
    permits.pop()
    message = "on its way"
    raise RuntimeError(message)


def test_an_interrupt_is_not_swallowed() -> None:
    class Interrupted(DictLedger):
        def apply(self, _: Step, /) -> Outcome:
            raise KeyboardInterrupt

    gate = Gate.open("memory:", ledger=Interrupted())
    secret = gate.create_key("k", daily_spend_limit=5).secret.reveal()
    with pytest.raises(KeyboardInterrupt):
        gate.authorize(secret, cost=1)


@pytest.mark.parametrize(
    "answer", [None, 5, "taken", Outcome.taken([]), Outcome.refused([]), Outcome.crowded]
)
def test_a_ledger_that_answers_nonsense_admits_nothing(answer: object) -> None:
    class Nonsense(DictLedger):
        def apply(self, _: Step, /) -> Outcome:
            return answer  # type: ignore[return-value]

        def due(self, *_: object) -> list[Hold]:
            return answer  # type: ignore[return-value]

    gate = Gate.open("memory:", ledger=Nonsense())
    secret = gate.create_key("k", daily_spend_limit=5).secret.reveal()
    with pytest.raises(Denied) as denied:
        gate.authorize(secret, cost=1)
    assert denied.value.reason == "ledger_unavailable"


def test_two_gates_share_what_is_plugged_in() -> None:
    ledger, store, clock = DictLedger(), DictStore(), ManualClock("2026-11-23T12:00:00Z")
    one, two = (Gate.open("memory:", ledger=ledger, store=store, clock=clock) for _ in range(2))
    made = one.create_key("k", daily_spend_limit=5)
    permit = one.authorize(made.secret.reveal(), cost=4)
    with pytest.raises(Denied) as denied:
        two.authorize(made.secret.reveal(), cost=2)
    assert denied.value.transient
    two.settle(permit.detach(), cost=1)
    assert two.authorize(made.secret.reveal(), cost=4).estimate == Usage(4)
    two.disable_key(made.key.id)
    clock.advance(1)
    assert one.check(made.secret.reveal()).reason == "key_disabled"
    one.delete_key(made.key.id)
    two.refresh()
    assert two.keys() == []


def test_a_store_has_the_last_word(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(DictStore):
        def put(self, *_: object) -> None:
            message = "not today"
            raise Conflict(message)

        def remove(self, *_: object) -> bool:
            message = "disk full"
            raise OSError(message)

    store = Stubborn()
    gate = Gate.open("memory:", store=store)
    with pytest.raises(Conflict, match="not today"):
        gate.create_key("k")
    assert caplog.records == []
    DictStore.put(store, "k", '{"id": "k", "name": "k", "key_hash": "sha256:%s"}' % ("0" * 64), 1, None)
    gate.refresh()
    with pytest.raises(LedgerError, match="OSError: disk full") as failed:
        gate.delete_key("k")
    assert isinstance(failed.value.__cause__, OSError)


def test_records_that_are_none_do_not_open_a_gate() -> None:
    class Broken(DictStore):
        def news(self, _: int | None, /) -> News:
            return News(1, ['{"id": 5}'], whole=True)

    with pytest.raises(InvalidRecord, match="/id"):
        Gate.open("memory:", store=Broken())


def test_threads_share_one_limit(plugged: Gate) -> None:
    secret = plugged.create_key("k", daily_spend_limit="0.50").secret.reveal()
    admitted: list[object] = []

    def spend() -> None:
        for _ in range(20):
            try:
                admitted.append(plugged.authorize(secret, cost="0.01").settle(cost="0.01"))
            except Denied:
                return

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 50


def test_a_hold_is_kept_as_json_would_keep_it(plugged: Gate, ledger: DictLedger) -> None:
    permit = plugged.authorize(plugged.create_key("k").secret.reveal(), cost="0.000000000001", request_id="a")
    owner, _, name = permit.id.partition(":")
    hold = ledger.hold(owner, name)
    assert hold is not None
    assert Hold.from_dict(hold.to_dict()) == hold
    assert (hold.id, hold.phase, hold.is_live, hold.usage) == (name, "live", True, Usage("0.000000000001"))
    for bad in ({}, hold.to_dict() | {"phase": "x"}, hold.to_dict() | {"cost": "-1"}, {"id": 5}):
        with pytest.raises((ValueError, TypeError)):
            Hold.from_dict(bad)


def test_rows_are_plain_numbers() -> None:
    row = Row(used=5, held=-(2**90), marks=3)
    assert (row.used, row.held, row.marks) == (5, -(2**90), 3)
    assert row == Row(5, -(2**90), 3) != Row()
    assert Moved(row, told=True).row == row
    for bad in ((2**200,), (0, -(2**127) - 1), (0, 0, -1), (0, 0, 2**64)):
        with pytest.raises(InvalidValue):
            Row(*bad)


def test_trouble_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture, plugged: Gate, ledger: DictLedger
) -> None:
    secret = plugged.create_key("k").secret.reveal()
    ledger.silent = True
    with pytest.raises(Denied):
        plugged.authorize(secret)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert secret not in caplog.text

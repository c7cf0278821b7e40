"""The console over ledgers and stores that take their time, or do not answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

from console_server import KEYS, calling, console
from dict_ledger import DictLedger, DictStore

from enclava_keys import Gate

if TYPE_CHECKING:
    from enclava_keys.ledger import Row, RowKey


class SlowLedger(DictLedger):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def row(self, key: RowKey, /) -> Row:
        self.asked.set()
        assert self.may_answer.wait(30)
        return super().row(key)


class SlowStore(DictStore):
    """The same for writing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def put(self, key_id: str, record: str, revision: int, replaces: int | None, /) -> None:
        self.asked.set()
        assert self.may_answer.wait(30)
        super().put(key_id, record, revision, replaces)


def test_a_slow_ledger_holds_up_nobody_else() -> None:
    ledger = SlowLedger()
    gate = Gate.open("memory:", ledger=ledger)
    made = gate.create_key("k")
    for path in (f"{KEYS}/{made.key.id}/usage", f"{KEYS}?usage=true"):
        ledger.asked.clear()
        ledger.may_answer.clear()
        with calling(console(gate)) as client, ThreadPoolExecutor() as threads:
            slow = threads.submit(client.get, path)
            assert ledger.asked.wait(30)
            assert client.get(f"{KEYS}/{made.key.id}").status_code == 200
            assert not slow.done()
            ledger.may_answer.set()
            assert slow.result().status_code == 200


def test_a_slow_store_holds_up_nobody_else() -> None:
    store = SlowStore()
    gate = Gate.open("memory:", store=store)
    with calling(console(gate)) as client, ThreadPoolExecutor() as threads:
        slow = threads.submit(client.post, KEYS, json={"name": "k"})
        assert store.asked.wait(30)
        assert client.get(KEYS).json()["keys"] == []
        store.may_answer.set()
        assert slow.result().status_code == 201


def test_a_ledger_that_is_down_is_told() -> None:
    ledger = DictLedger()
    gate = Gate.open("memory:", ledger=ledger)
    key = gate.create_key("k").key
    ledger.silent = True
    with calling(console(gate)) as client:
        for path in (f"{KEYS}/{key.id}/usage", f"{KEYS}?usage=true"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["code"] == "ledger_unavailable"
        assert client.get(KEYS).json()["keys"][0]["id"] == key.id


def test_what_nobody_foresaw_is_told_to_the_log_alone() -> None:
    gate = MagicMock(spec=Gate, blocks=False)
    gate.keys.side_effect = RuntimeError("en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a")
    with calling(console(gate)) as client:
        answer = client.get(KEYS)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        assert "en_" not in answer.text

"""A ledger and a store in a few dicts, as somebody writes them who keeps budgets in a place of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from enclava_keys import Conflict
from enclava_keys.ledger import Hold, Outcome, Row, RowKey, Step
from enclava_keys.store import News

if TYPE_CHECKING:
    from datetime import datetime


class DictLedger:
    """Budgets in a dict, written as JSON would be; silent when it is told to be."""

    def __init__(self) -> None:
        self.silent = False
        self._lock = threading.Lock()
        self._rows: dict[RowKey, Row] = {}
        self._holds: dict[tuple[str, str], dict[str, object]] = {}
        self._leaving: set[str] = set()

    def apply(self, step: Step, /) -> Outcome:
        self._answer()
        with self._lock:
            name = (step.owner, step.becomes.id)
            hold = self._hold(*name)
            if (hold.revision if hold else 0) != step.expected:
                return Outcome.unexpected(hold)
            if step.most_live is not None and len(self._live(step.owner)) >= step.most_live:
                return Outcome.crowded()
            rows = [self._rows.get(change.row, Row()) for change in step.changes]
            if not all(change.is_admitted(row) for change, row in zip(step.changes, rows, strict=True)):
                return Outcome.refused(rows)
            moved = [change.carry_out(row) for change, row in zip(step.changes, rows, strict=True)]
            self._rows |= {change.row: left.row for change, left in zip(step.changes, moved, strict=True)}
            self._holds[name] = step.becomes.to_dict()
            live = self._live(step.owner)
            if step.owner in self._leaving and not live:
                self._forget(step.owner)
            return Outcome.taken(moved, min((hold.expires_at for hold in live), default=None))

    def row(self, key: RowKey, /) -> Row:
        self._answer()
        with self._lock:
            return self._rows.get(key, Row())

    def hold(self, owner: str, hold_id: str, /) -> Hold | None:
        self._answer()
        with self._lock:
            return self._hold(owner, hold_id)

    def due(self, owner: str, now: datetime, most: int, /) -> list[Hold]:
        self._answer()
        with self._lock:
            return [hold for hold in self._live(owner) if hold.expires_at <= now][:most]

    def forget(self, owner: str, /) -> None:
        self._answer()
        with self._lock:
            if self._live(owner):
                self._leaving.add(owner)
            else:
                self._forget(owner)

    def _answer(self) -> None:
        if self.silent:
            message = "it was switched off"
            raise ConnectionError(message)

    def _hold(self, owner: str, hold_id: str) -> Hold | None:
        kept = self._holds.get((owner, hold_id))
        return Hold.from_dict(kept) if kept else None

    def _live(self, owner: str) -> list[Hold]:
        mine = (Hold.from_dict(kept) for (other, _), kept in self._holds.items() if other == owner)
        return [hold for hold in mine if hold.is_live]

    def _forget(self, owner: str) -> None:
        self._leaving.discard(owner)
        self._holds = {name: hold for name, hold in self._holds.items() if name[0] != owner}
        self._rows = {key: row for key, row in self._rows.items() if key[0] != owner}


class DictStore:
    """Key records in a dict, and everything as news; or silence."""

    def __init__(self) -> None:
        self.silent = False
        self._lock = threading.Lock()
        self._records: dict[str, tuple[int, str]] = {}
        self._generation = 0

    def news(self, since: int | None, /) -> News:
        self._answer()
        with self._lock:
            if since == self._generation:
                return News(self._generation)
            records = [record for _, record in self._records.values()]
            return News(self._generation, records, whole=True)

    def put(self, key_id: str, record: str, revision: int, replaces: int | None, /) -> None:
        self._answer()
        with self._lock:
            kept = self._records.get(key_id)
            if (kept[0] if kept else None) != replaces:
                taken = f"there is a key {key_id} already; choose another id"
                raise Conflict(taken if replaces is None else f"key {key_id} is not at revision {replaces}")
            self._records[key_id] = (revision, record)
            self._generation += 1

    def remove(self, key_id: str, /) -> bool:
        self._answer()
        with self._lock:
            self._generation += 1
            return self._records.pop(key_id, None) is not None

    def _answer(self) -> None:
        if self.silent:
            message = "it was switched off"
            raise ConnectionError(message)

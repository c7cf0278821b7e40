"""Looking after a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enclava_keys._native import Sqlite
from enclava_keys.cli import tables
from enclava_keys.cli.commands import Stop, tell

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

__all__ = ["CARES", "care"]


def care(store: str, asked: Namespace) -> int:
    """Carry out what is asked for of the file at `store`; answer the exit code."""
    if not store.startswith("sqlite:"):
        message = f"{asked.command} is for a store in a SQLite file, such as sqlite:///enclava.db"
        raise Stop(message, 2)
    return CARES[asked.command](Sqlite(store), asked)


def _doctor(database: Sqlite, asked: Namespace) -> int:
    health = database.doctor()
    tell(asked, tables.plain(health), tables.health(health))
    return 1 if health.faults else 0


def _backup(database: Sqlite, asked: Namespace) -> int:
    database.backup(asked.to)
    tell(asked, {"backup": asked.to}, f"copied to {tables.printable(asked.to)}")
    return 0


CARES: Final[dict[str, Callable[[Sqlite, Namespace], int]]] = {"backup": _backup, "doctor": _doctor}
"""The commands that are about the file and not about a key."""

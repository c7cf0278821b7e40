"""Keys from the command line: `python -m enclava_keys --help`.

People get tables, programs get JSON (`--json`). A new secret is written to the standard output, once, and
nothing else with it; a secret that is asked for is read from the standard input or the environment, never
from an argument.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from enclava_keys._native import Gate
from enclava_keys.cli.care import CARES, care
from enclava_keys.cli.commands import MAKES_SECRETS, Stop, note, run
from enclava_keys.cli.parser import parser
from enclava_keys.errors import AlreadySettled, Conflict, EnclavaError, InvalidRecord, InvalidValue, NotFound

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Sequence

    from enclava_keys.values import EventKind

__all__ = ["main"]

_DEFAULT = "sqlite:///enclava.db"
_FORGETS = (
    "memory: forgets its keys when this program ends; "
    "name the store of your gateway, with --store or ENCLAVA_STORE"
)
# The first that fits.
_CODES: tuple[tuple[type[Exception], int], ...] = (
    (InvalidRecord, 2),
    (InvalidValue, 2),
    (TypeError, 2),
    (NotFound, 3),
    (Conflict, 4),
    (AlreadySettled, 4),
    (EnclavaError, 5),
)


def main(arguments: Sequence[str] | None = None, *, open_gate: Callable[..., Gate] = Gate.open) -> int:
    """Do what the arguments say, those of the program by default; answer the exit code."""
    asked = parser().parse_args(arguments)
    # What cannot be shown here is escaped: a character of a name must not cost a secret.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _done(asked, open_gate)
    except Stop as stop:
        return _fail([str(stop)], stop.code)
    except (EnclavaError, TypeError) as error:
        lines = error.errors if isinstance(error, InvalidRecord) else [error]
        return _fail(map(str, lines), next(code for kind, code in _CODES if isinstance(error, kind)))


def _done(asked: Namespace, open_gate: Callable[..., Gate]) -> int:
    if sys.stdout is None and asked.command in MAKES_SECRETS:
        message = "the standard output is closed: a new secret would be lost"
        raise Stop(message, 2)
    store = _store(asked)
    if asked.command in CARES:
        return care(store, asked)
    with open_gate(store, peppers=_peppers()) as gate:
        _doubt(gate, ("store_exposed", "key_unreadable"))
        code = run(gate, asked)
        _doubt(gate, ("model_word",))
        return code


# What was probably not meant: of the store each time, of a key when it is made or edited.
def _doubt(gate: Gate, kinds: tuple[EventKind, ...]) -> None:
    for event in gate.take_events():
        if event.kind in kinds:
            of = f"{event.key_id}: " if event.key_id else ""
            note(f"enclava-keys: {of}{event.note}")


def _store(asked: Namespace) -> str:
    stated: str | None = asked.store
    if stated == "":
        message = "--store: must name a store, as sqlite:///enclava.db does; it is empty"
        raise Stop(message, 2)
    store = stated or os.environ.get("ENCLAVA_STORE") or _DEFAULT
    scheme = store.partition(":")[0]
    if scheme == "memory":
        raise Stop(_FORGETS, 2)
    if scheme == "file" and asked.command in ("usage", "leases", "settle"):
        message = "with a policy file, budgets live in the memory of each gateway: ask it there"
        raise Stop(message, 2)
    if store.startswith("sqlite:///") and asked.command not in CARES:
        _find(Path(store.removeprefix("sqlite:///").partition("?")[0]), asked)
    return store


# Only what makes keys makes the file that they are kept in.
def _find(path: Path, asked: Namespace) -> None:
    if path.exists():
        return
    if asked.command not in ("create", "import"):
        message = f"there is no {path} here: name the store of your gateway, with --store or ENCLAVA_STORE"
        raise Stop(message, 2)
    note(f"enclava-keys: keys will be kept in {path.absolute()}")


# `id=hex,id=hex`, the first for new secrets.
def _peppers() -> list[tuple[str, bytes]]:
    stated = os.environ.get("ENCLAVA_PEPPERS", "")
    try:
        pairs = [pair.partition("=") for pair in stated.split(",") if pair]
        return [(name, bytes.fromhex(value)) for name, _, value in pairs]
    except ValueError:
        # Not the value: it is a secret.
        message = "ENCLAVA_PEPPERS: must be id=hex, several of them with commas between"
        raise Stop(message, 2) from None


def _fail(lines: Iterable[str], code: int) -> int:
    for line in lines:
        note(f"enclava-keys: {line}")
    return code

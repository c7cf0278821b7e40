"""What each command does."""

from __future__ import annotations

import codecs
import contextlib
import getpass
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from enclava_keys.cli import tables
from enclava_keys.cli.parser import FIELDS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from enclava_keys._native import Gate, Key, NewKey

__all__ = ["MAKES_SECRETS", "Stop", "note", "run", "tell"]

MAKES_SECRETS: Final = frozenset({"create", "rotate"})
"""The commands that show a new secret."""

# Longer than any secret, so that one that is too long is told so.
_LONGEST_LINE = 1024


class Stop(Exception):  # noqa: N818 - it is no fault of the program's
    """The command cannot be carried out: a message, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        """Carry both."""
        super().__init__(message)
        self.code = code


def run(gate: Gate, asked: Namespace) -> int:
    """Carry out what is asked for; answer the exit code."""
    return _COMMANDS[asked.command](gate, asked) or 0


def _create(gate: Gate, asked: Namespace) -> None:
    fields = _fields(asked)
    _new(asked, gate.create_key(fields.pop("name"), **fields), "created")


def _list(gate: Gate, asked: Namespace) -> None:
    keys = gate.keys(asked.after, asked.limit)
    tell(asked, [key.to_dict() for key in keys], tables.keys(keys))


def _update(gate: Gate, asked: Namespace) -> None:
    changes = _fields(asked) | {name.replace("-", "_"): None for name in asked.clear}
    if not changes:
        message = "nothing to change: state a field, or --clear one"
        raise Stop(message, 2)
    _show(asked, gate.update_key(asked.key_id, widen=asked.widen, revision=asked.revision, **changes))


def _rotate(gate: Gate, asked: Namespace) -> None:
    _new(asked, gate.rotate_key(asked.key_id, overlap=asked.overlap), "rotated")


def _revoke(gate: Gate, asked: Namespace) -> None:
    _confirm(asked, gate.key(asked.key_id), "End", "for good")
    _show(asked, gate.revoke_key(asked.key_id))


def _delete(gate: Gate, asked: Namespace) -> None:
    key = gate.key(asked.key_id)
    _confirm(asked, key, "Remove", "and its record")
    gate.delete_key(key.id)
    tell(asked, {"deleted": key.id}, f"deleted {tables.printable(key.name)} ({key.id})")


def _usage(gate: Gate, asked: Namespace) -> None:
    if asked.days is not None:
        tallies = gate.history(asked.key_id, asked.days)
        tell(asked, tables.plain(tallies), tables.tallies(tallies))
        return
    balances = gate.usage(asked.key_id)
    tell(asked, tables.plain(balances), tables.balances(balances))


def _leases(gate: Gate, asked: Namespace) -> None:
    leases = gate.leases(asked.key_id)
    tell(asked, tables.plain(leases), tables.leases(leases))


def _settle(gate: Gate, asked: Namespace) -> None:
    usage = gate.settle(asked.permit_id, cost=asked.cost, tokens=asked.tokens).usage
    tell(asked, tables.plain(usage), f"charged {usage.cost:f} USD and {usage.tokens} tokens")


def _import(gate: Gate, asked: Namespace) -> None:
    fields = _fields(asked)
    fields |= {"key_hash": asked.key_hash} if asked.key_hash else {"secret": _secret()}
    _show(asked, gate.import_key(fields.pop("name"), **fields))


def _check(gate: Gate, asked: Namespace) -> int:
    decision = gate.check(
        _secret(),
        model=asked.model,
        purpose=asked.purpose,
        endpoint=asked.endpoint,
        ip=asked.ip,
        cost=asked.cost,
        tokens=asked.tokens,
    )
    told = {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "status": decision.status,
        "checks": tables.plain(decision.checks),
        "body": decision.denial.body if decision.denial else None,
    }
    tell(asked, told, decision.explain())
    return 0 if decision else 1


def _fields(asked: Namespace) -> dict[str, Any]:
    stated = vars(asked)
    return {name: stated[name] for name in FIELDS if stated.get(name) is not None}


def _new(asked: Namespace, made: NewKey, what: str) -> None:
    secret = made.secret.reveal()
    if not asked.json:
        note(f"{what} {tables.printable(made.key.name)} ({made.key.id})")
        note("copy the secret now: it is not shown again")
    told = {"api_key": secret, "id": made.key.id, "hint": made.key.hint, "key": made.key.to_dict()}
    try:
        # Alone on the standard output, so that it can go where it belongs unseen.
        _write(_json(told) if asked.json else secret)
    except OSError as error:
        message = (
            f"{what} {made.key.id}, but its secret could not be written: {error.strerror}. Rotate the key"
        )
        raise Stop(message, 5) from None


def _show(asked: Namespace, key: Key) -> None:
    tell(asked, key.to_dict(), tables.key(key))


def tell(asked: Namespace, value: object, text: str) -> None:
    """Tell people the text, and programs the value. Whoever reads may have read enough."""
    try:
        _write(_json(value) if asked.json else text)
    except BrokenPipeError:
        return
    except OSError as error:
        message = f"the answer could not be written: {error.strerror}"
        raise Stop(message, 5) from None


def note(line: str) -> None:
    """Say what stands beside the answer. Nothing depends on whether it is heard."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def _write(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # What is left of it would fail again when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


# Only JSON's own escapes are read as what they stand for.
def _json(value: object) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return json.dumps(value, indent=2, ensure_ascii=codecs.lookup(encoding).name != "utf-8")


def _confirm(asked: Namespace, key: Key, verb: str, how: str) -> None:
    if asked.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        message = f"{asked.command} cannot be undone: say --yes"
        raise Stop(message, 2)
    print(
        f"{verb} {tables.printable(key.name)} ({key.id}) {how}? [y/N] ", end="", file=sys.stderr, flush=True
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        message = "nothing was done"
        raise Stop(message, 2)


# Not from an argument: those are seen by everybody on the machine, and kept in the history of the shell.
def _secret() -> str:
    if secret := os.environ.get("ENCLAVA_SECRET"):
        return secret
    if sys.stdin is None:
        message = "there is no secret: the standard input is closed, and ENCLAVA_SECRET is not set"
        raise Stop(message, 2)
    if sys.stdin.isatty():
        return getpass.getpass("secret (not shown): ")
    return sys.stdin.readline(_LONGEST_LINE).removesuffix("\n").removesuffix("\r")


_COMMANDS: Final[dict[str, Callable[[Gate, Namespace], int | None]]] = {
    "create": _create,
    "list": _list,
    "show": lambda gate, asked: _show(asked, gate.key(asked.key_id)),
    "update": _update,
    "rotate": _rotate,
    "disable": lambda gate, asked: _show(asked, gate.disable_key(asked.key_id)),
    "enable": lambda gate, asked: _show(asked, gate.enable_key(asked.key_id)),
    "revoke": _revoke,
    "delete": _delete,
    "usage": _usage,
    "leases": _leases,
    "settle": _settle,
    "check": _check,
    "import": _import,
}

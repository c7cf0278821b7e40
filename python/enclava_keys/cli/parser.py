"""What may be said on the command line."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from enclava_keys._native import __version__
from enclava_keys._plain import MOST_DAYS

_DESCRIPTION = "Manage the API keys of an LLM gateway, in the store that the gateway reads."
_EPILOG = """\
environment:
  ENCLAVA_STORE    the store, instead of --store; without either it is sqlite:///enclava.db
  ENCLAVA_PEPPERS  the peppers of the store, as id=hex,id=hex: the first for new secrets
  ENCLAVA_SECRET   the secret that check and import ask for, instead of the standard input

exit codes:
  0  done; for check: the request would be admitted
  1  for check: the request would be denied; for doctor: something is wrong
  2  what was asked for is not valid: nothing was done
  3  there is no such key
  4  the state of things forbids it: a revision that moved on, an edit that would widen, a permit that was
     settled before, a read-only store
  5  the store cannot answer, or the answer cannot be written: of a new key, its id is told, to rotate it
"""

# What is stated by one option each, in the words of the record.
_TEXTS: Final = {
    "description": "what people say about it",
    "purpose": "the one purpose that it serves",
    "daily_spend_limit": "US dollars in a day: 50.00",
    "monthly_spend_limit": "US dollars in a calendar month",
    "alert_threshold": "the share of each limit at which an alert is sent: 0.8 for 80 %%",
    "not_before": "the instant before which it is refused: 2026-12-01T00:00:00Z",
    "expires_at": "the instant from which on it is refused",
    "timezone": "the IANA time zone whose midnight ends its day",
}
_LISTS: Final = {
    "allowed_models": "the models it may use, by exact names or with a trailing *",
    "denied_models": "the models it may not use",
    "allowed_ips": "the addresses and networks it may be used from",
    "allowed_endpoints": "the endpoints it may call: /v1/models, POST /v1/*",
    "tags": "your own labels",
}
_OF_NEW: Final = ("id", "prefix", "secret_format", "hint_style")
FIELDS: Final = ("name", *_TEXTS, *_LISTS, "daily_token_limit", "metadata", *_OF_NEW)
"""The options that are fields of a record."""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="python -m enclava_keys",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=__version__)
    _everywhere(whole, store=None, json=False)
    # Before the command or after it: what is not said after it leaves what was said before.
    everywhere = argparse.ArgumentParser(add_help=False)
    _everywhere(everywhere, store=argparse.SUPPRESS, json=argparse.SUPPRESS)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, parents=[everywhere])

    _create(command("create", "make a key; its secret is written to the standard output, once"))
    _list(command("list", "list the keys"))
    command("show", "show a key").add_argument("key_id")
    _update(command("update", "change a key"))
    _rotate(command("rotate", "give a key another secret"))
    command("disable", "stop a key until it is enabled again").add_argument("key_id")
    command("enable", "start a key that was disabled").add_argument("key_id")
    _for_good(command("revoke", "end a key for good"))
    _for_good(command("delete", "remove a key and its record"))
    _usage(command("usage", "tell where the budgets of a key stand, or what it used"))
    command("leases", "tell what processes have leased of the budgets of a key").add_argument("key_id")
    _settle(command("settle", "charge a call, or the lease of a process that died"))
    _check(command("check", "tell what a request would be answered, and why"))
    _import(command("import", "take in a key that was made elsewhere"))
    command("doctor", "tell whether a SQLite file is sound and its books balance")
    command("backup", "copy a SQLite file while it is in use").add_argument(
        "to", metavar="FILE", help="the new file"
    )
    return whole


def _everywhere(parser: argparse.ArgumentParser, *, store: object, json: object) -> None:
    parser.add_argument(
        "--store",
        metavar="URL",
        default=store,
        help="where keys and budgets are, as Gate.open reads it: sqlite:///enclava.db",
    )
    parser.add_argument("--json", action="store_true", default=json, help="answer in JSON, for programs")


def _create(create: argparse.ArgumentParser) -> None:
    create.add_argument("name", help="what people call it: prod-web-app")
    _new(create)


def _list(listed: argparse.ArgumentParser) -> None:
    listed.add_argument("--after", metavar="KEY_ID", help="begin after this one")
    listed.add_argument("--limit", type=int, metavar="N", help="list at most so many")


def _update(update: argparse.ArgumentParser) -> None:
    update.add_argument("key_id")
    update.add_argument("--name", help="what people call it")
    _settings(update)
    update.add_argument(
        "--clear", action="append", default=[], metavar="FIELD", help="back to the default: daily-spend-limit"
    )
    update.add_argument("--widen", action="store_true", help="let it admit requests that it refused before")
    update.add_argument("--revision", type=int, metavar="N", help="only if it is still at this revision")


def _rotate(rotate: argparse.ArgumentParser) -> None:
    rotate.add_argument("key_id")
    rotate.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long the present secret goes on working",
    )


def _for_good(command: argparse.ArgumentParser) -> None:
    command.add_argument("key_id")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _usage(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("key_id")
    usage.add_argument(
        "--days", type=_days, metavar="N", help="what it used on the last N days of use, by model"
    )


def _settle(settle: argparse.ArgumentParser) -> None:
    settle.add_argument("permit_id", help="as `leases` tells it")
    settle.add_argument(
        "--cost",
        metavar="USD",
        required=True,
        help="what it came to; of a lease, beyond what its process had reported",
    )
    settle.add_argument("--tokens", type=int, metavar="N", help="the same in tokens", required=True)


def _check(check: argparse.ArgumentParser) -> None:
    for name in ("model", "purpose", "endpoint", "ip"):
        check.add_argument(f"--{name}")
    check.add_argument("--cost", metavar="USD", help="what the call may cost")
    check.add_argument("--tokens", type=int, metavar="N", help="what the call may take")


def _import(taken: argparse.ArgumentParser) -> None:
    taken.add_argument("name", help="what people call it")
    taken.add_argument(
        "--key-hash",
        metavar="HASH",
        help="sha256:<64 hex> or hs256:<pepper id>:<64 hex>; without it the secret is read from the standard "
        "input",
    )
    _new(taken)


def _new(command: argparse.ArgumentParser) -> None:
    _settings(command)
    command.add_argument("--id", help="an id of your own")
    command.add_argument("--prefix", help="what its secrets start with, in place of en_")
    command.add_argument("--secret-format", choices=["hex", "base62", "checked", "checked_base62"])
    command.add_argument("--hint-style", choices=["ends", "last4", "none"])


def _settings(command: argparse.ArgumentParser) -> None:
    for name, text in _TEXTS.items():
        command.add_argument(_option(name), help=text, metavar="TEXT")
    for name, text in _LISTS.items():
        command.add_argument(_option(name), type=_listed, metavar="A,B", help=f"{text}, with commas between")
    command.add_argument("--daily-token-limit", type=int, metavar="N", help="tokens in a day")
    command.add_argument("--metadata", type=_json, metavar="JSON", help="your own data, an object")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        message = f"must be a whole number from 1 to {MOST_DAYS}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")] if text else []


def _json(text: str) -> Any:  # noqa: ANN401 - whatever it says; the gate judges it
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"must be JSON: {error}"
        raise argparse.ArgumentTypeError(message) from error

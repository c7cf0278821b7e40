"""`python -m enclava_keys`, over a store that outlives each command, as one on disk does."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from dict_ledger import DictLedger, DictStore
from programs import python

from enclava_keys import Gate, ManualClock
from enclava_keys.cli import main

if TYPE_CHECKING:
    from pathlib import Path

STORE = "dict:"


class Typed(io.StringIO):
    """What was typed, on a terminal or not."""


class Shell:
    """Runs commands one after the other, and keeps what they say."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch
        self.store, self.ledger = DictStore(), DictLedger()

    def gate(self, url: str = STORE, **options: object) -> Gate:
        assert url == STORE
        clock = ManualClock("2026-11-23T12:00:00Z")
        return Gate.open("memory:", store=self.store, ledger=self.ledger, clock=clock, **options)  # type: ignore[arg-type]

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> tuple[str, str]:
        self.monkeypatch.setattr(sys, "stdin", Typed(stdin))
        assert main(["--store", STORE, *arguments], open_gate=self.gate) == code
        told = self.capsys.readouterr()
        return told.out, told.err

    def create(self, *arguments: str) -> tuple[str, str]:
        """Make a key; tell its id and its secret."""
        out, _ = self.run("--json", "create", *arguments)
        made = json.loads(out)
        return made["id"], made["api_key"]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("ENCLAVA_STORE", "ENCLAVA_SECRET", "ENCLAVA_PEPPERS"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys, monkeypatch)


def test_a_new_secret_is_alone_on_the_standard_output(shell: Shell) -> None:
    out, err = shell.run("create", "prod-web-app", "--daily-spend-limit", "50.00")
    assert out.startswith("en_")
    assert len(out) == len("en_") + 32 + len("\n")
    assert "created prod-web-app (key_" in err
    assert "not shown again" in err
    listed, _ = shell.run("list")
    assert out.strip() not in listed


def test_every_field_can_be_stated(shell: Shell) -> None:
    out, _ = shell.run(
        *(
            "--json",
            "create",
            "Production App",
            "--description",
            "d",
            "--allowed-models",
            "gpt-4, gpt-3.5-turbo",
        ),
        *("--denied-models", "o1*", "--purpose", "chat", "--daily-spend-limit", "50.00", "--tags", "a,b"),
        *("--monthly-spend-limit", "1500", "--daily-token-limit", "500000", "--alert-threshold", "0.8"),
        *("--allowed-ips", "10.0.0.0/8", "--allowed-endpoints", "POST /v1/*", "--timezone", "Europe/Berlin"),
        *("--not-before", "2026-01-01T00:00:00Z", "--expires-at", "2027-01-01T00:00:00Z", "--id", "prod"),
        *(
            "--prefix",
            "co_",
            "--secret-format",
            "checked",
            "--hint-style",
            "last4",
            "--metadata",
            '{"a": 1.10}',
        ),
    )
    made = json.loads(out)
    assert (made["id"], made["api_key"][:3], made["key"]["alert_threshold"]) == ("prod", "co_", 0.8)
    shown = json.loads(shell.run("--json", "show", "prod")[0])
    assert shown == made["key"]
    assert (shown["daily_spend_limit"], shown["metadata"]) == ("50.00", {"a": 1.1})
    text, _ = shell.run("show", "prod")
    assert "allowed_models       gpt-4, gpt-3.5-turbo" in text
    assert "secrets              1 in force, 0 retired" in text


def test_keys_are_listed_in_a_table(shell: Shell) -> None:
    assert shell.run("list")[0] == "no keys\n"
    shell.create("a", "--id", "a", "--daily-spend-limit", "50")
    shell.create("b\u0301 long name", "--id", "b", "--allowed-models", "gpt-4")
    lines = shell.run("list")[0].splitlines()
    assert lines[0].split() == [
        "ID",
        "NAME",
        "SECRET",
        "STATE",
        "MODELS",
        "USD/DAY",
        "USD/MONTH",
        "TOKENS/DAY",
    ]
    assert lines[1].split()[-4:] == ["all", "50.00", "-", "-"]
    assert "gpt-4" in lines[2]
    assert [
        key["id"] for key in json.loads(shell.run("--json", "list", "--after", "a", "--limit", "1")[0])
    ] == ["b"]
    assert shell.run("list", "--json") == shell.run("--json", "list"), "before the command, or after it"


def test_a_key_is_changed(shell: Shell) -> None:
    key_id, _ = shell.create("k", "--daily-spend-limit", "50", "--description", "d")
    out, _ = shell.run("--json", "update", key_id, "--daily-spend-limit", "25", "--clear", "description")
    assert (json.loads(out)["daily_spend_limit"], json.loads(out)["description"]) == ("25.00", "")
    _, err = shell.run("update", key_id, "--clear", "daily-spend-limit", code=4)
    assert "would widen daily_spend_limit" in err
    shell.run("update", key_id, "--clear", "daily-spend-limit", "--widen", "--revision", "2")
    assert "nothing to change" in shell.run("update", key_id, code=2)[1]
    assert "revision" in shell.run("update", key_id, "--name", "x", "--revision", "2", code=4)[1]


def test_every_fault_has_a_line(shell: Shell) -> None:
    _, err = shell.run(
        "create", "", "--alert-threshold", "80", "--timezone", "Mars", "--metadata", "[]", code=2
    )
    assert err.count("enclava-keys: /") == 4
    assert "use 0.8 for 80 %" in err


def test_a_secret_is_rotated_with_an_overlap(shell: Shell) -> None:
    key_id, first = shell.create("k")
    second, err = shell.run("rotate", key_id, "--overlap", "3600")
    assert "rotated k" in err
    for secret in (first, second):
        shell.run("check", stdin=secret)


def test_switches(shell: Shell) -> None:
    key_id, secret = shell.create("k")
    assert "disabled" in shell.run("disable", key_id)[0]
    assert "key_disabled" in shell.run("check", stdin=secret, code=1)[0]
    assert "active" in shell.run("enable", key_id)[0]
    assert "say --yes" in shell.run("revoke", key_id, code=2)[1]
    assert "revoked" in shell.run("revoke", key_id, "--yes")[0]
    assert "deleted k" in shell.run("delete", key_id, "--yes")[0]
    assert "no key" in shell.run("show", key_id, code=3)[1]


def test_what_cannot_be_undone_is_asked_on_a_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id, _ = shell.create("k")
    monkeypatch.setattr(Typed, "isatty", lambda _: True)
    _, err = shell.run("revoke", key_id, stdin="n\n", code=2)
    assert "End k (" in err
    assert "nothing was done" in err
    shell.run("revoke", key_id, stdin="y\n")


def test_budgets_are_told_in_a_table(shell: Shell) -> None:
    key_id, _ = shell.create("k", "--daily-spend-limit", "50", "--daily-token-limit", "0")
    shell.gate().record(key_id, cost="12.5", tokens=7)
    lines = shell.run("usage", key_id)[0].splitlines()
    assert lines[1].split() == [
        "daily",
        "spend",
        "12.50",
        "0.00",
        "50.00",
        "37.50",
        "25",
        "2026-11-24T00:00:00Z",
    ]
    assert lines[3].split() == ["daily", "tokens", "7", "0", "0", "0", "-", "2026-11-24T00:00:00Z"]
    told = json.loads(shell.run("--json", "usage", key_id)[0])
    assert told["daily_spend"]["remaining"] == "37.50"
    assert told["monthly_spend"]["limit"] is None


def test_a_check_explains_and_never_takes_the_secret_as_an_argument(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = shell.create("k", "--allowed-models", "gpt-4", "--daily-spend-limit", "1")
    out, _ = shell.run("check", "--model", "gpt-4", "--cost", "0.5", "--tokens", "7", stdin=secret + "\n")
    assert out.endswith("allowed\n")
    out, _ = shell.run("--json", "check", "--model", "gpt-5", stdin=secret + "\r\n", code=1)
    told = json.loads(out)
    assert (told["reason"], told["status"], told["body"]["error"]["param"]) == (
        "model_not_allowed",
        403,
        "model",
    )
    assert [check["rule"] for check in told["checks"]] == ["key", "ip", "endpoint", "purpose", "model"]
    monkeypatch.setenv("ENCLAVA_SECRET", secret)
    shell.run("check", "--model", "gpt-4")
    with pytest.raises(SystemExit):
        shell.run("check", secret)
    assert secret not in shell.capsys.readouterr().out
    monkeypatch.delenv("ENCLAVA_SECRET")
    assert "missing_key" in shell.run("check", code=1)[0]


def test_keys_made_elsewhere_are_taken_in(shell: Shell) -> None:
    secret = "sk-0123456789abcdef0123456789"  # noqa: S105 - made up
    out, err = shell.run("import", "old", "--id", "old", stdin=secret)
    assert secret not in out + err
    shell.run("check", stdin=secret)
    shell.run("import", "hash", "--key-hash", "sha256:" + "0" * 64)
    assert "already has this secret" in shell.run("import", "again", stdin=secret, code=4)[1]
    _, err = shell.run("import", "weak", stdin="short", code=2)
    assert "/secret: " in err


def test_peppers_come_from_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pepper = bytes(range(32)).hex()
    monkeypatch.setenv("ENCLAVA_PEPPERS", f"p1={pepper}")
    _, secret = shell.create("k")
    shell.run("check", stdin=secret)
    monkeypatch.delenv("ENCLAVA_PEPPERS")
    assert "unknown_key" in shell.run("check", stdin=secret, code=1)[0]
    for bad in (pepper, "p1=zz", "p1=00"):
        monkeypatch.setenv("ENCLAVA_PEPPERS", bad)
        _, err = shell.run("list", code=2)
        assert "pepper" in err.lower()
        assert pepper not in err


def test_a_store_that_does_not_answer_is_exit_code_5(shell: Shell) -> None:
    key_id, _ = shell.create("k")
    shell.ledger.silent = True
    _, err = shell.run("usage", key_id, code=5)
    assert "the ledger cannot answer" in err


def test_what_people_wrote_cannot_move_the_cursor(shell: Shell) -> None:
    key_id, _ = shell.create("k", "--description", "a\nb")
    assert "description    a?b\n" in shell.run("show", key_id)[0]


POLICY = {"version": 1, "keys": [{"id": "a", "name": "A", "key_hash": "sha256:" + "0" * 64}]}


def program(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "enclava_keys", *arguments, settings=settings)


def test_what_was_probably_not_meant_is_told_beside_the_answer(shell: Shell) -> None:
    made, told = shell.run("--json", "create", "k", "--allowed-models", "all")
    key = json.loads(made)["id"]
    expected = f"enclava-keys: {key}: allowed_models: all is the name of one model; * stands for every one\n"
    assert told == expected
    assert shell.run("list")[1] == ""
    edit = ("update", key, "--widen", "--allowed-models", "gpt-4", "--denied-models")
    assert shell.run(*edit, "any")[1] == expected.replace("allowed_models: all", "denied_models: any")
    assert shell.run(*edit, "gpt-5")[1] == ""


def test_a_file_that_others_may_write_is_told(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"version": 1, "keys": []}')
    policy.chmod(0o666)
    ran = program("--store", f"file://{policy}", "list")
    assert (ran.returncode, ran.stderr) == (
        0,
        f"enclava-keys: {policy}: others may write the file (mode 666): chmod go-w\n",
    )


def test_a_policy_file_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(POLICY))
    listed = program("--json", "list", ENCLAVA_STORE=f"file://{path}")
    assert [key["id"] for key in json.loads(listed.stdout)] == ["a"]
    for command, code, because in (
        (("create", "x"), 4, "edit that"),
        (("usage", "a"), 2, "in the memory of each gateway"),
        (("show", "b"), 3, "no key b"),
    ):
        done = program("--store", f"file://{path}", *command)
        assert (done.returncode, done.stdout) == (code, "")
        assert because in done.stderr
        assert "Traceback" not in done.stderr
    path.write_text("{")
    assert program("--store", f"file://{path}", "list").returncode == 2
    assert program("--store", f"file://{path}.not", "list").returncode == 5


def test_keys_live_in_a_file_of_a_database(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/keys.db"
    made = program("create", "k", "--daily-spend-limit", "5", ENCLAVA_STORE=store)
    assert made.returncode == 0
    secret = made.stdout.strip()
    with Gate.open(store) as gate:
        gate.authorize(secret, cost=1).settle(cost=1)
        key_id = gate.verify(secret).id
    told = json.loads(program("--json", "usage", key_id, ENCLAVA_STORE=store).stdout)
    assert told["daily_spend"]["used"] == "1.00"
    checked = program("check", "--cost", "4.01", ENCLAVA_STORE=store, ENCLAVA_SECRET=secret)
    assert (checked.returncode, "daily_spend_exceeded" in checked.stdout) == (1, True)
    assert program("revoke", key_id, "--yes", ENCLAVA_STORE=store).returncode == 0
    assert program("check", ENCLAVA_STORE=store, ENCLAVA_SECRET=secret).returncode == 1


def test_a_store_that_forgets_is_refused() -> None:
    for store, because in (
        ("memory:", "forgets its keys"),
        ("nonsense", "url: must be"),
    ):
        done = program("list", ENCLAVA_STORE=store)
        assert done.returncode == 2
        assert because in done.stderr
    assert "exit codes:" in program("--help").stdout


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    keys = [{"id": f"k{n}", "name": "x" * 90, "key_hash": f"sha256:{n:064x}"} for n in range(5000)]
    path.write_text(json.dumps({"version": 1, "keys": keys}))
    listing = f'"{sys.executable}" -m enclava_keys --store "file://{path}" list'
    command = ["/bin/bash", "-c", f'{listing} | head -1; echo "${{PIPESTATUS[0]}}"']
    done = subprocess.run(  # noqa: S603 - the command is ours
        command, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""

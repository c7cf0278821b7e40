"""`python -m enclava_keys` over a SQLite file: the default, what keys used, and looking after it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from programs import python

from enclava_keys import Gate, InvalidValue, LedgerError, Sqlite

if TYPE_CHECKING:
    from pathlib import Path


def program(place: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    done = python("-m", "enclava_keys", *arguments, place=place)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_a_file_next_door_is_the_default(tmp_path: Path) -> None:
    _, err = program(tmp_path, "list", code=2)
    assert "there is no enclava.db here" in err
    assert list(tmp_path.iterdir()) == [], "only what makes keys makes it"
    out, err = program(tmp_path, "create", "k", "--id", "k")
    assert f"keys will be kept in {tmp_path / 'enclava.db'}" in err
    assert out.startswith("en_")
    out, err = program(tmp_path, "create", "second")
    assert "will be kept" not in err
    assert " k " in program(tmp_path, "list")[0]
    with Gate.open(f"sqlite:///{tmp_path}/enclava.db") as gate:
        assert len(gate.keys()) == 2


def test_a_mistyped_file_is_not_made(tmp_path: Path) -> None:
    _, err = program(tmp_path, "--store", "sqlite:///typo.db?durability=normal", "list", code=2)
    assert "there is no typo.db here" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("care", [["doctor"], ["backup", "copy.db"]])
def test_a_file_that_is_not_there_is_not_looked_after(tmp_path: Path, care: list[str]) -> None:
    _, err = program(tmp_path, "--store", f"sqlite:///{tmp_path}/typo.db", *care, code=5)
    assert "typo.db: there is no such file" in err
    assert list(tmp_path.iterdir()) == []


def test_the_lease_of_a_dead_process_is_found_and_settled(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/enclava.db"
    with Gate.open(url) as gate:
        secret = gate.create_key("k", id="k", daily_spend_limit=10).secret.reveal()
    dies = "import os, sys; from enclava_keys import Gate; gate = Gate.open(sys.argv[1], leased=True); "
    dies += "permit = gate.authorize(sys.argv[2], cost='0.01'); os.kill(os.getpid(), 9)"
    dead = python("-c", dies, url, secret)
    assert dead.returncode < 0
    heading, told = (line.split() for line in program(tmp_path, "leases", "k")[0].splitlines())
    assert heading == ["PERMIT", "PROCESS", "SINCE", "USD", "TOKENS"]
    (lease,) = json.loads(program(tmp_path, "--json", "leases", "k")[0])
    assert [lease["permit_id"], str(lease["process"]), lease["opened_at"]] == told[:3]
    assert lease["holds"] == {"cost": told[3], "tokens": int(told[4])}
    assert Decimal(told[3]) >= Decimal("0.01")
    settle = ["settle", told[0], "--cost", "0.01", "--tokens", "0"]
    assert program(tmp_path, *settle)[0] == "charged 0.01 USD and 0 tokens\n"
    assert program(tmp_path, "leases", "k")[0] == "no process holds a lease\n"
    with Gate.open(url) as gate:
        daily = gate.usage("k").daily_spend
        assert daily.used == Decimal("0.01")
        assert daily.held == 0
    assert "already settled" in program(tmp_path, *settle, code=4)[1]
    assert "permit" in program(tmp_path, "settle", "k:1", "--cost", "1", "--tokens", "0", code=2)[1]
    assert "--tokens" in program(tmp_path, "settle", told[0], "--cost", "1", code=2)[1]


def test_what_a_key_used_is_told_by_day_and_model(tmp_path: Path) -> None:
    with Gate.open(f"sqlite:///{tmp_path}/enclava.db") as gate:
        made = gate.create_key("k", id="k")
        for _ in range(2):
            gate.authorize(made.secret.reveal(), model="gpt-4", cost="0.5").settle(cost="0.25", tokens=7)
        gate.record("k", cost=1)
    out, _ = program(tmp_path, "usage", "k", "--days", "7")
    heading, unnamed, named = (line.split() for line in out.splitlines())
    assert heading == ["DAY", "MODEL", "CALLS", "USD", "TOKENS"]
    assert (unnamed[1:], named[1:]) == (["-", "1", "1.00", "0"], ["gpt-4", "2", "0.50", "14"])
    told = json.loads(program(tmp_path, "--json", "usage", "k", "--days", "7")[0])
    assert told[1] == told[1] | {"model": "gpt-4", "calls": 2, "usage": {"cost": "0.50", "tokens": 14}}
    assert told[0]["day"].endswith("T00:00:00Z")
    assert "daily spend" in program(tmp_path, "usage", "k")[0]
    for bad in ("0", "401", "-1", "x"):
        assert (
            "must be a whole number from 1 to 400"
            in program(tmp_path, "usage", "k", "--days", bad, code=2)[1]
        )
    assert "nothing was used" in program(tmp_path, "usage", unused(tmp_path), "--days", "1")[0]


def unused(place: Path) -> str:
    program(place, "create", "u", "--id", "unused")
    return "unused"


def test_the_doctor_looks_at_the_file(tmp_path: Path) -> None:
    program(tmp_path, "create", "k", "--id", "k")
    out, _ = program(tmp_path, "doctor")
    told = dict(line.split() for line in out.splitlines() if not line.startswith("fault"))
    assert (told["keys"], told["live"], told["alerts"]) == ("1", "0", "0")
    assert out.endswith("fault: none\n")
    with sqlite3.connect(tmp_path / "enclava.db") as connection:
        connection.execute("DELETE FROM secrets")
    connection.close()
    out, _ = program(tmp_path, "doctor", code=1)
    assert "fault: key k: a secret is not in the list of secrets" in out
    assert json.loads(program(tmp_path, "--json", "doctor", code=1)[0])["faults"]


def test_a_backup_is_made_once(tmp_path: Path) -> None:
    program(tmp_path, "create", "k", "--id", "k")
    out, _ = program(tmp_path, "backup", "copy.db")
    assert out == "copied to copy.db\n"
    assert "is there already" in program(tmp_path, "backup", "copy.db", code=5)[1]
    assert " k " in program(tmp_path, "--store", "sqlite:///copy.db", "list")[0]
    for command in (["doctor"], ["backup", "x"]):
        _, err = program(tmp_path, "--store", "file:///etc/enclava/policy.json", *command, code=2)
        assert "is for a store in a SQLite file" in err


def test_a_file_is_looked_after_from_python(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/enclava.db"
    with Gate.open(url) as gate:
        made = gate.create_key("k", daily_spend_limit=1, alert_threshold=0.5)
        permit = gate.authorize(made.secret.reveal(), cost="0.2")
        gate.record(made.key.id, cost="0.6")
        database = Sqlite(url)
        health = database.doctor()
        assert (health.faults, health.keys, health.live, health.holds, health.alerts) == ([], 1, 1, 2, 1)
        database.backup(tmp_path / "copy.db")
        permit.settle(cost="0.1")
        assert [alert.meter for alert in gate.take_alerts()] == ["daily_spend"]
        assert database.doctor().alerts == 0
    with Gate.open(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert copy.usage(made.key.id).daily_spend.held == Decimal("0.20")
    with pytest.raises(LedgerError, match="is there already"):
        database.backup(str(tmp_path / "copy.db"))
    with pytest.raises(InvalidValue, match="url: must be sqlite:///"):
        Sqlite("memory:")
    with pytest.raises(LedgerError, match="No such file"):
        Sqlite(f"sqlite:///{tmp_path}/nowhere/enclava.db")
    with pytest.raises(TypeError, match="to: must be a path, not int"):
        database.backup(7)  # type: ignore[arg-type]
    assert repr(database) == f'Sqlite("{url}")'


def shell(place: Path, line: str, code: int, **settings: str) -> tuple[str, str]:
    """Run a line of the shell, where `$keys` is the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENCLAVA_")}
    done = subprocess.run(  # noqa: S603 - the line is ours
        ["/bin/bash", "-c", line],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=place,
        env=kept | {"keys": f"{sys.executable} -m enclava_keys"} | settings,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_character_costs_a_secret(tmp_path: Path, encoding: str) -> None:
    settings = {"PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    out, _ = shell(tmp_path, "$keys --json create 'caf\u00e9 \u2713'", 0, **settings)
    made = json.loads(out)
    assert made["key"]["name"] == "caf\u00e9 \u2713"
    shown, _ = shell(tmp_path, f"$keys show {made['id']}", 0, PYTHONIOENCODING="ascii")
    assert "caf\\xe9 \\u2713" in shown


def test_a_secret_that_could_not_be_written_is_told(tmp_path: Path) -> None:
    shell(tmp_path, "$keys create k --id k", 0)
    for command in ("create other --id other", "--json rotate k"):
        for output in ("> /dev/full", "1>&$gone"):
            line = f"exec {{gone}}> >(:); wait $!; $keys {command} {output}"
            _, err = shell(tmp_path, line, 5)
            assert "but its secret could not be written" in err
            assert f" {command.split()[-1]}, but" in err
            if command.startswith("create"):
                shell(tmp_path, "$keys delete other --yes", 0)
    _, err = shell(tmp_path, "$keys create lost --id lost >&-", 2)
    assert "the standard output is closed" in err
    shell(tmp_path, "$keys show lost", 3)


def test_who_reads_no_answer_gets_the_code(tmp_path: Path) -> None:
    shell(tmp_path, "$keys create k --id k", 0)
    gone, asked = "exec {gone}> >(:); wait $!; ", {"ENCLAVA_SECRET": "en_1"}
    for command, code in (("list", 0), ("check", 1), ("doctor", 0)):
        _, err = shell(tmp_path, f"{gone}$keys {command} 1>&$gone", code, **asked)
        assert err == ""
        shell(tmp_path, f"$keys {command} >&-", code, **asked)
        _, err = shell(tmp_path, f"$keys {command} > /dev/full", 5, **asked)
        assert "the answer could not be written: No space left on device" in err


def test_a_closed_input_holds_no_secret(tmp_path: Path) -> None:
    shell(tmp_path, "$keys create k --id k", 0)
    assert "the standard input is closed" in shell(tmp_path, "$keys check <&-", 2)[1]
    assert "say --yes" in shell(tmp_path, "$keys delete k <&-", 2)[1]


def test_an_empty_store_is_not_the_default(tmp_path: Path) -> None:
    program(tmp_path, "create", "k")
    assert "must name a store" in program(tmp_path, "--store", "", "list", code=2)[1]
    assert "must name a store" in program(tmp_path, "list", "--store=", code=2)[1]

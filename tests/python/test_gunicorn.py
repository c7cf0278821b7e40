"""gunicorn with four workers over one SQLite file: keys work in all of them, and budgets are exact."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from enclava_keys import Gate, Sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORKERS = 4
PATIENCE = 60
FIT = 58  # calls of $0.0017 in $0.10


@dataclass
class Served:
    """A gateway of several workers."""

    port: int
    store: str
    alerts: Path
    master: subprocess.Popen[str]

    def call(self, path: str, secret: str = "") -> dict[str, Any]:
        """Make a call over a connection of its own, so that any worker may take it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", path, headers={"authorization": f"Bearer {secret}"})
            answer = connection.getresponse()
            told: dict[str, Any] = json.loads(answer.read())
            return told | {"status": answer.status}

    def by_all(self, path: str, secret: str = "") -> dict[int, dict[str, Any]]:
        """Call until every worker has answered; their last answers."""
        answers: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while len(answers) < WORKERS and time.monotonic() < deadline:
            with ThreadPoolExecutor(WORKERS * 2) as threads:
                told = threads.map(lambda _: self.call(path, secret), range(WORKERS * 4))
                answers |= {answer["worker"]: answer for answer in told}
        assert len(answers) == WORKERS
        return answers

    def told(self) -> list[str]:
        """Tell the ids of the alerts that were told."""
        return [line.split()[0] for line in self.alerts.read_text().splitlines()]


@contextlib.contextmanager
def gunicorn(directory: Path, *options: str) -> Iterator[Served]:
    """Serve `gunicorn_app`."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        store, alerts = f"sqlite:///{directory}/enclava.db", directory / "alerts"
        alerts.touch()
        bind = f"fd://{listener.fileno()}"
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-w",
            str(WORKERS),
            "-b",
            bind,
            *options,
            "gunicorn_app:app",
        ]
        master = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            cwd=os.path.dirname(__file__),  # noqa: PTH120 - a text
            env=os.environ | {"STORE": store, "ALERTS": str(alerts)},
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Served(listener.getsockname()[1], store, alerts, master)
        finally:
            master.send_signal(signal.SIGTERM)
            _, log = master.communicate(timeout=PATIENCE)
            # Shown where the test fails.
            sys.stderr.write(log)
        assert "Traceback" not in log, log
        assert master.returncode == 0, log


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["each-opens", "preload"])
def test_workers_share_keys_budgets_and_alerts(options: list[str], tmp_path: Path) -> None:
    with gunicorn(tmp_path, *options) as served:
        made = served.by_all("/make")
        for answer in made.values():
            verified = served.by_all("/verify", answer["secret"]).values()
            assert {told["status"] for told in verified} == {200}, "made in one, works in all"
        secret, other = (answer["secret"] for answer in list(made.values())[:2])
        with ThreadPoolExecutor(16) as threads:
            told = list(threads.map(lambda _: served.call("/call", secret), range(FIT * 3)))
        admitted = [answer for answer in told if answer["status"] == 200]
        assert len(admitted) == FIT, "all that fits and not one call more"
        assert {answer["reason"] for answer in told if answer["status"] != 200} == {"daily_spend_exceeded"}
        assert len({answer["worker"] for answer in admitted}) > 1
        until(lambda: len(served.told()) == 1)

        # A worker that dies is replaced, and the one in its place knows what there is to know.
        killed = admitted[0]["worker"]
        os.kill(killed, signal.SIGKILL)
        # Until it is gone, it may take a connection along.
        until(lambda: not is_there(killed))
        assert killed not in served.by_all("/verify", other)
        for _ in range(FIT):
            assert served.call("/call", other)["status"] == 200
        assert served.call("/call", other)["status"] == 429
        until(lambda: len(served.told()) == 2)
    assert len(set(served.told())) == len(served.told()) == 2, "each alert once, by one of them"
    assert all(
        name == "made" for name in (line.split()[1] for line in served.alerts.read_text().splitlines())
    )
    health = Sqlite(served.store).doctor()
    assert (health.faults, health.live, health.alerts) == ([], 0, 0)
    with Gate.open(served.store) as gate:
        spent = [gate.usage(gate.verify(text).id).daily_spend.used for text in (secret, other)]
        assert [str(used) for used in spent] == ["0.0986", "0.0986"]

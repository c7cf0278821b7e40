"""Threads, event loops, forks, and what must not leave the process."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import textwrap
import threading
import time
import traceback
import weakref
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from dict_ledger import DictLedger
from programs import python

from enclava_keys import (
    Alert,
    AlreadySettled,
    Conflict,
    Denied,
    Gate,
    InvalidValue,
    NewKey,
    Permit,
    Settlement,
    Sqlite,
    Usage,
)
from enclava_keys.ledger import Outcome, Row, Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_threads_share_one_limit_to_the_cent(gate: Gate) -> None:
    secret = gate.create_key("k", daily_spend_limit="1.00").secret.reveal()
    admitted: list[Settlement] = []

    def spend() -> None:
        for _ in range(500):
            try:
                admitted.append(gate.authorize(secret, cost="0.01").settle(cost="0.01"))
            except Denied:
                continue

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 100


def test_threads_settle_one_permit_once(gate: Gate, made: NewKey, secret: str) -> None:
    settled: list[Settlement] = []

    def settle(permit: Permit, start: threading.Barrier) -> None:
        start.wait()
        with suppress(AlreadySettled):
            settled.append(permit.settle(cost="0.01"))

    for _ in range(50):
        permit, start = gate.authorize(secret, model="gpt-4", cost="0.01"), threading.Barrier(4)
        threads = [threading.Thread(target=settle, args=(permit, start)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(settled) == 50
    assert gate.usage(made.key.id).daily_spend.used == Decimal("0.50")


def test_a_wait_lets_other_threads_run(gate: Gate) -> None:
    secret = gate.create_key("k", daily_spend_limit=1).secret.reveal()
    permit = gate.authorize(secret, cost=1)
    timer = threading.Timer(0.05, permit.settle, kwargs={"cost": 0})
    timer.start()
    assert gate.authorize(secret, cost=1, wait=30).estimate == Usage(1)
    timer.join()


def test_handlers_of_signals_run_while_a_call_waits() -> None:
    story = """
        import os, signal, threading
        from enclava_keys import Gate

        gate = Gate.open("memory:")
        secret = gate.create_key("k", daily_spend_limit=1).secret.reveal()
        held = gate.authorize(secret, cost=1)

        def soon(number):
            threading.Timer(0.2, os.kill, (os.getpid(), number)).start()

        signal.signal(signal.SIGTERM, lambda *_: held.settle(cost=0))
        soon(signal.SIGTERM)
        held = gate.authorize(secret, cost=1, wait=3600)
        soon(signal.SIGINT)
        try:
            gate.authorize(secret, cost=1, wait=3600)
        except KeyboardInterrupt:
            print("interrupted, denied", gate.stats().denied)
        """
    done = python("-c", textwrap.dedent(story))
    assert done.stdout == "interrupted, denied {'daily_spend_exceeded': 1}\n", done.stderr


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf"), True, "1", 10**400])
def test_what_is_no_wait_is_refused(gate: Gate, secret: str, wait: object) -> None:
    with pytest.raises(InvalidValue, match="wait: must be a number of seconds"):
        gate.authorize(secret, model="gpt-4", wait=wait)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="wait: must be a number of seconds"):
        asyncio.run(gate.authorize_async(secret, model="gpt-4", wait=wait))  # type: ignore[arg-type]


def test_a_flush_leaves_the_loop_to_callbacks(gate: Gate) -> None:
    made = gate.create_key("k", daily_token_limit=10, alert_threshold=0.5)
    told: list[str] = []

    async def tell(alert: Alert) -> None:
        told.append(alert.key_id)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        gate.on_alert(lambda alert: asyncio.run_coroutine_threadsafe(tell(alert), loop).result(20))
        gate.record(made.key.id, tokens=6)
        await gate.flush_async()

    asyncio.run(story())
    assert told == [made.key.id]


def test_coroutines_do_what_the_plain_calls_do(gate: Gate) -> None:
    async def story() -> None:
        made = await gate.create_key_async("k", daily_spend_limit=1, allowed_models=["a"])
        secret = made.secret.reveal()
        assert await gate.verify_async(secret) == made.key
        assert await gate.allowed_models_async(secret, ["a", "b"]) == ["a"]
        assert await gate.check_async(secret, model="a")
        permit = await gate.authorize_async(secret, model="a", cost="0.5")
        await permit.extend_async(cost="0.25")
        assert (await permit.settle_async(cost="0.75")).usage == Usage("0.75")
        await (await gate.authorize_async(secret, model="a", cost="0.25")).release_async()
        released = await gate.authorize_async(secret, model="a")
        await gate.release_async(released.detach())
        settled = await gate.authorize_async(secret, model="a")
        await gate.settle_async(settled.detach(), Usage())
        await gate.record_async(made.key.id, tokens=5)
        assert await gate.take_alerts_async() == []
        await gate.refresh_async()
        await gate.flush_async()
        assert (await gate.usage_async(made.key.id)).daily_tokens.used == 5
        assert await gate.key_async(made.key.id) == made.key
        assert await gate.keys_async(limit=9) == [made.key]
        assert (await gate.rotate_key_async(made.key.id, overlap=1)).key.live_secrets == 2
        assert (await gate.disable_key_async(made.key.id)).state == "disabled"
        assert (await gate.enable_key_async(made.key.id)).state == "active"
        assert (await gate.update_key_async(made.key.id, description="d")).description == "d"
        assert (await gate.update_key_json_async(made.key.id, b'{"description": "e"}')).description == "e"
        assert (await gate.revoke_key_async(made.key.id)).state == "revoked"
        await gate.delete_key_async(made.key.id)
        assert (await gate.create_key_json_async('{"name": "j"}')).key.name == "j"
        assert (await gate.import_key_async("i", key_hash="sha256:" + "0" * 64)).name == "i"
        imported = '{"name": "h", "key_hash": "sha256:%s"}' % ("1" * 64)
        assert (await gate.import_key_json_async(imported)).name == "h"
        with pytest.raises(Denied):
            await gate.authorize_async(secret)

    asyncio.run(story())


def test_bodies_and_streams_have_coroutines_too() -> None:
    prices = {"models": {"m": {"input": 0, "output": 0, "max_output": 10}}}
    answer = b'{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'

    async def story() -> None:
        gate = Gate.open("memory:", prices=prices)
        secret = gate.create_key("k").secret.reveal()
        permit = await gate.authorize_request_async(secret, {"model": "m", "messages": []})
        assert (await permit.settle_response_async(answer)).usage.tokens == 3
        permit = await gate.authorize_request_async(secret, {"model": "m", "messages": []}, wait=1)
        stream = permit.stream()
        stream.feed(b"data: " + answer + b"\n\n")
        assert (await stream.finish_async()).usage.tokens == 3

    asyncio.run(story())


@pytest.mark.parametrize("ledger", [None, DictLedger()])
def test_an_event_loop_is_not_held_up(ledger: DictLedger | None) -> None:
    gate = Gate.open("memory:", ledger=ledger)
    assert gate.blocks == (ledger is not None)
    secret = gate.create_key("k", daily_spend_limit=3).secret.reveal()
    running = most = done = 0

    async def call() -> None:
        nonlocal running, most, done
        permit = await gate.authorize_async(secret, cost=1, wait=30)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        await permit.settle_async(cost="0.05")
        done += 1

    async def story() -> None:
        await asyncio.gather(*(call() for _ in range(40)))

    asyncio.run(story())
    assert (done, most) == (40, 3)


def test_a_wait_in_an_event_loop_ends() -> None:
    gate = Gate.open("memory:")
    secret = gate.create_key("k", daily_spend_limit=1).secret.reveal()
    permit = gate.authorize(secret, cost=1)

    async def story() -> None:
        with pytest.raises(Denied) as caught:
            await gate.authorize_async(secret, cost=1, wait=timedelta(milliseconds=30))
        assert caught.value.transient
        with pytest.raises(Denied):
            await gate.authorize_async(secret, cost=2, wait=3600)

    asyncio.run(story())
    permit.release()


def test_a_cancelled_task_leaves_no_hold() -> None:
    class Slow(DictLedger):
        def apply(self, step: Step, /) -> Outcome:
            time.sleep(0.05)
            return super().apply(step)

    gate = Gate.open("memory:", ledger=Slow())
    made = gate.create_key("k", daily_spend_limit=1)

    async def story() -> None:
        task = asyncio.ensure_future(gate.authorize_async(made.secret.reveal(), cost=1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    gc.collect()
    assert gate.usage(made.key.id).daily_spend.held == 0


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_bound_to_its_process_is_not_pickled(
    gate: Gate, made: NewKey, secret: str, protocol: int
) -> None:
    permit = gate.authorize(secret, model="gpt-4")
    for thing in (gate, made, made.key, made.secret, permit, permit.stream()):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(thing, protocol)
        with pytest.raises(TypeError, match="cannot pickle"):
            copy.copy(thing)


def test_plain_values_are_pickled(gate: Gate, made: NewKey) -> None:
    settlement = gate.record(made.key.id, cost=45)
    for value in (Usage("0.5", 3), Row(1, 2, 3), settlement.alerts[0], gate.usage(made.key.id), gate.stats()):
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - just pickled
        assert copy.deepcopy(value) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_worker_may_raise_a_denial(gate: Gate, made: NewKey, secret: str, protocol: int) -> None:
    gate.record(made.key.id, cost=49)
    calls: list[Callable[[], object]] = [
        lambda: gate.authorize("en_" + "0" * 32),
        lambda: gate.authorize(secret, model="gpt-5\n"),
        lambda: gate.authorize(secret, model="gpt-4", cost=2),
    ]
    for call in calls:
        denied = raised_by(call)
        assert isinstance(denied, Denied)
        copies = [pickle.loads(pickle.dumps(denied, protocol)), copy.deepcopy(denied)]  # noqa: S301 - just pickled
        copies.append(pickle.loads(pickle.dumps(copies[0], protocol)))  # noqa: S301 - just pickled
        for told in copies:
            assert told.denial == denied.denial
            assert denied.denial == told.denial
            for name in ("reason", "status", "message", "body", "anthropic_body", "headers", "retry_after"):
                assert getattr(told, name) == getattr(denied, name), name
            assert (told.resets_at, told.transient, str(told)) == (
                denied.resets_at,
                denied.transient,
                str(denied),
            )
            assert told.sse_event() == denied.sse_event()
            assert told.sse_event("anthropic") == denied.sse_event("anthropic")


def test_a_worker_may_answer_and_raise_a_settlement(gate: Gate, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost="0.000000000001", tokens=3)
    settlement = permit.settle(cost=45, tokens=4)
    assert settlement.alerts, "what an alert tells comes along"
    assert pickle.loads(pickle.dumps(settlement)) == settlement  # noqa: S301 - just pickled
    again = raised_by(lambda: permit.settle(cost=1))
    assert isinstance(again, AlreadySettled)
    told = pickle.loads(pickle.dumps(again))  # noqa: S301 - just pickled
    assert (told.settlement, str(told)) == (again.settlement, str(again))


def raised_by(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError


def test_no_output_holds_a_secret(gate: Gate, made: NewKey, secret: str) -> None:
    permit = gate.authorize(secret, model="gpt-4", cost=1)
    outputs = [
        made,
        made.key,
        made.secret,
        permit,
        gate,
        permit.settle(cost=1),
        gate.stats(),
        gate.check(secret),
    ]
    texts = [text for thing in outputs for text in (str(thing), repr(thing), f"{thing}")]
    texts += [gate.check(secret).explain(), made.key.to_json()]
    calls: list[Callable[[], object]] = [
        lambda: gate.authorize(secret),
        lambda: gate.authorize(secret + "0", model="gpt-4"),
        lambda: gate.create_key("k", secret=secret, **{secret: secret}),  # type: ignore[arg-type]
        lambda: gate.create_key("k", id=secret + "!", key_hash=secret, prefix=secret, tags=secret),
        lambda: gate.key(secret + "!"),
        lambda: gate.settle(secret, cost=secret),
        lambda: Gate.open(secret),
        lambda: gate.update_key(secret, name=secret * 9),
    ]
    for call in calls:
        error = raised_by(call)
        texts += ["".join(traceback.format_exception_only(error)), repr(error), repr(error.args)]
    body = secret.removeprefix("en_")
    for text in texts:
        assert not any(body[at : at + 9] in text for at in range(len(body) - 8)), text


def fork(child: object) -> int:
    """Run `child` in a forked process; tell its exit code."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            assert callable(child)
            child()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_budgets_of_its_own(gate: Gate, made: NewKey, secret: str) -> None:
    gate.on_alert(lambda _: None)
    permit = gate.authorize(secret, model="gpt-4", cost=10)
    permit.dispatched()

    def child() -> None:
        nonlocal permit
        del permit
        assert gate.usage(made.key.id).daily_spend.used == 0, "the permit is the parent's to resolve"
        told = threading.Event()
        gate.on_alert(lambda _: told.set())
        gate.authorize(secret, model="gpt-4", cost=40).settle(cost=40)
        gate.flush()
        assert told.is_set()

    assert fork(child) == 0
    assert gate.usage(made.key.id).daily_spend.used == 0
    permit.settle(cost=1)
    assert gate.usage(made.key.id).daily_spend.used == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_draw_other_names(gate: Gate, secret: str) -> None:
    reader, writer = os.pipe()

    def child() -> None:
        os.write(writer, gate.authorize(secret, model="gpt-4").detach().encode())

    assert fork(child) == 0
    name = os.read(reader, 200).decode()
    assert name.partition(":")[0] == gate.verify(secret).id
    assert name != gate.authorize(secret, model="gpt-4").id
    os.close(reader)
    os.close(writer)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_draw_other_secrets(gate: Gate) -> None:
    reader, writer = os.pipe()

    def draw() -> str:
        return gate.create_key("k").secret.reveal()

    drawn = [draw()]  # a buffer of random bytes, if there was one, is filled before the children are made
    for _ in range(2):
        assert fork(lambda: os.write(writer, draw().encode())) == 0
        drawn.append(os.read(reader, 35).decode())
    drawn.append(draw())
    assert len(set(drawn)) == len(drawn) == 4
    os.close(reader)
    os.close(writer)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_workers_share_one_limit_in_a_file(tmp_path: Path) -> None:
    gate = Gate.open(f"sqlite:///{tmp_path}/keys.db")
    made = gate.create_key("k", daily_spend_limit="1.00")

    def child() -> None:
        for _ in range(20):
            with suppress(Denied):
                gate.authorize(made.secret.reveal(), cost="0.05").settle(cost="0.05")

    # Each is forked by a thread of its own, so that they run at once.
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(fork(child))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
    balance = gate.usage(made.key.id).daily_spend
    assert (balance.used, balance.held) == (Decimal(1), Decimal(0))


def run(program: str) -> str:
    done = python("-c", textwrap.dedent(program))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_process_ends_with_its_alerts_told() -> None:
    told = run("""
        import time
        from enclava_keys import Gate
        gate = Gate.open("memory:")
        key = gate.create_key("k", daily_spend_limit=1, alert_threshold=0.5).key
        @gate.on_alert
        def tell(alert):
            time.sleep(0.1)
            print(alert.meter, gate.key(alert.key_id).name)
        gate.record(key.id, cost=1)
    """)
    assert told == "daily_spend k\n"


def test_a_callback_that_raises_is_told_and_the_next_one_called() -> None:
    told = run("""
        import sys
        from enclava_keys import Gate
        gate = Gate.open("memory:")
        keys = [gate.create_key(name, daily_spend_limit=1, alert_threshold=0.5).key for name in "ab"]
        sys.unraisablehook = lambda it: print("unraisable", it.exc_value)
        @gate.on_alert
        def tell(alert):
            if alert.key_name == "a":
                raise RuntimeError("no")
            print(alert.key_name)
        for key in keys:
            gate.record(key.id, cost=1)
        gate.close()
    """)
    assert told == "unraisable no\nb\n"


def test_an_alert_over_a_file_is_told_until_somebody_heard(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/enclava.db"
    told = run(f"""
        import sys
        from enclava_keys import Gate
        gate = Gate.open({url!r})
        key = gate.create_key("k", id="k", daily_spend_limit=1, alert_threshold=0.5).key
        raised = []
        sys.unraisablehook = lambda it: raised.append(str(it.exc_value))
        @gate.on_alert
        def tell(alert):
            raise RuntimeError(alert.id)
        [alert] = gate.record(key.id, cost=1).alerts
        gate.close()
        print(alert.id, *raised)
    """)
    settled, raised = told.split()
    assert settled.startswith("k:daily_spend:")
    assert raised == settled
    assert Sqlite(url).doctor().alerts == 1, "nobody was told"
    gate = Gate.open(url)
    assert gate.take_alerts() == [], "the process that had it has it for half a minute"
    gate.record("k", cost=1)
    gate.close()


def test_a_gate_in_a_circle_with_its_callback_is_collected() -> None:
    gate = Gate.open("memory:")
    kept = weakref.ref(gate)

    def tell(_: object, gate: Gate = gate) -> None:
        gate.flush()

    gate.on_alert(tell)
    del gate, tell
    gc.collect()
    assert kept() is None


def test_a_gate_dropped_while_its_callback_runs_waits_for_it() -> None:
    started, ended = threading.Event(), threading.Event()
    gate = Gate.open("memory:")
    key = gate.create_key("k", daily_spend_limit=1, alert_threshold=0.5).key

    def tell(_: object) -> None:
        started.set()
        time.sleep(0.05)
        ended.set()

    gate.on_alert(tell)
    gate.record(key.id, cost=1)
    started.wait()
    del gate
    assert ended.is_set()


def test_a_permit_outlives_its_gate() -> None:
    gate = Gate.open("memory:")
    permit = gate.authorize(gate.create_key("k").secret.reveal())
    gate.close()
    del gate
    gc.collect()
    assert permit.settle(cost=1).usage == Usage(1)
    with pytest.raises(Conflict):
        permit.extend(cost=1)


@pytest.mark.parametrize("store", ["memory:", "sqlite:///keys.db"])
def test_children_outlive_the_threads_that_waited_in_their_parent(store: str, tmp_path: Path) -> None:
    text = """
        import os, sys, threading
        from enclava_keys import Gate

        gates = [Gate.open(sys.argv[1], leased=leased) for leased in (False, True) for _ in range(2)]
        for gate in gates:
            gate.on_alert(print)
            gate.flush()

        def spend(gate):
            secret = gate.create_key("k", daily_spend_limit="0.1", alert_threshold=0.5).secret.reveal()
            for _ in range(20):
                gate.authorize(secret, cost="0.004").settle(cost="0.004")

        for _ in range(12):
            child = os.fork()
            if child == 0:
                threads = [threading.Thread(target=spend, args=(gate,)) for gate in gates for _ in range(3)]
                [thread.start() for thread in threads]
                [thread.join() for thread in threads]
                del threads, gate
                [gate.close() for gate in gates]
                gates.clear()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0, "a child died"
    """
    done = python("-c", textwrap.dedent(text), store, place=tmp_path)
    assert done.returncode == 0, done.stderr

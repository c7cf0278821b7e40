"""Managing keys."""

from __future__ import annotations

from collections import UserList, deque
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from enclava_keys import (
    Conflict,
    Denied,
    Gate,
    InvalidRecord,
    InvalidValue,
    ManualClock,
    NewKey,
    NotFound,
    dispatch_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_new_key_shows_its_secret_once(made: NewKey) -> None:
    secret = made.secret.reveal()
    assert secret.startswith("en_")
    assert len(secret) == len("en_") + 32
    assert made.key.hint == f"{secret[:7]}…{secret[-4:]}" == str(made.secret)
    assert (made.key.name, made.key.state, made.key.revision) == ("Production App", "active", 1)
    assert made.key.allowed_models == ["gpt-4", "gpt-3.5-turbo"]
    assert made.key.daily_spend_limit == Decimal("50.00")
    assert isinstance(made.key.daily_spend_limit, Decimal)
    assert made.key.daily_token_limit == 500_000
    assert made.key.alert_threshold == Decimal("0.8")
    assert made.key.created_at == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_every_fault_is_told_with_its_field(gate: Gate) -> None:
    fields: dict[str, Any] = {
        "allowed_model": ["gpt-4"],
        "daily_spend_limit": -1,
        "monthly_spend_limit": True,
        "daily_token_limit": float("nan"),
        "alert_threshold": 80,
        "expires_at": datetime(2027, 1, 1),  # noqa: DTZ001 - that is the fault
        "metadata": {"deep": {"set": {1: 2}}},
        "tags": object(),
        "description": "\ud800",
    }
    with pytest.raises(InvalidRecord) as caught:
        gate.create_key("", **fields)
    faults = {fault.path: fault.message for fault in caught.value.errors}
    assert sorted(faults) == [
        "/alert_threshold",
        "/allowed_model",
        "/daily_spend_limit",
        "/daily_token_limit",
        "/description",
        "/expires_at",
        "/metadata",
        "/monthly_spend_limit",
        "/name",
        "/tags",
    ]
    assert "did you mean `allowed_models`" in faults["/allowed_model"]
    assert "use 0.8 for 80 %" in faults["/alert_threshold"]
    assert "/daily_spend_limit: must not be negative" in str(caught.value)
    assert gate.keys() == []


def test_times_are_text_or_aware_datetimes(gate: Gate) -> None:
    end = datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    key = gate.create_key("k", not_before="2026-12-01T00:00:00+01:00", expires_at=end).key
    assert key.expires_at == end == datetime(2027, 1, 1, tzinfo=UTC)
    assert key.not_before == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert key.state == "not_yet_valid"


def test_fields_that_are_not_set_read_as_the_default(gate: Gate) -> None:
    key = gate.create_key("k").key
    assert (key.daily_spend_limit, key.daily_token_limit, key.alert_threshold) == (None, None, None)
    assert (key.allowed_models, key.denied_models, key.tags, key.metadata) == ([], [], [], {})
    assert (key.allowed_ips, key.allowed_endpoints, key.purpose, key.timezone) == (None, None, None, "UTC")
    assert (key.description, key.prefix, key.enabled, key.revoked_at) == ("", "en_", True, None)


def test_sequences_and_mappings_of_any_kind_are_fields(gate: Gate) -> None:
    key = gate.create_key(
        "k", tags=("a", "b"), metadata={"n": [1, 2.5, None, True, {"x": Decimal("0.1")}]}
    ).key
    assert key.tags == ["a", "b"]
    assert key.metadata == {"n": [1, 2.5, None, True, {"x": 0.1}]}
    key = gate.create_key("k", tags=UserList("ab"), metadata=MappingProxyType({"a": deque([1])})).key
    assert (key.tags, key.metadata) == (["a", "b"], {"a": [1]})
    for given in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        with pytest.raises(InvalidRecord, match="/tags: cannot be a"):
            gate.create_key("k", tags=given)  # type: ignore[arg-type]


def test_what_is_said_of_a_field_says_what_it_may_be(gate: Gate, made: NewKey) -> None:
    calls: list[Callable[..., object]] = [
        partial(gate.create_key, "k"),
        partial(gate.update_key, made.key.id),
    ]
    for call in calls:
        with pytest.raises(InvalidRecord, match="/enabled: must be true or false, not null"):
            call(enabled=None)
        with pytest.raises(InvalidRecord, match=r"/expires_at: must be RFC 3339 text .* or a datetime"):
            call(expires_at=date(2027, 1, 1))


@pytest.mark.parametrize("given", ["no", 1, 0.0, []])
def test_what_is_no_truth_is_refused_by_its_name(gate: Gate, made: NewKey, given: Any) -> None:
    told = f"must be True or False, not {type(given).__name__}"
    for setting in ("leased", "hide_amounts", "hide_state"):
        with pytest.raises(TypeError, match=f"^{setting}: {told}"):
            Gate.open("memory:", **{setting: given})
        Gate.open("memory:", **{setting: None})
    with pytest.raises(TypeError, match=f"^widen: {told}"):
        gate.update_key(made.key.id, widen=given)
    with pytest.raises(TypeError, match=f"^include_usage: {told}"):
        dispatch_body(b"{}", include_usage=given)


def test_keys_are_listed_in_pages(gate: Gate) -> None:
    ids = [gate.create_key(f"k{n}", id=f"id-{n}").key.id for n in range(5)]
    assert [key.id for key in gate.keys(limit=9)] == ids
    assert [key.id for key in gate.keys(after="id-1", limit=2)] == ["id-2", "id-3"]
    assert gate.key("id-4").name == "k4"
    for nobody in ("id-5", "no such id!", "\0"):
        with pytest.raises(NotFound):
            gate.key(nobody)


def test_an_edit_that_widens_has_to_say_so(gate: Gate, made: NewKey) -> None:
    key = gate.update_key(made.key.id, daily_spend_limit=25, description="less")
    assert (key.daily_spend_limit, key.description, key.revision) == (Decimal(25), "less", 2)
    with pytest.raises(Conflict, match="would widen daily_spend_limit"):
        gate.update_key(made.key.id, daily_spend_limit=None)
    assert gate.update_key(made.key.id, widen=True, daily_spend_limit=None).daily_spend_limit is None
    with pytest.raises(Conflict, match="revision"):
        gate.update_key(made.key.id, revision=2, name="x")
    with pytest.raises(InvalidRecord, match="cannot be changed"):
        gate.update_key(made.key.id, id="x")  # type: ignore[call-arg]
    with pytest.raises(InvalidRecord, match="/tags"):
        gate.update_key(made.key.id, tags=object())  # type: ignore[arg-type]


def test_rotation_keeps_the_key_and_its_budget(gate: Gate, made: NewKey, clock: ManualClock) -> None:
    new = gate.rotate_key(made.key.id, overlap=3600)
    assert (new.key.id, new.key.live_secrets) == (made.key.id, 2)
    for secret in (made.secret, new.secret):
        assert gate.verify(secret.reveal()).id == made.key.id
    clock.advance(3600)
    with pytest.raises(Denied) as caught:
        gate.verify(made.secret.reveal())
    assert caught.value.reason == "secret_retired"
    newest = gate.rotate_key(made.key.id, overlap=timedelta(0))
    assert newest.key.live_secrets == 1
    for bad in (-1, True, float("nan"), timedelta(seconds=-1), "1", 10**400):
        with pytest.raises(InvalidValue, match="overlap"):
            gate.rotate_key(made.key.id, overlap=bad)  # type: ignore[arg-type]


def test_switches(gate: Gate, made: NewKey, secret: str) -> None:
    assert gate.disable_key(made.key.id).state == "disabled"
    assert gate.check(secret).reason == "key_disabled"
    assert gate.enable_key(made.key.id).state == "active"
    assert gate.revoke_key(made.key.id).revoked_at is not None
    with pytest.raises(Conflict):
        gate.enable_key(made.key.id)
    gate.delete_key(made.key.id)
    with pytest.raises(NotFound):
        gate.delete_key(made.key.id)
    assert gate.check(secret).reason == "unknown_key"


def test_keys_made_elsewhere_are_imported(gate: Gate) -> None:
    secret = "sk-0123456789abcdef0123456789"  # noqa: S105 - made up
    key = gate.import_key("old", secret=secret)
    assert gate.verify(secret) == key
    by_hash = gate.import_key("hash", key_hash="sha256:" + "0" * 64)
    assert by_hash.hint is None
    with pytest.raises(Conflict, match="already has this secret"):
        gate.import_key("again", secret=secret)


def test_json_goes_to_the_core_as_it_is(gate: Gate) -> None:
    made = gate.create_key_json(b'{"name": "k", "daily_spend_limit": 50.00}')
    assert made.key.daily_spend_limit == Decimal("50.00")
    assert gate.update_key_json(made.key.id, '{"daily_spend_limit": 5e0}').daily_spend_limit == 5
    assert gate.import_key_json('{"name": "i", "key_hash": "sha256:%s"}' % ("1" * 64)).name == "i"
    for bad in (b"", b"[]", b"\xff", '{"name": "a", "name": "b"}', '{"name": NaN}'):
        with pytest.raises(InvalidRecord):
            gate.create_key_json(bad)


def test_a_key_is_told_as_json_without_its_hash(made: NewKey) -> None:
    told = made.key.to_dict()
    assert (told["id"], told["daily_spend_limit"], told["alert_threshold"]) == (made.key.id, "50.00", 0.8)
    assert "256:" not in made.key.to_json()


def test_keys_compare_by_what_they_say(gate: Gate, made: NewKey) -> None:
    assert made.key == gate.key(made.key.id)
    assert hash(made.key) == hash(gate.key(made.key.id))
    assert made.key != gate.update_key(made.key.id, name="other")
    assert len({made.key, gate.key(made.key.id)}) == 2


def test_peppers_key_the_hashes() -> None:
    first, second = bytes(range(32)), bytes(range(1, 33))
    gate = Gate.open("memory:", peppers={"p1": first, "p0": second})
    secret = gate.create_key("k").secret.reveal()
    assert gate.verify(secret).name == "k"
    for bad in (
        {"p": b"short"},
        {"p": "text"},
        {"a b": first},
        [("p", first), ("p", second)],
        5,
        [5],
        {5: first},
    ):
        with pytest.raises((InvalidValue, TypeError), match=r"peppers|not iterable"):
            Gate.open("memory:", peppers=bad)  # type: ignore[arg-type]

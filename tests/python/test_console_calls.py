"""The calls behind the API Keys page."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from console_server import JWT_SECRET, KEYS, calling, console

from enclava_keys import Gate, ManualClock, NewKey
from enclava_keys.arguments import KeyChanges, KeyFields
from enclava_keys.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx


@pytest.fixture
def client(gate: Gate) -> Iterator[httpx.Client]:
    with calling(console(gate)) as client:
        yield client


def failure(answer: httpx.Response) -> tuple[int, str, list[str]]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], [fault["path"] for fault in error["faults"]]


def test_the_call_of_the_docs_creates_a_key(client: httpx.Client, gate: Gate) -> None:
    answer = client.post(
        KEYS,
        json={
            "name": "Production App",
            "description": "API key for production application",
            "allowed_models": ["gpt-4", "gpt-3.5-turbo"],
            "daily_spend_limit": 50.00,
            "monthly_spend_limit": 1500.00,
            "daily_token_limit": 500000,
        },
    )
    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == {"api_key", "id", "hint", "key"}
    key = gate.verify(made["api_key"])
    assert (made["id"], made["hint"], made["key"]["name"]) == (key.id, key.hint, "Production App")
    assert made["key"]["daily_spend_limit"] == "50.00"
    assert answer.headers["location"] == f"{KEYS}/{key.id}"
    assert client.get(answer.headers["location"]).json() == made["key"]


def test_no_other_answer_holds_a_secret(client: httpx.Client, made: NewKey) -> None:
    answers = [
        client.get(path).text for path in (KEYS, f"{KEYS}/{made.key.id}", f"{KEYS}/{made.key.id}/usage")
    ]
    answers.append(client.patch(f"{KEYS}/{made.key.id}", json={"name": "x"}).text)
    answers.append(client.post(f"{KEYS}/{made.key.id}/revoke").text)
    body = made.secret.reveal().removeprefix("en_")
    assert all(body not in answer and "256:" not in answer for answer in answers)


def test_every_fault_is_told_with_its_place(client: httpx.Client, gate: Gate) -> None:
    answer = client.post(KEYS, json={"nme": "x", "allowed_models": ["a,b"], "alert_threshold": 80})
    assert failure(answer) == (
        422,
        "invalid_record",
        ["/nme", "/allowed_models/0", "/alert_threshold", "/name"],
    )
    faults = answer.json()["error"]["faults"]
    assert faults[0]["message"] == "unknown field `nme`; did you mean `name`"
    assert all(fault["message"] in answer.json()["error"]["message"] for fault in faults)
    for content in (b"", b"[]", b"\xff", b'{"name": "a", "name": "b"}', b'{"name": "k", "metadata": NaN}'):
        answer = client.post(KEYS, content=content, headers={"Content-Type": "application/json"})
        assert failure(answer) == (422, "invalid_record", [""])
    assert gate.keys() == []


def test_numbers_reach_the_core_as_they_were_written(client: httpx.Client) -> None:
    metadata = '{"n": 123456789012345678901234567890.10}'
    text = f'{{"name": "k", "daily_spend_limit": 0.100000000001, "metadata": {metadata}}}'
    answer = client.post(KEYS, content=text, headers={"Content-Type": "application/json; charset=utf-8"})
    assert '"daily_spend_limit":"0.100000000001"' in answer.text
    assert '"n":123456789012345678901234567890.10' in answer.text


def test_keys_are_listed_in_pages(client: httpx.Client, gate: Gate) -> None:
    ids = [gate.create_key(f"k{n}", id=f"id-{n}").key.id for n in range(5)]
    first = client.get(KEYS, params={"limit": 2}).json()
    assert ([key["id"] for key in first["keys"]], first["next"]) == (ids[:2], "id-1")
    rest = client.get(KEYS, params={"limit": 3, "after": "id-1"}).json()
    assert ([key["id"] for key in rest["keys"]], rest["next"]) == (ids[2:], None)
    assert "usage" not in first["keys"][0]
    for query in ("limit=0", "limit=201", "limit=x", "limit=%D9%A3", "usage=yes", "after=no such id!"):
        status, code, paths = failure(client.get(f"{KEYS}?{query}"))
        assert (status, code, paths) == (422, "invalid_request", [query.partition("=")[0]])


def test_usage_is_told_exactly(client: httpx.Client, gate: Gate, made: NewKey) -> None:
    gate.record(made.key.id, cost="0.000000000001", tokens=7)
    permit = gate.authorize(made.secret.reveal(), model="gpt-4", cost="0.05", tokens=10)
    usage = client.get(f"{KEYS}/{made.key.id}/usage").json()
    assert usage["daily_spend"] == {
        "used": "0.000000000001",
        "held": "0.05",
        "limit": "50.00",
        "remaining": "49.949999999999",
        "resets_at": "2026-11-24T00:00:00Z",
    }
    assert (usage["daily_tokens"]["used"], usage["daily_tokens"]["held"]) == (7, 10)
    assert usage["history"] is None
    listed = client.get(KEYS, params={"usage": "true"}).json()["keys"][0]
    assert listed["usage"]["monthly_spend"]["resets_at"] == "2026-12-01T00:00:00Z"
    permit.release()


def test_past_days_are_summed_up(tmp_path: Path, clock: ManualClock) -> None:
    with Gate.open(f"sqlite:///{tmp_path}/keys.db", clock=clock) as gate:
        made = gate.create_key("k", timezone="Asia/Tokyo")
        path = f"{KEYS}/{made.key.id}/usage"
        with calling(console(gate)) as client:
            assert client.get(path).json()["history"] == []
            gate.record(made.key.id, cost="1", tokens=1)
            clock.advance(86400 * 2)
            gate.authorize(made.secret.reveal(), model="gpt-4").settle(cost="0.1", tokens=5)
            gate.authorize(made.secret.reveal(), model="o1").settle(cost="0.2", tokens=5)
            days = client.get(path).json()["history"]
            assert days == [
                {"day": "2026-11-22T15:00:00Z", "cost": "1.00", "tokens": 1, "calls": 1},
                {"day": "2026-11-24T15:00:00Z", "cost": "0.30", "tokens": 10, "calls": 2},
            ]
            assert client.get(f"{path}?days=1").json()["history"] == days[1:]
            assert failure(client.get(f"{path}?days=401")) == (422, "invalid_request", ["days"])


def test_an_edit_that_widens_has_to_say_so(client: httpx.Client, made: NewKey) -> None:
    path = f"{KEYS}/{made.key.id}"
    assert client.patch(path, json={"daily_spend_limit": 25}).json()["daily_spend_limit"] == "25.00"
    answer = client.patch(path, json={"daily_spend_limit": None, "allowed_models": []})
    assert failure(answer) == (409, "would_widen", [])
    assert "would widen allowed_models, daily_spend_limit" in answer.json()["error"]["message"]
    assert client.patch(f"{path}?widen=true", json={"daily_spend_limit": None}).status_code == 200
    assert failure(client.patch(f"{path}?widen=1", json={})) == (422, "invalid_request", ["widen"])
    assert failure(client.patch(path, json={"prefix": "x_"})) == (422, "invalid_record", ["/prefix"])


def test_an_edit_of_what_was_changed_meanwhile_is_refused(client: httpx.Client, made: NewKey) -> None:
    path = f"{KEYS}/{made.key.id}"
    seen = client.get(path).headers["etag"]
    assert client.patch(path, json={"name": "a"}, headers={"If-Match": seen}).headers["etag"] == '"2"'
    late = client.patch(path, json={"name": "b"}, headers={"If-Match": seen})
    assert failure(late) == (412, "changed_meanwhile", [])
    assert client.patch(path, json={"name": "c"}, headers={"If-Match": "*"}).json()["name"] == "c"
    for bad in ("1", 'W/"1"', '"x"', ""):
        answer = client.patch(path, json={"name": "d"}, headers={"If-Match": bad})
        assert failure(answer) == (422, "invalid_request", ["If-Match"])


def test_rotation(client: httpx.Client, gate: Gate, made: NewKey, clock: ManualClock) -> None:
    path = f"{KEYS}/{made.key.id}/rotate"
    rotated = client.post(path, json={"overlap": 3600}).json()
    assert [gate.verify(secret).id for secret in (made.secret.reveal(), rotated["api_key"])] == [
        made.key.id
    ] * 2
    assert [secret["retires_at"] for secret in rotated["key"]["secrets"]] == [None, "2026-11-23T13:00:00Z"]
    clock.advance(3600)
    assert gate.check(made.secret.reveal()).reason == "secret_retired"
    at_once = client.post(path).json()
    assert [gate.check(text, model="gpt-4").reason for text in (rotated["api_key"], at_once["api_key"])] == [
        "secret_retired",
        None,
    ]
    for bad in ("-1", "true", '"1"', "1e400", "NaN", "7776001"):
        assert failure(client.post(path, content=f'{{"overlap": {bad}}}')) == (
            422,
            "invalid_record",
            ["/overlap"],
        )
    assert failure(client.post(path, json={"over/lap": 1})) == (422, "invalid_record", ["/over~1lap"])
    for bad in ("{", "[]", "[" * 9999):
        assert failure(client.post(path, content=bad)) == (422, "invalid_record", [""])


def test_switches(client: httpx.Client, made: NewKey) -> None:
    path = f"{KEYS}/{made.key.id}"
    for verb, state in [("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")]:
        assert client.post(f"{path}/{verb}").json()["state"] == state
    for verb in ("enable", "rotate"):
        assert failure(client.post(f"{path}/{verb}")) == (409, "conflict", [])
    assert client.delete(path).status_code == 204
    for method, place in [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/usage"), ("POST", "/revoke")]:
        assert failure(client.request(method, path + place, json={})) == (404, "not_found", [])


def test_bodies_are_bounded_and_json(gate: Gate) -> None:
    small = Console(gate, jwt_secret=JWT_SECRET, max_body=100)
    with calling(small) as client:
        assert failure(client.post(KEYS, json={"name": "x" * 100})) == (413, "too_large", [])
        endless = (b"[" for _ in range(1000))
        answer = client.post(KEYS, content=endless, headers={"Content-Type": "application/json"})
        assert failure(answer) == (413, "too_large", [])
        assert failure(client.post(KEYS, data={"name": "k"})) == (415, "unsupported_media_type", [])


def test_every_answer_is_private_and_in_one_shape(client: httpx.Client, made: NewKey) -> None:
    answers = [client.get(KEYS), client.put(KEYS), client.get("/nowhere"), client.post(KEYS, json={})]
    answers += [client.get(KEYS, headers={"Authorization": ""}), client.delete(f"{KEYS}/{made.key.id}")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not any("access-control" in name for name in answer.headers)
    assert failure(answers[1]) == (405, "method_not_allowed", [])
    assert set(answers[1].headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert failure(client.options(KEYS, headers={"Origin": "http://evil.example"}))[0] == 405


def test_a_policy_file_is_read_only(tmp_path: Path) -> None:
    key = {"id": "a", "name": "A", "key_hash": "sha256:" + "0" * 64}
    (tmp_path / "policy.json").write_text(json.dumps({"version": 1, "keys": [key]}))
    with (
        Gate.open("memory:", store=f"file://{tmp_path}/policy.json") as gate,
        calling(console(gate)) as client,
    ):
        answer = client.post(KEYS, json={"name": "k"})
        assert failure(answer) == (409, "conflict", [])
        assert "keys come from the policy file" in answer.json()["error"]["message"]
        assert [key["id"] for key in client.get(KEYS, params={"usage": "true"}).json()["keys"]] == ["a"]


def test_a_mounted_console_knows_where_it_is(gate: Gate) -> None:
    with calling(console(gate), root="/admin") as client:
        answer = client.post(KEYS, json={"name": "k"})
        assert answer.headers["location"].startswith(f"/admin{KEYS}/key_")
        assert client.get("/api-internal/v1/openapi.json").json()["servers"] == [{"url": "/admin"}]
        assert client.get("/console").headers["location"] == "/admin/console/"


def test_who_changed_a_key_is_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "enclava_keys.console")
    made = client.post(KEYS, json={"name": "k"}).json()
    client.delete(f"{KEYS}/{made['id']}")
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"key {made['id']!r} created by 'admin'", f"key {made['id']!r} deleted by 'admin'"]


def test_the_description_names_every_field(client: httpx.Client) -> None:
    schemas: dict[str, Any] = client.get("/api-internal/v1/openapi.json").json()["components"]["schemas"]
    changes = set(KeyChanges.__annotations__)
    assert set(schemas["KeyChanges"]["properties"]) == changes
    assert set(schemas["KeyFields"]["properties"]) == changes | set(KeyFields.__annotations__) - {"key_hash"}
    made = client.post(KEYS, json={"name": "k"}).json()
    assert set(schemas["Key"]["required"]) == set(made["key"])


def test_the_page_may_load_nothing_but_itself(client: httpx.Client) -> None:
    page = client.get("/console/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    files = re.findall(r'(?:href|src)="([\w.]+)"', page.text)
    assert {"app.js", "base.css", "icon.svg"} <= set(files)
    for name in files:
        answer = client.get(f"/console/{name}")
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-cache")
        again = client.get(f"/console/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert not re.search(r"<style|<script>|style=|\bon\w+=|https?://", page.text)
    for stray in ("/console/app.py", "/console/..%2fapp.py", "/console/%2e%2e/app.py", "/console/none.js"):
        assert failure(client.get(stray))[:2] == (404, "not_found")

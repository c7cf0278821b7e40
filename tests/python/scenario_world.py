"""A gate, and all that the steps of a case gave names to."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import scenario_answers as answers
from dict_ledger import DictLedger, DictStore
from scenario_schema import Case, Number, raw

from enclava_keys import EnclavaError, Gate, ManualClock, PriceBook, bearer, resolve_client_ip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enclava_keys import Key, NewKey, Permit

Engine = Literal["memory", "keywords", "python", "sqlite", "python-leased", "sqlite-leased"]
"""In memory, records as JSON text or as keywords; over a ledger and a store in Python; in a SQLite file; and
with leases in front of these."""


class World:
    """What a case runs in."""

    def __init__(self, case: Case, engine: Engine, folder: Path) -> None:
        self.folder = folder
        self.engine = engine
        self.clock = ManualClock(case.start)
        self.case = case
        self.ledger, self.store = DictLedger(), DictStore()
        self.gate = self._open()
        self.gates = {"first": self.gate}
        self.keys: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.permits: dict[str, Permit] = {}
        self.permit_ids: dict[str, str] = {}

    def take(self, step: dict[str, Any]) -> None:
        """Take one step and compare its answer with what is expected."""
        answer = self.answer(step)
        if "expect" in step:
            answers.compare(step["expect"], answer)
        else:
            assert answer is None, repr(answer)

    def answer(self, step: dict[str, Any]) -> object:
        """Take one step; tell what came of it, an error included."""
        do: Callable[[dict[str, Any]], dict[str, Any] | None] = getattr(self, f"do_{step['do']}")
        try:
            return do(step)
        except EnclavaError as error:
            return error

    def do_clock(self, step: dict[str, Any]) -> None:
        if "set" in step:
            self.clock.set(step["set"])
        else:
            self.clock.advance(int(step["advance_seconds"]))

    def do_outage(self, step: dict[str, Any]) -> None:
        silenced = self.store if step.get("of") == "store" else self.ledger
        silenced.silent = step["on"]

    def do_gate(self, step: dict[str, Any]) -> None:
        if step["name"] not in self.gates:
            self.gates[step["name"]] = self._open()
        self.gate = self.gates[step["name"]]

    def do_create(self, step: dict[str, Any]) -> dict[str, Any]:
        if fields := self._keywords(step.get("spec")):
            return self._shown(step, self.gate.create_key(fields.pop("name"), **fields))
        return self._shown(
            step, self.gate.create_key_json(step.get("spec_text") or raw(step.get("spec", "")))
        )

    def do_import(self, step: dict[str, Any]) -> dict[str, Any]:
        if fields := self._keywords(step["spec"]):
            key = self.gate.import_key(fields.pop("name"), **fields)
        else:
            key = self.gate.import_key_json(raw(step["spec"]))
        self._remember(step, key)
        return answers.key(key)

    def do_update(self, step: dict[str, Any]) -> dict[str, Any]:
        how: dict[str, Any] = {"widen": step.get("widen", False), "revision": _int(step.get("revision"))}
        key_id = self.keys[step["key"]]
        if self.engine == "keywords" and isinstance(step["changes"], dict):
            return answers.key(self.gate.update_key(key_id, **how, **_value(step["changes"])))
        return answers.key(self.gate.update_key_json(key_id, raw(step["changes"]), **how))

    def do_rotate(self, step: dict[str, Any]) -> dict[str, Any]:
        return self._shown(step, self.gate.rotate_key(self.keys[step["key"]], overlap=int(step["overlap"])))

    def do_disable(self, step: dict[str, Any]) -> dict[str, Any]:
        return answers.key(self.gate.disable_key(self.keys[step["key"]]))

    def do_enable(self, step: dict[str, Any]) -> dict[str, Any]:
        return answers.key(self.gate.enable_key(self.keys[step["key"]]))

    def do_revoke(self, step: dict[str, Any]) -> dict[str, Any]:
        return answers.key(self.gate.revoke_key(self.keys[step["key"]]))

    def do_get(self, step: dict[str, Any]) -> dict[str, Any]:
        return answers.key(self.gate.key(self.keys[step["key"]]))

    def do_delete(self, step: dict[str, Any]) -> dict[str, Any]:
        self.gate.delete_key(self.keys[step["key"]])
        return {}

    def do_list(self, step: dict[str, Any]) -> dict[str, Any]:
        after = self.keys[step["after"]] if "after" in step else None
        keys = self.gate.keys(after=after, limit=_int(step.get("limit")))
        return {"keys": [self._name_of(key.id) for key in keys]}

    def do_verify(self, step: dict[str, Any]) -> dict[str, Any]:
        return {"key": self._name_of(self.gate.verify(self._secret(step)).id)}

    def do_authorize(self, step: dict[str, Any]) -> dict[str, Any]:
        asked = _some(step, "model", "purpose", "endpoint", "ip", "request_id") | _amounts(step)
        wait = int(step.get("wait_ms", 0)) / 1000
        return self._admitted(step, self.gate.authorize(self._secret(step), wait=wait, **asked))

    def do_authorize_body(self, step: dict[str, Any]) -> dict[str, Any]:
        asked = _some(step, "purpose", "endpoint", "ip", "request_id")
        floor = _int(step.get("floor"))
        return self._admitted(
            step, self.gate.authorize_request(self._secret(step), step["body"], floor=floor, **asked)
        )

    def do_check(self, step: dict[str, Any]) -> dict[str, Any]:
        asked = _some(step, "model", "purpose", "endpoint", "ip")
        return answers.decision(self.gate.check(self._secret(step), **asked, **_amounts(step)))

    def do_settle(self, step: dict[str, Any]) -> dict[str, Any]:
        settled = self.permits[step["permit"]].settle(**_charge(step))
        return answers.settlement(settled, self._name_of)

    def do_settle_by_id(self, step: dict[str, Any]) -> dict[str, Any]:
        permit_id = self.permit_ids[step["permit"]] if "permit" in step else step["id"]
        return answers.settlement(self.gate.settle(permit_id, **_charge(step)), self._name_of)

    def do_settle_response(self, step: dict[str, Any]) -> dict[str, Any]:
        settled = self.permits[step["permit"]].settle_response(step["body"])
        return answers.settlement(settled, self._name_of)

    def do_stream(self, step: dict[str, Any]) -> dict[str, Any] | None:
        stream = self.permits.pop(step["permit"]).stream()
        for chunk in step["chunks"]:
            stream.feed(chunk.encode())
        return answers.settlement(stream.finish(), self._name_of) if step.get("finish", True) else None

    def do_release(self, step: dict[str, Any]) -> dict[str, Any]:
        self.permits[step["permit"]].release()
        return {}

    def do_release_by_id(self, step: dict[str, Any]) -> dict[str, Any]:
        self.gate.release(self.permit_ids[step["permit"]])
        return {}

    def do_extend(self, step: dict[str, Any]) -> dict[str, Any]:
        permit = self.permits[step["permit"]]
        permit.extend(**_amounts(step))
        return answers.permit(permit)

    def do_drop(self, step: dict[str, Any]) -> None:
        del self.permits[step["permit"]]

    def do_detach(self, step: dict[str, Any]) -> None:
        self.permits.pop(step["permit"]).detach()

    def do_dispatched(self, step: dict[str, Any]) -> None:
        self.permits[step["permit"]].dispatched()

    def do_progress(self, step: dict[str, Any]) -> None:
        self.permits[step["permit"]].progress(**_charge(step))

    def do_record(self, step: dict[str, Any]) -> dict[str, Any]:
        recorded = self.gate.record(self.keys[step["key"]], **_charge(step), **_some(step, "request_id"))
        return answers.settlement(recorded, self._name_of)

    def do_usage(self, step: dict[str, Any]) -> dict[str, Any]:
        return answers.balances(self.gate.usage(self.keys[step["key"]]))

    def do_allowed_models(self, step: dict[str, Any]) -> dict[str, Any]:
        return {"models": self.gate.allowed_models(self._secret(step), step["models"])}

    def do_alerts(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"alerts": [answers.alert(told, self._name_of) for told in self.gate.take_alerts()]}

    def do_events(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"events": [answers.event(told, self._name_of) for told in self.gate.take_events()]}

    def do_stats(self, _: dict[str, Any]) -> dict[str, Any]:
        stats = self.gate.stats()
        return {name: getattr(stats, name) for name in stats.__slots__}

    def do_bearer(self, step: dict[str, Any]) -> dict[str, Any]:
        headers = [(name, value) for name, value in step["headers"]]
        key = bearer(headers, also=step.get("also"))
        assert (
            bearer([(name.encode(), value.encode()) for name, value in headers], also=step.get("also")) == key
        )
        return {"key": key}

    def do_client_ip(self, step: dict[str, Any]) -> dict[str, Any]:
        return {"ip": resolve_client_ip(step["peer"], step["forwarded"], step["trusted"])}

    def _open(self) -> Gate:
        case, options = self.case, dict(self.case.options)
        if "peppers" in options:
            options["peppers"] = [(pepper["id"], pepper["text"].encode()) for pepper in options["peppers"]]
        for name in ("hold_seconds", "max_in_flight", "refresh_seconds", "stale_seconds"):
            if name in options:
                options[name] = int(options[name])
        prices = PriceBook.from_json(raw(case.prices)) if case.prices is not None else None
        if case.catalogue is not None:
            catalogue = PriceBook.from_litellm(raw(case.catalogue))
            prices = catalogue | prices if prices else catalogue
        if self.engine.startswith("python"):
            options |= {"ledger": self.ledger, "store": self.store}
        url = f"sqlite:///{self.folder}/keys.db" if self.engine.startswith("sqlite") else "memory:"
        leased = self.engine.endswith("leased")
        return Gate.open(url, clock=self.clock, prices=prices, leased=leased, **options)

    def _keywords(self, spec: object) -> dict[str, Any] | None:
        # A name that is missing cannot be missing from a call.
        if self.engine == "keywords" and isinstance(spec, dict) and "name" in spec:
            fields: dict[str, Any] = _value(spec)
            return fields
        return None

    def _remember(self, step: dict[str, Any], key: Key) -> None:
        if "as" in step:
            self.keys[step["as"]] = key.id

    def _shown(self, step: dict[str, Any], made: NewKey) -> dict[str, Any]:
        secret = made.secret.reveal()
        if step["do"] == "create":
            self._remember(step, made.key)
        if "as" in step:
            self.secrets[step["as"]] = secret
        prefix = made.key.prefix if secret.startswith(made.key.prefix) else ""
        return answers.key(made.key) | {"secret_prefix": prefix, "secret_length": len(secret)}

    def _admitted(self, step: dict[str, Any], permit: Permit) -> dict[str, Any]:
        shown = answers.permit(permit)
        if "as" in step:
            self.permits[step["as"]] = permit
            self.permit_ids[step["as"]] = permit.id
        else:
            # A permit that nobody names is let go at once.
            permit.release()
        return shown

    def _name_of(self, key_id: str) -> str:
        return next((name for name, other in self.keys.items() if other == key_id), key_id)

    def _secret(self, step: dict[str, Any]) -> str:
        match step["secret"]:
            case {"text": str(text)}:
                return text
            case {"repeat": str(text), "times": times}:
                return text * int(times)
            case {"of": name, "change": how}:
                return _changed(self.secrets[name], how)
            case name:
                return self.secrets[name]


def _some(step: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: step[name] for name in names if name in step}


def _amounts(step: dict[str, Any]) -> dict[str, Any]:
    amounts = _some(step, "cost")
    if "tokens" in step:
        amounts["tokens"] = int(step["tokens"])
    return amounts


# In Python a charge of nothing has to be said.
def _charge(step: dict[str, Any]) -> dict[str, Any]:
    return _amounts(step) or {"cost": 0}


def _int(number: str | None) -> int | None:
    return None if number is None else int(number)


def _value(value: Any) -> Any:
    match value:
        case Number():
            return int(value) if str(int(Decimal(value))) == value else Decimal(value)
        case dict():
            return {name: _value(member) for name, member in value.items()}
        case list():
            return [_value(item) for item in value]
    return value


def _changed(secret: str, how: str) -> str:
    match how:
        case "cut":
            return secret[:-1]
        case "extended":
            return secret + "0"
        case "first-half":
            return secret[: len(secret) // 2]
        case "leading-space":
            return " " + secret
        case "newline" | "nul" | "space" | "tab":
            return secret + {"newline": "\n", "nul": "\0", "space": " ", "tab": "\t"}[how]
        case "no-prefix":
            return secret.rpartition("_")[2]
        case "one-bit":
            return secret[:-1] + chr(ord(secret[-1]) ^ 1)
        case "same-start":
            return secret[:11] + "".join("1" if char == "0" else "0" for char in secret[11:])
        case "upper-case":
            return secret.upper()
    message = f"there is no change {how!r}"
    raise AssertionError(message)

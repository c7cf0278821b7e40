"""What travels, as JSON schemas."""

from __future__ import annotations

from typing import Any

__all__ = ["ID", "schemas"]

Schema = dict[str, Any]

ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MONEY: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,12})?$", "description": "US dollars."}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_LIST: Schema = {"type": "array", "items": _TEXT}
_LIMIT = "US dollars, as a number or as text; null is no limit, 0 is nothing."


def schemas() -> dict[str, Schema]:
    """Describe each body."""
    return {
        "KeyFields": _fields(_CHANGES | _ONCE, required=["name"]),
        "KeyChanges": _fields(_CHANGES),
        "Rotation": _fields({"overlap": {"type": ["number", "null"], "minimum": 0, "maximum": 7776000}}),
        "NewKey": _told({"api_key": _TEXT, "id": ID, "hint": _or_null(_TEXT), "key": _ref("Key")}),
        "Key": _told(_RECORD) | {"properties": _RECORD | {"usage": _ref("Balances")}},
        "Page": _told({"keys": {"type": "array", "items": _ref("Key")}, "next": _or_null(ID)}),
        "Balances": _told(_BALANCES),
        "Usage": _told({"id": ID, "timezone": _TEXT, **_BALANCES, "history": _HISTORY}),
        "Dollars": _balance(_MONEY),
        "Tokens": _balance(_COUNT),
        "Day": _told({"day": _TIME, "cost": _MONEY, "tokens": _COUNT, "calls": _COUNT}),
        "Failure": _told({"error": _ref("Error")}),
        "Error": _told(
            {"code": _TEXT, "message": _TEXT, "faults": {"type": "array", "items": _ref("Fault")}}
        ),
        "Fault": _told(
            {"path": _TEXT | {"description": "A JSON pointer, or a parameter."}, "message": _TEXT}
        ),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _told(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _fields(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    fields = {"type": "object", "properties": properties, "additionalProperties": False}
    return fields if required is None else fields | {"required": required}


def _field(about: str, kind: Schema) -> Schema:
    return {"anyOf": [kind, {"type": "null"}], "description": about}


def _balance(amount: Schema) -> Schema:
    amounts = {"used": amount, "held": amount, "limit": _or_null(amount), "remaining": _or_null(amount)}
    return _told({**amounts, "resets_at": _TIME})


_LIMIT_IN: Schema = {"anyOf": [{"type": "number", "minimum": 0}, _MONEY]}
_SHARE_IN: Schema = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, _TEXT]}

_CHANGES: dict[str, Schema] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 100, "description": "Descriptive name."},
    "description": _field("Optional additional information.", {"type": "string", "maxLength": 500}),
    "allowed_models": _field("Exact names, or with one trailing *; none listed is every model.", _LIST),
    "denied_models": _field("Not these, whatever is allowed.", _LIST),
    "purpose": _field("Restricts the key to one use case.", _TEXT),
    "daily_spend_limit": _field(_LIMIT, _LIMIT_IN),
    "monthly_spend_limit": _field(_LIMIT, _LIMIT_IN),
    "daily_token_limit": _field("Tokens per day; null is no limit.", _COUNT),
    "alert_threshold": _field("The share of each limit at which alerts are sent: 0.8 for 80 %.", _SHARE_IN),
    "allowed_ips": _field("Addresses and networks; null is all of them.", _LIST),
    "allowed_endpoints": _field("Such as /v1/* or POST /v1/embeddings; null is all of them.", _LIST),
    "not_before": _field("RFC 3339, with an offset.", _TIME),
    "expires_at": _field("RFC 3339, with an offset.", _TIME),
    "timezone": _field("The IANA time zone whose midnight ends a day.", _TEXT),
    "metadata": _field("Data of your own.", {"type": "object"}),
    "tags": _field("Labels of your own.", _LIST),
    "enabled": _field("Whether the key is switched on.", {"type": "boolean"}),
}
_ONCE: dict[str, Schema] = {
    "id": _field("An id of your own.", ID),
    "prefix": _field("What the secret starts with, in place of en_.", _TEXT),
    "secret_format": _field(
        "How the secret is written.", {"enum": ["hex", "base62", "checked", "checked_base62"]}
    ),
    "hint_style": _field("What the hint shows.", {"enum": ["ends", "last4", "none"]}),
    "secret": _field("A secret made elsewhere, in place of a new one.", _TEXT),
}
_SECRET = _told({"hint": _or_null(_TEXT), "created_at": _TIME, "retires_at": _or_null(_TIME)})
_RECORD: dict[str, Schema] = {
    "id": ID,
    "name": _TEXT,
    "description": _TEXT,
    "prefix": _TEXT,
    "secret_format": _TEXT,
    "hint_style": _TEXT,
    "hint": _or_null(_TEXT),
    "model_access": {"enum": ["all", "listed", "none"]},
    "allowed_models": _LIST,
    "denied_models": _LIST,
    "purpose": _or_null(_TEXT),
    "daily_spend_limit": _or_null(_MONEY),
    "monthly_spend_limit": _or_null(_MONEY),
    "daily_token_limit": _or_null(_COUNT),
    "alert_threshold": _or_null({"type": "number"}),
    "allowed_ips": _or_null(_LIST),
    "allowed_endpoints": _or_null(_LIST),
    "not_before": _or_null(_TIME),
    "expires_at": _or_null(_TIME),
    "timezone": _TEXT,
    "metadata": {"type": "object"},
    "tags": _LIST,
    "enabled": {"type": "boolean"},
    "revoked_at": _or_null(_TIME),
    "created_at": _TIME,
    "updated_at": _TIME,
    "revision": {"type": "integer", "minimum": 1},
    "secrets": {"type": "array", "items": _SECRET},
    "state": {"enum": ["active", "revoked", "disabled", "not_yet_valid", "expired"]},
}
_BALANCES: dict[str, Schema] = {
    "daily_spend": _ref("Dollars"),
    "monthly_spend": _ref("Dollars"),
    "daily_tokens": _ref("Tokens"),
}
_HISTORY = _or_null({"type": "array", "items": _ref("Day")}) | {
    "description": "The last days with any calls, oldest first; null where the ledger keeps none."
}

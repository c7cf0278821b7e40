"""The OpenAPI description of the calls."""

from __future__ import annotations

from typing import Any, Final

from enclava_keys import __version__
from enclava_keys._plain import MOST_DAYS
from enclava_keys.console.schemas import ID, schemas

__all__ = ["KEYS", "description"]

Schema = dict[str, Any]

KEYS: Final = "/api-internal/v1/api-keys"


def description(root: str) -> Schema:
    """Describe the calls of a console that is mounted at `root`."""
    key_id = {"name": "id", "in": "path", "required": True, "description": "The id of the key.", "schema": ID}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "API Keys",
            "version": __version__,
            "description": "Manage the API keys of a gateway. Every answer is `Cache-Control: no-store`.",
        },
        "servers": [{"url": root}],
        "security": [{"admin": []}],
        "paths": {
            KEYS: {"get": _list(), "post": _create()},
            f"{KEYS}/{{id}}": {
                "parameters": [key_id],
                "get": _call("show_key", "Show a key", {200: _a_key()}, [404]),
                "patch": _update(),
                "delete": _call("delete_key", "Delete a key for good", {204: _EMPTY}, [404, 409]),
            },
            f"{KEYS}/{{id}}/rotate": {"parameters": [key_id], "post": _rotate()},
            **{
                f"{KEYS}/{{id}}/{verb}": {
                    "parameters": [key_id],
                    "post": _call(f"{verb}_key", summary, {200: _a_key()}, [404, 409]),
                }
                for verb, summary in _SWITCHES.items()
            },
            f"{KEYS}/{{id}}/usage": {"parameters": [key_id], "get": _usage()},
        },
        "components": {
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas(),
        },
    }


_EMPTY: Schema = {"description": "Done"}
_SWITCHES = {
    "disable": "Stop a key until it is enabled again",
    "enable": "Let a disabled key be used again",
    "revoke": "Stop a key for good",
}
_FAILURES = {
    400: "The body was cut short",
    401: "No valid admin token",
    403: "The token does not belong to an admin",
    404: "There is no such key",
    409: "The state of things forbids it; `would_widen` can be said to be meant",
    412: "The key changed since the revision in If-Match",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "Something in the request is not valid; every fault is told with its JSON pointer",
    503: "The ledger or the store cannot answer; worth repeating",
}


def _list() -> Schema:
    number = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    call = _call(
        "list_keys", "List the keys, a page at a time", {200: _json("Page", "Keys by their ids")}, [422]
    )
    call["parameters"] = [
        _query("after", "Begin after this id: the `next` of the page before.", ID),
        _query("limit", "The most keys to tell.", number),
        _query(
            "usage", "Whether to tell where the budgets of each stand.", {"type": "boolean", "default": False}
        ),
    ]
    return call


def _create() -> Schema:
    made = _json(
        "NewKey", "The key, and its secret, this once", _HEADERS | {"Location": _header("Where it is")}
    )
    return _with_body(
        _call("create_key", "Create a key", {201: made}, [400, 409, 413, 415, 422]), "KeyFields"
    )


def _update() -> Schema:
    call = _call("update_key", "Change a key", {200: _a_key()}, [400, 404, 409, 412, 413, 415, 422])
    widen = {"type": "boolean", "default": False}
    call["parameters"] = [
        _query("widen", "Whether a request that was refused before may now be admitted.", widen),
        {
            "name": "If-Match",
            "in": "header",
            "description": "The ETag of the key that the change was made to.",
            "schema": {"type": "string", "pattern": '^"[0-9]{1,18}"$'},
        },
    ]
    return _with_body(call, "KeyChanges")


def _rotate() -> Schema:
    made = _json("NewKey", "The key, and its new secret, this once", _HEADERS)
    call = _call("rotate_key", "Give a key a new secret", {200: made}, [400, 404, 409, 413, 422])
    return _with_body(call, "Rotation", required=False)


def _usage() -> Schema:
    call = _call(
        "usage_of_key", "Tell where the budgets stand", {200: _json("Usage", "The budgets")}, [404, 422]
    )
    days = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": 14}
    call["parameters"] = [_query("days", "The most days with calls to tell.", days)]
    return call


def _call(name: str, summary: str, answers: dict[int, Schema], failures: list[int]) -> Schema:
    told = {str(status): answer for status, answer in answers.items()}
    for status in sorted({401, 403, 503, *failures}):
        told[str(status)] = _json("Failure", _FAILURES[status])
    told["401"]["headers"] = {"WWW-Authenticate": _header("Bearer")}
    return {"operationId": name, "summary": summary, "responses": told}


def _with_body(call: Schema, name: str, *, required: bool = True) -> Schema:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {**call, "requestBody": {"required": required, "content": content}}


def _query(name: str, about: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _header(about: str) -> Schema:
    return {"description": about, "schema": {"type": "string"}}


_HEADERS = {"ETag": _header("The revision of the key")}


def _a_key() -> Schema:
    return _json("Key", "The key", _HEADERS)


def _json(name: str, about: str, headers: Schema | None = None) -> Schema:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"description": about, "content": content, **({"headers": headers} if headers else {})}

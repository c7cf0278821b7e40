"""The calls behind the page: each reads its request, asks the gate, and answers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from enclava_keys import Conflict, NotFound
from enclava_keys._plain import MOST_DAYS
from enclava_keys.console import answers
from enclava_keys.console.answers import Refused
from enclava_keys.console.history import told
from enclava_keys.console.openapi import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enclava_keys import Gate, Key, NewKey
    from enclava_keys.console.tokens import Tokens

__all__ = ["Api"]

_PAGE = 50
_LARGEST_PAGE = 200
_DAYS = 14
_MOVED_ON = re.compile(r"\bis at revision \d+, not \d+")

_log = logging.getLogger("enclava_keys.console")

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

Told = TypeVar("Told")


class Api:
    """The calls, over one gate."""

    def __init__(self, gate: Gate, tokens: Tokens, max_body: int) -> None:
        """Serve `gate` to those whom `tokens` lets in, and read bodies up to `max_body` bytes."""
        self._gate = gate
        self._tokens = tokens
        self._max_body = max_body

    def routes(self) -> list[Route]:
        """Tell where each call is found."""
        key = f"{KEYS}/{{id}}"
        return [
            self._route(KEYS, {"GET": self._list, "POST": self._create}),
            self._route(key, {"GET": self._show, "PATCH": self._update, "DELETE": self._delete}),
            self._route(f"{key}/rotate", {"POST": self._rotate}),
            self._route(f"{key}/disable", {"POST": self._switch(self._gate.disable_key, "disabled")}),
            self._route(f"{key}/enable", {"POST": self._switch(self._gate.enable_key, "enabled")}),
            self._route(f"{key}/revoke", {"POST": self._switch(self._gate.revoke_key, "revoked")}),
            self._route(f"{key}/usage", {"GET": self._usage}),
        ]

    # One route for a path, so that a wrong method is told all the right ones.
    def _route(self, path: str, handlers: Mapping[str, Handler]) -> Route:
        async def call(request: Request) -> Response:
            handler = handlers["GET" if request.method == "HEAD" else request.method]
            try:
                request.state.subject = self._tokens.subject(request)
                return await handler(request)
            except Exception as error:
                answer = answers.failed(error)
                if answer is None:
                    raise
                return answer

        return Route(path, call, methods=list(handlers))

    async def _list(self, request: Request) -> Response:
        after = request.query_params.get("after")
        limit = _number(request, "limit", _PAGE, _LARGEST_PAGE)
        with_usage = _flag(request, "usage")

        def page() -> tuple[list[str], str | None]:
            keys = self._gate.keys(after=after, limit=limit + 1)
            records = [self._told(key, with_usage=with_usage) for key in keys[:limit]]
            more = keys[limit - 1].id if len(keys) > limit else None
            return [record for record in records if record is not None], more

        try:
            records, more = await self._run(page)
        except NotFound as error:
            raise Refused(422, "invalid_request", str(error), "after") from error
        return answers.answer(200, f'{{"keys":[{",".join(records)}],"next":{json.dumps(more)}}}')

    # A key may be deleted by others while its page is told.
    def _told(self, key: Key, *, with_usage: bool) -> str | None:
        try:
            return answers.record(key, self._gate.usage(key.id) if with_usage else None)
        except NotFound:
            return None

    async def _create(self, request: Request) -> Response:
        body = await self._json(request)
        made = await self._run(lambda: self._gate.create_key_json(body))
        self._happened(request, "created", made.key)
        return answers.shown(201, made, f"{request.scope.get('root_path', '')}{KEYS}/{made.key.id}")

    async def _show(self, request: Request) -> Response:
        return answers.key(await self._run(lambda: self._gate.key(_id(request))))

    async def _update(self, request: Request) -> Response:
        widen = _flag(request, "widen")
        revision = _revision(request)
        body = await self._json(request)
        try:
            key = await self._run(
                lambda: self._gate.update_key_json(_id(request), body, widen=widen, revision=revision)
            )
        except Conflict as error:
            if revision is not None and _MOVED_ON.search(str(error)):
                raise Refused(412, "changed_meanwhile", str(error)) from error
            raise
        self._happened(request, "updated", key)
        return answers.key(key)

    async def _delete(self, request: Request) -> Response:
        await self._run(lambda: self._gate.delete_key(_id(request)))
        _log.info("key %r deleted by %r", _id(request), request.state.subject)
        return Response(status_code=204, headers=answers.API_HEADERS)

    async def _rotate(self, request: Request) -> Response:
        overlap = _overlap(await self._body(request))
        made: NewKey = await self._run(lambda: self._gate.rotate_key(_id(request), overlap=overlap))
        self._happened(request, "rotated", made.key)
        return answers.shown(200, made)

    def _switch(self, turn: Callable[[str], Key], done: str) -> Handler:
        async def switch(request: Request) -> Response:
            key = await self._run(lambda: turn(_id(request)))
            self._happened(request, done, key)
            return answers.key(key)

        return switch

    async def _usage(self, request: Request) -> Response:
        days = _number(request, "days", _DAYS, MOST_DAYS)

        def usage() -> dict[str, Any]:
            key = self._gate.key(_id(request))
            balances = self._gate.usage(key.id)
            past = told(self._gate.history(key.id, days), balances)
            return {"id": key.id, "timezone": key.timezone, **answers.usage(balances), "history": past}

        return answers.answer(200, await self._run(usage))

    # Where the gate does I/O, a thread waits for it and not the event loop.
    async def _run(self, ask: Callable[[], Told]) -> Told:
        if self._gate.blocks:
            return await run_in_threadpool(ask)
        return ask()

    async def _json(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(
                415, "unsupported_media_type", "send the record with Content-Type: application/json"
            )
        return await self._body(request)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._max_body:
                    raise Refused(413, "too_large", f"the body must be at most {self._max_body} bytes")
        except ClientDisconnect:
            raise Refused(400, "invalid_request", "the body was cut short") from None
        return bytes(body)

    def _happened(self, request: Request, what: str, key: Key) -> None:
        _log.info("key %r %s by %r", key.id, what, request.state.subject)


def _id(request: Request) -> str:
    key_id: str = request.path_params["id"]
    return key_id


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        _bad(name, f"must be a whole number from 1 to {most}")
    return int(text)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in {"true", "false"}:
        _bad(name, "must be true or false")
    return text == "true"


def _bad(name: str, message: str) -> NoReturn:
    raise Refused(422, "invalid_request", message, name)


def _revision(request: Request) -> int | None:
    text = request.headers.get("if-match", "*").strip()
    if text == "*":
        return None
    if not re.fullmatch('"[0-9]{1,18}"', text):
        _bad("If-Match", 'must be the ETag of the key, such as "3"')
    return int(text.strip('"'))


def _overlap(body: bytes) -> float:
    if not body:
        return 0
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(422, "invalid_record", "is not JSON", "") from None
    if not isinstance(fields, dict):
        raise Refused(422, "invalid_record", "must be an object", "")
    for name in fields:
        if name != "overlap":
            raise Refused(422, "invalid_record", "unknown field; `overlap` is all there is", _pointer(name))
    overlap = fields.get("overlap")
    if overlap is None:
        return 0
    if isinstance(overlap, bool) or not isinstance(overlap, (int, float)):
        raise Refused(422, "invalid_record", "must be a number of seconds", "/overlap")
    return overlap


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")

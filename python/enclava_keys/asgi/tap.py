"""Following an answer on its way out, to settle the call by it. Every hold ends here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal

from enclava_keys.asgi.hiding import UsageHider
from enclava_keys.errors import AlreadySettled, Conflict, InvalidValue, LedgerError, NotFound

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Message, Send

    from enclava_keys._native import Gate, Permit, Stream

__all__ = ["Tap"]

_log = logging.getLogger("enclava_keys.asgi")

# Larger answers are passed on like any other, and charged the estimate.
_MOST_KEPT = 64 * 1024 * 1024
# Errors by which nobody can tell whether the model answered before somebody stopped waiting for it.
_TIMEOUTS = frozenset({408, 504, 524})
_FIRST_ERROR = 300
# Seconds that the last piece of an answer waits for its settlement, where the ledger does I/O.
_LONGEST_DELAY = 0.25
# Seconds before a settlement that the ledger did not answer is tried again.
_PAUSES = (0.2, 1, 5, 25)

# Settlements under way: an event loop alone would forget them.
_endings: set[asyncio.Task[None]] = set()


class Tap:
    """Passes an answer on, piece by piece and as it comes, and settles its call."""

    def __init__(self, gate: Gate, permit: Permit, send: Send, *, hides_usage: bool) -> None:
        """Follow the answer to the call of `permit`."""
        self._gate = gate
        self._permit = permit
        self._send = send
        self._hides_usage = hides_usage
        # Not begun, a stream of events, a whole body, an error, or nothing that tells usage.
        self._kind: Literal["none", "stream", "whole", "error", "opaque"] = "none"
        self._status = 0
        self._kept: list[bytes] = []
        self._size = 0
        self._stream: Stream | None = None
        self._hider: UsageHider | None = None
        self._ended = False

    async def send(self, message: Message) -> None:
        """Pass on one message of the answer."""
        if message["type"] == "http.response.start":
            message = self._begin(message)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            last = not message.get("more_body", False)
            if body:
                self._take(body)
            if self._hider is not None:
                shown = self._hider.feed(body) + (self._hider.finish() if last else b"")
                if body and not shown and not last:
                    return
                message = {**message, "body": shown}
            if last:
                # Who has the whole answer finds it in the budget as well.
                if self._gate.blocks:
                    await self._send_last(message)
                    return
                self._end_at_once()
        await self._send(message)

    async def end(self) -> None:
        """End the hold, unless that was done: by what the answer told, else by what was seen of it."""
        if not self._gate.blocks:
            # Nothing is waited for, so nothing can come in between, a cancellation neither.
            self._end_at_once()
        elif not self._ended:
            self._ended = True
            await asyncio.shield(_surely(self._settle_apart()))

    def _end_at_once(self) -> None:
        if not self._ended:
            self._ended = True
            if not self._settle():
                _surely(self._settle_later())

    # A ledger that is slow does not keep the last piece waiting.
    async def _send_last(self, message: Message) -> None:
        self._ended = True
        ending = _surely(self._settle_apart())
        try:
            await asyncio.wait({ending}, timeout=_LONGEST_DELAY)
            await self._send(message)
        finally:
            await asyncio.shield(ending)

    def _begin(self, message: Message) -> Message:
        kind, encoding = b"", b"identity"
        for name, value in message.get("headers", ()):
            lower = name.lower()
            if lower == b"content-type":
                kind = value.lower()
            elif lower == b"content-encoding":
                encoding = value.lower()
        self._status = message["status"]
        if self._status >= _FIRST_ERROR:
            self._kind = "error"
        elif encoding != b"identity":
            self._kind = "opaque"
        elif kind.startswith(b"text/event-stream"):
            self._kind = "stream"
            self._stream = self._permit.stream()
            if self._hides_usage:
                self._hider = UsageHider()
                # What is hidden is missing from the length.
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                return {**message, "headers": kept}
        else:
            self._kind = "whole" if not kind or b"json" in kind else "opaque"
        return message

    def _take(self, body: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(body)
        elif self._kind in {"whole", "error"}:
            self._size += len(body)
            if self._size > _MOST_KEPT:
                self._kept.clear()
            else:
                self._kept.append(body)

    async def _settle_apart(self) -> None:
        if not await asyncio.to_thread(self._settle):
            _surely(self._settle_later())

    # What a call came to stays true while the ledger is away.
    async def _settle_later(self) -> None:
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            if await asyncio.to_thread(self._settle) if self._gate.blocks else self._settle():
                return
        _log.warning(
            "the ledger was away: permit %s was not settled, and is charged its estimate", self._permit.id
        )

    # False if the ledger did not answer.
    def _settle(self) -> bool:
        try:
            if self._stream is not None:
                self._stream.finish()
            elif self._kind == "whole":
                self._settle_by_body()
            elif self._kind == "error":
                self._settle_error()
            else:
                self._permit.settle(self._permit.estimate)
        except LedgerError:
            return False
        except AlreadySettled:
            pass  # the handler knew better
        except (Conflict, NotFound) as error:
            _log.warning("permit %s was not settled: %s", self._permit.id, error)
        return True

    def _settle_by_body(self) -> None:
        try:
            self._permit.settle_response(b"".join(self._kept))
        except InvalidValue:
            # It was cut short, or is no answer of a model: the most that it can have used.
            self._permit.settle(self._permit.estimate)

    # An error says that nothing was generated, unless it tells usage or that somebody stopped waiting.
    def _settle_error(self) -> None:
        if self._status in _TIMEOUTS or any(b'"usage"' in part for part in self._kept):
            self._settle_by_body()
        else:
            self._permit.release()


def _surely(settling: Coroutine[object, object, None]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(settling)
    _endings.add(task)
    task.add_done_callback(_endings.discard)
    return task

"""What an event loop does for calls that end: it waits, it does not forget, and it tries again later."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Message, Send

    from enclava_keys._native import Call, Permit

__all__ = ["send_last", "settle_apart", "settle_later", "told", "warn"]

_log = logging.getLogger("enclava_keys.asgi")
_What = TypeVar("_What")

# Seconds that the last piece of an answer waits for its settlement, where the ledger does I/O.
_LONGEST_DELAY = 0.25
# Seconds before a settlement that the ledger did not answer is tried again.
_PAUSES = (0.2, 1, 5, 25)

# Settlements under way: an event loop alone would forget them.
_endings: set[asyncio.Task[None]] = set()


async def told(what: _What) -> _What:
    """Answer `what` at once."""
    return what


async def send_last(call: Call, send: Send, message: Message) -> None:
    """Pass the last piece on, which a ledger that is slow does not keep waiting."""
    ending = call.end()
    if ending is None:
        await send(message)
        return
    try:
        await asyncio.wait({ending}, timeout=_LONGEST_DELAY)
        await send(message)
    finally:
        await asyncio.shield(ending)


def settle_apart(call: Call) -> asyncio.Task[None]:
    """Settle a call whose ledger may block."""

    async def settle() -> None:
        if not await asyncio.to_thread(call.settle):
            settle_later(call)

    return _surely(settle())


def settle_later(call: Call) -> None:
    """Settle a call whose ledger did not answer: what it came to stays true while the ledger is away."""

    async def settle() -> None:
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            if await asyncio.to_thread(call.settle) if call.gate.blocks else call.settle():
                return
        warn(call.permit, "the ledger was away, and it is charged its estimate")

    _surely(settle())


def warn(permit: Permit, why: object) -> None:
    """Tell the operator of a call that was not settled."""
    _log.warning("permit %s was not settled: %s", permit.id, why)


def _surely(settling: Coroutine[object, object, None]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(settling)
    _endings.add(task)
    task.add_done_callback(_endings.discard)
    return task

"""Calls for an event loop: at once where nothing blocks, in a thread where something may."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from enclava_keys import _native
from enclava_keys.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02


async def call(
    plain: Callable[..., Answer], blocks: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Answer:
    """Call `plain` without holding up the event loop, and without a thread where it does not block."""
    wait = kwargs.pop("wait", None)
    if wait is not None:
        return await _sit_out(plain, blocks, args, kwargs, _native.wait_seconds(wait))
    return await asyncio.to_thread(plain, *args, **kwargs) if blocks else plain(*args, **kwargs)


# A thread for every call that waits would soon be all the threads there are.
async def _sit_out(
    plain: Callable[..., Answer],
    blocks: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait: float,
) -> Answer:
    deadline = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while True:
        try:
            return await call(plain, blocks, args, kwargs)
        except Denied as denied:
            left = deadline - time.monotonic()
            if left <= 0 or not denied.transient or denied.reason == "ledger_unavailable":
                raise
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)

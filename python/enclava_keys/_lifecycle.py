"""What a gate has to know of its process: that it forked, and that it ends."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from weakref import WeakSet

from enclava_keys import _native
from enclava_keys.errors import EnclavaError

_open_gates: WeakSet[_native.Gate] = WeakSet()


def remember(gate: _native.Gate) -> None:
    """Close `gate` when the process ends, if nobody has by then."""
    _open_gates.add(gate)


def _close_gates() -> None:
    # Alerts are told while there is an interpreter to tell them to.
    for gate in list(_open_gates):
        with suppress(EnclavaError):
            gate.close()


atexit.register(_close_gates)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_native.before_fork,
        after_in_parent=_native.after_fork_in_parent,
        after_in_child=_native.after_fork,
    )

"""What the operator should know and no caller can be told."""

from __future__ import annotations

import logging

_log = logging.getLogger("enclava_keys")


def trouble(what: str, error: BaseException) -> None:
    """Tell that a ledger or a store written in Python raised `error`."""
    _log.error("the %s raised %s", what, type(error).__name__, exc_info=error)

"""What is said where an extra is not installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["needed_for"]


@contextmanager
def needed_for(extra: str, *packages: str) -> Iterator[None]:
    """Say which extra brings a package of these that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        message = f"{error.name} is missing, which comes with the extra: pip install 'enclava-keys[{extra}]'"
        raise ModuleNotFoundError(message, name=error.name) from error

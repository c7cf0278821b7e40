"""Python programs, run as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["python"]


def python(
    *arguments: str, place: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; of what ENCLAVA_ variables say, only the `settings` hold."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENCLAVA_")}
    return subprocess.run(  # noqa: S603 - the program is ours
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=place,
        env=kept | dict(settings),
    )

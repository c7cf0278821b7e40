"""A real browser: Playwright's own Chromium, or the system's, installed where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserType

# A container has no other user than root, and no namespaces for the sandbox.
_ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []
# Milliseconds: a machine that does much else draws a page as well, but not in five seconds.
PATIENCE = 60_000
_INSTALLERS = [
    [sys.executable, "-m", "playwright", "install", "chromium"],
    ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"],
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, installed where there is none. A test without one fails."""
    with sync_playwright() as playwright:
        browser = _start(playwright.chromium) or _install(playwright.chromium)
        if browser is None:
            pytest.fail("no Chromium, and none could be installed: apt-get install chromium")
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


def _start(kind: BrowserType) -> Browser | None:
    system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    for path in (None, system):
        try:
            return kind.launch(executable_path=path, args=_ARGUMENTS)
        except Error:
            continue
    return None


def _install(kind: BrowserType) -> Browser | None:
    for command in _INSTALLERS:
        if shutil.which(command[0]) is None:
            continue
        subprocess.run(command, check=False, capture_output=True, timeout=600)  # noqa: S603 - as listed above
        browser = _start(kind)
        if browser is not None:
            return browser
    return None

"""Runs the gateway, or signs an admin in."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import uvicorn

from enclava_keys.console import admin_token
from gateway.app import API, build
from gateway.settings import BadSetting, Settings

HOURS = 12


def main() -> None:
    """Serve until it is stopped; with the argument `token`, print an admin token."""
    parser = argparse.ArgumentParser(
        prog="gateway", description="Serve until stopped. What can be set: gateway/settings.py."
    )
    parser.add_argument("command", nargs="?", choices=["serve", "token"], default="serve")
    asked = parser.parse_args()
    settings = Settings.from_environment()
    token = admin_token(settings.jwt_secret, seconds=HOURS * 3600)
    if asked.command == "token":
        if "ENCLAVA_JWT_SECRET" not in os.environ:
            message = "ENCLAVA_JWT_SECRET: must be set, to what the gateway was started with"
            raise BadSetting(message)
        print(token)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    base = f"http://{settings.host}:{settings.port}"
    print(
        f"API Keys page  {base}/console/\n"
        f"Sign in with   {token}\n"
        f"               (an admin token for {HOURS} hours)\n"
        f"API            {base}{API}\n"
        f"Keys, budgets  {_place(settings.store)}\n"
        f"Models         {settings.upstream or 'built in; ENCLAVA_UPSTREAM names a real one'}",
        flush=True,
    )
    uvicorn.run(build(settings), host=settings.host, port=settings.port, log_level="warning")


# With the whole path: others look for it from elsewhere.
def _place(store: str) -> str:
    path = store.removeprefix("sqlite:///")
    return store if path == store else f"sqlite:///{Path(path).absolute()}"


if __name__ == "__main__":
    main()

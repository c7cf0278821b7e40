"""Runs the gateway, or signs an admin in."""

from __future__ import annotations

import logging
import sys

import uvicorn

from enclava_keys.console import admin_token
from gateway.app import API, build
from gateway.settings import Settings

HOURS = 12


def main() -> None:
    """Serve until it is stopped; with the argument `token`, print an admin token."""
    settings = Settings.from_environment()
    token = admin_token(settings.jwt_secret, seconds=HOURS * 3600)
    if sys.argv[1:] == ["token"]:
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
        f"Keys, budgets  {settings.store}\n"
        f"Models         {settings.upstream or 'built in; ENCLAVA_UPSTREAM names a real one'}",
        flush=True,
    )
    uvicorn.run(build(settings), host=settings.host, port=settings.port, log_level="warning")


if __name__ == "__main__":
    main()

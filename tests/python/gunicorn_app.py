"""A WSGI application that gunicorn serves with several workers; it keeps keys and budgets at `STORE`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from enclava_keys import Alert, Denied, Gate, bearer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

# With --preload the parent of all workers opens it, before they are forked.
gate = Gate.open(os.environ["STORE"])


@gate.on_alert
def tell(alert: Alert) -> None:
    line = f"{alert.id} {alert.key_name} {os.getpid()}\n"
    log = os.open(os.environ["ALERTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line.encode())
    os.close(log)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    status, told = answer(environ)
    start_response(f"{status} -", [("content-type", "application/json")])
    return [json.dumps(told | {"worker": os.getpid()}).encode()]


def answer(environ: WSGIEnvironment) -> tuple[int, dict[str, Any]]:
    if environ["PATH_INFO"] == "/make":
        made = gate.create_key("made", daily_spend_limit="0.10", alert_threshold=0.5)
        return 201, {"secret": made.secret.reveal()}
    try:
        secret = bearer([("authorization", environ["HTTP_AUTHORIZATION"])])
        if environ["PATH_INFO"] == "/verify":
            return 200, {"key": gate.verify(secret).id}
        gate.authorize(secret, cost="0.0017").settle(cost="0.0017")
    except Denied as denied:
        return denied.status, {"reason": denied.reason}
    return 200, {}

"""Telling people that a budget runs out: in the log, and at a webhook."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from enclava_keys import Alert

_log = logging.getLogger("gateway.alerts")


class Alerts:
    """Tells each alert. The gate calls it on a thread of its own, where it keeps no request waiting."""

    def __init__(self, webhook: str) -> None:
        """Post to `webhook` as well, if it is not empty."""
        self._webhook = webhook

    def __call__(self, alert: Alert) -> None:
        """Tell one alert."""
        share = f"{(alert.threshold * 100).normalize():f} %"
        text = f"{alert.key_name}: {share} of {alert.meter} reached, {alert.used} of {alert.limit} used"
        _log.warning("%s", text)
        if self._webhook:
            told = {
                "id": alert.id,
                "text": text,
                "key_id": alert.key_id,
                "key_name": alert.key_name,
                "meter": alert.meter,
                "threshold": str(alert.threshold),
                "used": str(alert.used),
                "limit": str(alert.limit),
                # As denials tell it.
                "resets_at": alert.resets_at.isoformat().replace("+00:00", "Z"),
            }
            try:
                httpx.post(self._webhook, json=told, timeout=10).raise_for_status()
            except httpx.HTTPError as error:
                _log.error("the alert webhook failed: %s", error)
                raise  # the gate keeps the alert, and tells it again under the same id

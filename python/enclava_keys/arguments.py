"""The types of what callers hand in, for those who annotate their own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - get_type_hints needs them
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, TypeAlias, TypedDict

__all__ = ["Amount", "Body", "Ip", "KeyChanges", "KeyFields", "Seconds", "Settings", "Time"]

Amount: TypeAlias = Decimal | int | float | str
"""US dollars, or a share of a limit. A `float` counts as its shortest text: `0.05` is five cents."""

Body: TypeAlias = bytes | bytearray | memoryview | str | dict[str, Any]
"""A JSON body, as it came or as a dict to be written."""

Ip: TypeAlias = str | IPv4Address | IPv6Address
"""A client's address."""

Seconds: TypeAlias = float | timedelta
"""A length of time, zero or more."""

Time: TypeAlias = str | datetime
"""An instant: RFC 3339 text with an offset, or a `datetime` with a time zone."""


class Settings(TypedDict, total=False):
    """The fields that may be set when a key is made, and changed later. `None` is the default, if allowed."""

    description: str | None
    """What people say about it: up to 500 characters."""
    allowed_models: Sequence[str] | None
    """The models it may use, as exact names or with one trailing `*`; none listed is every model. At most
    10 000 of them."""
    denied_models: Sequence[str] | None
    """The models it may not use, whatever it is allowed. At most 10 000 of them."""
    purpose: str | None
    """The one purpose it serves."""
    daily_spend_limit: Amount | None
    """The most it may spend in a day, in US dollars, up to 1 000 000 000. `None` is no limit, 0 allows
    nothing."""
    monthly_spend_limit: Amount | None
    """The most it may spend in a calendar month, in US dollars, up to 1 000 000 000."""
    daily_token_limit: int | None
    """The most tokens it may use in a day, up to 2^53 - 1."""
    alert_threshold: Amount | None
    """The share of each limit at which an alert is sent: 0.8 for 80 %."""
    allowed_ips: Sequence[str] | None
    """The addresses and networks it may be used from, 1 to 1 000 of them: an empty list is an error."""
    allowed_endpoints: Sequence[str] | None
    """The endpoints it may call: `/v1/models`, `/v1/*`, `POST /v1/embeddings`. 1 to 256 of them: an empty
    list is an error."""
    not_before: Time | None
    """The instant before which it is refused."""
    expires_at: Time | None
    """The instant from which on it is refused."""
    timezone: str | None
    """The IANA time zone whose midnight ends its day."""
    metadata: Mapping[str, Any] | None
    """Your own data: an object, up to 10 KiB as JSON."""
    tags: Sequence[str] | None
    """Your own labels: up to 20, of up to 64 characters."""
    enabled: bool
    """Whether it is switched on, which it is unless this says `False`."""


class KeyChanges(Settings, total=False):
    """The fields of a key that may be changed. `None` goes back to the default; what is not named stays."""

    name: str
    """What people call it: 1 to 100 characters."""


class KeyFields(Settings, total=False):
    """The fields of a key beside its name. What is not named is the default: no limit, no restriction."""

    id: str | None
    """An id of your own instead of a generated one."""
    prefix: str | None
    """What its secrets start with, in place of `en_`."""
    secret_format: Literal["hex", "base62", "checked", "checked_base62"] | None
    """How its secret is written."""
    hint_style: Literal["ends", "last4", "none"] | None
    """What its hint shows."""
    secret: str | None
    """A secret made elsewhere, for `import_key`: 22 to 512 visible ASCII characters."""
    key_hash: str | None
    """The hash of a secret made elsewhere, as it is stored: `sha256:<64 hex>`, or
    `hs256:<pepper id>:<64 hex>` where it was keyed with a pepper. For `import_key`."""

"""What can be set, each by an environment variable."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enclava_keys import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable

PRICES = Path(__file__).with_name("prices.toml")


class BadSetting(SystemExit):
    """A variable is set to what it cannot be: the program ends with the reason."""


def _file(text: str) -> Path:
    if not Path(text).is_file():
        message = "must name a file that is there"
        raise ValueError(message)
    return Path(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 1 << 16:
        message = "must be a port, 1 to 65535"
        raise ValueError(message)
    return int(text)


def _switch(text: str) -> bool:
    if text not in ("", "0", "1"):
        message = "must be 1 or 0"
        raise ValueError(message)
    return text == "1"


def _count(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal()):
        message = "must be a number of tokens, or empty for none"
        raise ValueError(message)
    return int(text) if text else None


def _address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        message = "must begin with http:// or https://"
        raise ValueError(message)
    return text


# What is not any text.
_READERS: dict[str, Callable[[str], Any]] = {
    "prices": _file,
    "port": _port,
    "leased": _switch,
    "floor": _count,
    "upstream": _address,
    "alert_webhook": _address,
}


@dataclass(frozen=True)
class Settings:
    """How the gateway runs."""

    upstream: str = ""
    """ENCLAVA_UPSTREAM: where models are, `https://api.openai.com/v1`. Empty is the built-in one."""
    upstream_key: str = field(default="", repr=False)
    """ENCLAVA_UPSTREAM_KEY: the provider's key, which no client ever sees."""
    store: str = "sqlite:///enclava.db"
    """ENCLAVA_STORE: where keys and budgets are kept. `memory:` forgets them when the gateway stops."""
    leased: bool = False
    """ENCLAVA_LEASED: 1 has each of several workers hand out slices of the budgets by itself."""
    prices: Path = PRICES
    """ENCLAVA_PRICES: a price file, in TOML or as LiteLLM writes it in JSON."""
    jwt_secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    """ENCLAVA_JWT_SECRET: what admin tokens are signed with. Without it, each start has its own."""
    alert_webhook: str = ""
    """ENCLAVA_ALERT_WEBHOOK: a URL that alerts are posted to as JSON."""
    floor: int | None = 16
    """ENCLAVA_FLOOR: the shortest answer that a budget's rest is worth, in tokens; empty grants none."""
    host: str = "127.0.0.1"
    """ENCLAVA_HOST."""
    port: int = 8000
    """ENCLAVA_PORT."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read them; what is not set is the default."""
        told: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            variable = f"ENCLAVA_{name.upper()}"
            text = os.environ.get(variable)
            if text is not None:
                try:
                    told[name] = _READERS.get(name, str)(text)
                except ValueError as error:
                    message = f"{variable}: {error}"
                    raise BadSetting(message) from None
        return cls(**told)

    def price_book(self) -> PriceBook:
        """Read the prices."""
        text = self.prices.read_text()
        if self.prices.suffix == ".json":
            return PriceBook.from_litellm(text)
        return PriceBook.from_toml(text)

"""Where a service is, and the key that opens it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from querist.core.errors import ConfigError
from querist.sources.uris import is_loopback

DEFAULT_URL = "http://127.0.0.1:8600"


@dataclass(frozen=True)
class Address:
    """A checked address.

    Attributes:
        url: Without a slash at its end.
        key: Sent with every request; never shown.
    """

    url: str
    key: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Those of every request."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def address_of(url: str, key: str | None = None, *, insecure: bool = False) -> Address:
    """Check where a client is about to send its key.

    Args:
        url: Of the service; empty: QUERIST_SERVER, or a service on this machine.
        key: Of the client; None: QUERIST_API_KEY, or none.
        insecure: Whether the key may travel unencrypted to another machine.

    Raises:
        ConfigError: If it is no URL of http or https, holds a password, or the key would be open to
            everybody on the way.
    """
    url = (url or os.environ.get("QUERIST_SERVER", "") or DEFAULT_URL).rstrip("/")
    key = os.environ.get("QUERIST_API_KEY", "") if key is None else key
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"A service has a URL such as http://127.0.0.1:8600 or https://host, got {url!r}."
        )
    if parts.password or parts.username or parts.query or parts.fragment:
        raise ConfigError(
            "The URL of a service holds no user, password, query or fragment; a key goes into the "
            "argument 'key' or the variable QUERIST_API_KEY."
        )
    if key and parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise ConfigError(
            f"The key would travel unencrypted to {parts.hostname}. Use an https:// URL; in a "
            "network that you trust, say insecure=True (on the command line --insecure)."
        )
    if (key and not (key.isascii() and key.isprintable())) or " " in key:
        raise ConfigError("A key holds letters, digits and '_' only; was it copied whole?")
    return Address(url, key)

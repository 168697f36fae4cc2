"""One careful POST: no redirect is followed, no proxy used, and of the answer only the status read.

The address that is connected to is the one that was checked (:mod:`querist.sources.network`).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from querist.service.settings import WebhookSettings
from querist.sources.access import Access
from querist.sources.network import Deadline, Network
from querist.sources.source import SourceError
from querist.sources.timed_socket import TimedSocket


class NoSend(Exception):
    """A target that is not told, or could not be; the sentence says why."""


def access_of(settings: WebhookSettings) -> Access:
    """What may be connected to."""
    return Access(roots=(), hosts=settings.hosts, private=settings.private)


def check_target(url: str, settings: WebhookSettings) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a URL that the administrator allows.

    Raises:
        NoSend: If it is not one. Its address is checked when it is sent to.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoSend("This is not a URL.") from None
    schemes = ("https", "http") if settings.plain else ("https",)
    if parts.scheme not in schemes or not host:
        raise NoSend(f"The URL should begin with {' or '.join(s + '://' for s in schemes)}.")
    if parts.username or parts.password or parts.fragment:
        raise NoSend("The URL should have no user, password or fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise NoSend("The URL's path should be percent-encoded.")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


def post(url: str, body: bytes, headers: Mapping[str, str], settings: WebhookSettings) -> int:
    """Send a body; the status of the answer.

    Raises:
        NoSend: If it may not be sent, or could not be.
    """
    scheme, host, port, path = check_target(url, settings)
    network = Network(access_of(settings))
    # For all of it: a target that sends a byte now and then would hold the sender for days.
    deadline = Deadline(settings.seconds, settings.seconds)
    connected: socket.socket | None = None
    try:
        connected = network.connect(host, port, deadline)
        if scheme == "https":
            connected = _secured(connected, host, network, deadline)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = TimedSocket(connected, network, deadline)
        connection.request("POST", path, body, dict(headers))
        return connection.getresponse().status
    except SourceError as error:
        raise NoSend(str(error)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoSend(f"The connection broke: {type(error).__name__}.") from None
    finally:
        network.close()
        if connected is not None:
            connected.close()


def _secured(
    plain: socket.socket, host: str, network: Network, deadline: Deadline
) -> socket.socket:
    try:
        plain.settimeout(deadline.step())
        secure = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        network.disconnect(plain)
        raise
    network.replace(plain, secure)
    return secure

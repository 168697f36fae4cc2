"""Serves the application with uvicorn, until it is asked to stop."""

from __future__ import annotations

import resource
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, require
from querist.service.app import create_app
from querist.service.logs import logging_to
from querist.service.settings import ServiceSettings

_OTHER_FILES = 512  # of pools, the index, jobs and uploads
_PATIENCE_S = 10  # for requests that are being answered when it stops


def serve(settings: ServiceSettings, sockets: list[socket.socket] | None = None) -> None:
    """Listen until SIGINT or SIGTERM; jobs are then suspended, and go on at the next start.

    Args:
        settings: What the administrator decided.
        sockets: Where to listen, open already; by default where the settings say.

    Raises:
        ConfigError: If the settings cannot be used, or another process listens there.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(one) for one in sockets or listening(settings)]
        _allow_files(settings.listen.connections)
        with logging_to(settings.log), _ending():
            server_of(settings).run(sockets=opened)


def _allow_files(connections: int) -> None:
    """Allow as many open files as the connections take, of which a process often has but 1,024."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def listening(settings: ServiceSettings) -> list[socket.socket]:
    """Sockets where the settings say, one an address of the host's name.

    Raises:
        ConfigError: If another process listens there, or nothing may.
    """
    host, port = settings.listen.host, settings.listen.port
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        spoken = [
            one for one in dict.fromkeys(found) if one[0] != socket.AF_INET6 or socket.has_ipv6
        ]
        for family, kind, proto, _, address in spoken:
            # With its protocol: else asyncio does not set TCP_NODELAY, and the last packet of an
            # answer waits for the client's acknowledgement of the first, 40 ms.
            opened.append(socket.socket(family, kind, proto))
            opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # the others have sockets of their own
                opened[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _cut_when_unread(opened[-1], settings.limits.unread_seconds)
            opened[-1].bind(address)
    except OSError as error:
        for one in opened:
            one.close()
        shown = f"[{host}]" if ":" in host else host
        raise ConfigError(
            f"Nothing can listen at {shown}:{port}: {error.strerror}. End what does, or name "
            "another host or port under listen in service.yaml."
        ) from error
    return opened


def need_server() -> None:
    """Raise MissingExtra where nothing can be served, before an address is told."""
    require("uvicorn", "service", "A page in the browser, or a service,")


def _cut_when_unread(listener: socket.socket, seconds: float) -> None:
    """Whoever reads nothing of his answer would hold a connection, and its file, for ever."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # what is accepted inherits it
    if option is not None:
        listener.setsockopt(socket.IPPROTO_TCP, option, round(seconds * 1000))


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM ends with status 0 and the last lines of the log.

    Uvicorn sends it to the process once more when it has stopped, for whoever wants to know.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_certificate(certificate: Path, key: Path | None) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"listen.certificate {certificate} and listen.certificate_key {key} cannot be used: "
            f"{error.strerror or error}."
        ) from error


def serve_app(app: Any, host: str, port: int) -> None:
    """Serve another ASGI application until SIGINT or SIGTERM."""
    uvicorn = require("uvicorn", "service", "serving")
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", ws="none", http="h11")
    uvicorn.Server(config).run()


def server_of(settings: ServiceSettings) -> Any:
    """Uvicorn's server for these settings, not yet running."""
    uvicorn = require("uvicorn", "service", "`querist serve`")
    listen = settings.listen
    if (listen.certificate is None) != (listen.certificate_key is None):
        raise ConfigError("listen.certificate and listen.certificate_key belong together.")
    if listen.certificate is not None:
        _check_certificate(listen.certificate, listen.certificate_key)
    config = uvicorn.Config(
        create_app(settings),
        host=listen.host,
        port=listen.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who asks is a matter of keys; nobody may say he is loopback
        server_header=False,
        ws="none",
        lifespan="on",
        limit_concurrency=listen.connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_PATIENCE_S,
        h11_max_incomplete_event_size=64 << 10,
        http="h11",
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.certificate_key,
    )
    return uvicorn.Server(config)

"""An FTP server, by pyftpdlib, on a link of any latency and rate."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from querist.core.errors import require
from querist.testing.servers.link import Link

_WHAT = "An FTP server"
_TURN = 0.02


class FtpServer:
    """Serves a folder to anonymous and to ``ada`` with the password ``secret``.

    Args:
        folder: What is served.
        link: Latency and bandwidth. A login takes two latencies more, for the handshake and the
            greeting, and each transfer one more, for its own connection's handshake.
        machine: Whether MLSD is spoken.
        most: Connections from one host at once; 0 for any number.
        tls: A file with a key and a certificate: everything goes over TLS (without ``link``).
        implicit: Whether TLS begins with the first byte, instead of by AUTH TLS.

    Attributes:
        url: With a slash at the end.
    """

    def __init__(
        self,
        folder: Path,
        link: Link | None = None,
        machine: bool = True,
        most: int = 0,
        tls: Path | None = None,
        implicit: bool = False,
    ) -> None:
        self.folder, self.link, self.tls = folder, link or Link(), tls
        self.implicit = implicit
        self.machine, self.most = machine, most
        self.port = 0
        self.logins = 0

    def __enter__(self) -> FtpServer:
        log = logging.getLogger("pyftpdlib")
        log.setLevel(logging.ERROR)
        if not log.handlers:  # else it makes one that prints every session
            log.addHandler(logging.NullHandler())
        servers = require("pyftpdlib.servers", "test", _WHAT)
        loops = require("pyftpdlib.ioloop", "test", _WHAT)
        self._loop = loops.IOLoop()
        self._server = servers.FTPServer(("127.0.0.1", 0), self._handler(), ioloop=self._loop)
        self._server.max_cons_per_ip = self.most
        self.port = self._server.address[1]
        self._going = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        """The top folder."""
        return f"{'ftps' if self.tls else 'ftp'}://127.0.0.1:{self.port}/"

    def _handler(self) -> Any:
        authorizers = require("pyftpdlib.authorizers", "test", _WHAT)
        known = authorizers.DummyAuthorizer()
        known.add_anonymous(str(self.folder))
        known.add_user("ada", "secret", str(self.folder))
        kind = _handler_kind(self) if self.tls is None else _sealed_kind(self, self.tls)
        kind.authorizer = known
        if not self.machine:
            kind.proto_cmds = {
                name: about
                for name, about in kind.proto_cmds.items()
                if name not in ("MLSD", "MLST")
            }
        return kind

    def _serve(self) -> None:
        wait = _TURN
        while self._going:
            soonest = self._loop.loop(timeout=wait, blocking=False)
            wait = _TURN if soonest is None else min(_TURN, soonest)

    def __exit__(self, *_: object) -> None:
        self._going = False
        self._thread.join(timeout=30)
        self._server.close_all()


def _handler_kind(server: FtpServer) -> Any:
    handlers = require("pyftpdlib.handlers", "test", _WHAT)
    link = server.link

    class Data(handlers.ThrottledDTPHandler):  # type: ignore[misc,name-defined]
        """Sends when the link is free."""

        def send(self, data: bytes) -> int:
            sent: int = super().send(data)
            wait = link.through(time.monotonic(), sent) - time.monotonic()
            if wait > 0:
                self.del_channel()
                self._throttler = self.ioloop.call_later(wait, self._go_on)
            return sent

        def _go_on(self) -> None:
            if not self._closed:
                self.add_channel(events=self.ioloop.WRITE)

    class Control(handlers.FTPHandler):  # type: ignore[misc,name-defined]
        """Does what it is told a latency later."""

        dtp_handler = Data
        use_sendfile = False
        banner = "ready"
        auth_failed_timeout = 0.05
        fresh = True

        def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:
            moves = cmd in ("RETR", "LIST", "MLSD", "NLST")
            wait = link.latency * (1 + moves + 2 * self.fresh)
            self.fresh = False
            if not wait:
                super().process_command(cmd, *args, **kwargs)
                return
            later = super().process_command
            self.ioloop.call_later(wait, lambda: later(cmd, *args, **kwargs))

        def on_login(self, username: str) -> None:
            server.logins += 1

    return Control


def _sealed_kind(server: FtpServer, file: Path) -> Any:
    require("OpenSSL", "test", "An FTP server with TLS")  # without it there is no such handler
    handlers = require("pyftpdlib.handlers", "test", _WHAT)

    class Sealed(handlers.TLS_FTPHandler):  # type: ignore[misc,name-defined]
        """Refuses whoever does not speak TLS."""

        certfile = str(file)
        tls_control_required = tls_data_required = True
        banner = "ready"
        auth_failed_timeout = 0.05

        def handle(self) -> None:
            if server.implicit:
                self.secure_connection(self.get_ssl_context())
            else:
                super().handle()

        def handle_ssl_established(self) -> None:
            super().handle_ssl_established()
            if server.implicit:
                super().handle()  # greets

        def on_login(self, username: str) -> None:
            server.logins += 1

    return Sealed

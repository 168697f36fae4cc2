"""Serves what Label Studio asks and tells over HTTP; requests are not logged."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from querist.core.errors import ConfigError

LARGEST = 64 << 20  # bytes of a request: pictures may travel within tasks
TIMEOUT_S = 60.0
KEY = "QUERIST_LABEL_STUDIO_KEY"


def server_of(
    backend: Answers, host: str = "127.0.0.1", port: int = 0, key: str = ""
) -> ThreadingHTTPServer:
    """A server that listens; ``serve_forever`` answers.

    Args:
        backend: What answers.
        host: Which interface; of more than this machine only with a key.
        port: 0 takes a free one.
        key: That requests carry as the password of basic authentication, or as a bearer.

    Raises:
        ConfigError: If it cannot listen there, or anybody could come without a key.
    """
    if not key and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(
            f"Others than this machine reach {host}: put a key into the variable {KEY}, and "
            "give it to Label Studio as the password of basic authentication."
        )
    bound = type("Bound", (_Handler,), {"backend": backend, "key": key})
    try:
        return (_Six if ":" in host else ThreadingHTTPServer)((host, port), bound)
    except OSError as error:
        raise ConfigError(f"port {port} of {host} cannot be used: {error.strerror}.") from error


@contextmanager
def serving(backend: Answers, port: int = 0, key: str = "") -> Iterator[str]:
    """Answer in a thread of its own, for this machine; the address."""
    with server_of(backend, port=port, key=key) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Answers(Protocol):
    """What answers requests of Label Studio; several threads may ask."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """The status and JSON."""


class _Six(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    backend: Answers
    key: str
    timeout = TIMEOUT_S
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            self._send(413, {"detail": f"A request has at most {LARGEST} bytes."})
            return
        content = self.rfile.read(int(length))
        if path.strip("/") != "health" and not self._may():
            self._send(401, {"detail": "Send the key as the password of basic authentication."})
            return
        # A page of the web can make a browser send other types here, but not this one.
        kind = self.headers.get("Content-Type", "")
        if content and not kind.startswith("application/json"):
            self._send(415, {"detail": "Send the header Content-Type: application/json."})
            return
        try:
            body = json.loads(content) if content else None
        except (ValueError, RecursionError):
            self._send(422, {"detail": "The body is no JSON."})
            return
        self._send(*self.backend.answer(self.command, path, body))

    do_GET = do_POST = _answer  # noqa: N815, the library's names

    def _may(self) -> bool:
        if not self.key:
            return True
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except ValueError:
                return False
        return hmac.compare_digest(given.encode(), self.key.encode())

    def _send(self, status: int, said: Any) -> None:
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        with suppress(ConnectionError):  # Label Studio did not wait
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *said: Any) -> None:
        """Nothing: requests may hold tokens."""

"""A small reverse proxy that shows servers below paths of their own, as nginx does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWN = {"connection", "keep-alive", "transfer-encoding"}  # between two machines only
METHODS = "GET HEAD POST PATCH DELETE OPTIONS"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ways: Mapping[str, int]
    strips: bool
    seen: set[str]

    def forward(self) -> None:
        """Pass a request below a path on, and its answer back while it comes."""
        self.close_connection = True
        self.seen.add(self.path.partition("?")[0])
        roots = [root for root in self.ways if f"{self.path}/".startswith(f"{root}/")]
        if not roots:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = (self.path[len(roots[0]) :] or "/") if self.strips else self.path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", self.ways[roots[0]])
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
        there.request(self.command, path, body, {**headers, "X-Forwarded-Prefix": roots[0]})
        answer = there.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OWN:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError, http.client.HTTPException):  # one of both went away
            while piece := answer.read1():
                self.wfile.write(piece)
        there.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a browser asks for all modules of a page at once: five were too few


@contextmanager
def proxy(ways: Mapping[str, int], strips: bool = False) -> Iterator[tuple[str, set[str]]]:
    """Its address, and the paths that it was asked for.

    Args:
        ways: The port of a server of loopback, by the path below which it is shown.
        strips: Whether servers are asked without the path.
    """
    seen: set[str] = set()
    methods = dict.fromkeys([f"do_{name}" for name in METHODS.split()], _Handler.forward)
    more = {"ways": ways, "strips": strips, "seen": seen, **methods}
    handler = type("Handler", (_Handler,), more)
    with _Listener(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()

"""A server that speaks S3, by moto."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from querist.core.errors import require
from querist.sources.s3_signing import S3Options
from querist.testing.servers.link import Link
from querist.testing.servers.slow_link import SlowLink


class S3Server:
    """moto's server with one bucket, in a thread.

    It keeps connections as S3 does, which werkzeug's own handler of requests would not.

    Args:
        files: Key -> bytes.
        bucket: Its name.
        link: Latency and bandwidth; None for no slow line in between.

    Attributes:
        url: ``s3://bucket/``.
        options: What a source needs to read from it.
    """

    def __init__(
        self, files: Mapping[str, bytes], bucket: str = "pool", link: Link | None = None
    ) -> None:
        self.files, self.bucket = files, bucket
        self._line: SlowLink | None = None
        self._link = link or Link()
        self.endpoint = ""

    def __enter__(self) -> S3Server:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        moto = require("moto.moto_server.werkzeug_app", "test", "A server that speaks S3")
        serving = require("werkzeug.serving", "test", "A server that speaks S3")
        # As moto's own ThreadedMotoServer, which takes half a second to stop.
        app = moto.DomainDispatcherApplication(moto.create_backend_app)
        self._kept: set[socket.socket] = set()
        handler = _keeping(moto.MotoRequestHandler, self._kept)
        self._server = serving.make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=handler
        )
        port = self._server.port
        if self._link.latency or self._link.rate:
            self._line = SlowLink(port, self._link)
            port = self._line.__enter__().port
        self.endpoint = f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        self._fill()
        return self

    def _fill(self) -> None:
        backends = require("moto.s3.models", "test", "A server that speaks S3").s3_backends
        backend = backends["123456789012"]["aws"]
        backend.create_bucket(self.bucket, "us-east-1")
        for key, data in self.files.items():
            backend.put_object(self.bucket, key, data)

    @property
    def url(self) -> str:
        """The bucket."""
        return f"s3://{self.bucket}/"

    @property
    def options(self) -> dict[str, Any]:
        """For ``S3Source`` or ``Sources(options={"s3": ...})``."""
        made = S3Options(endpoint=self.endpoint, region="us-east-1", key="key", secret="secret")
        return {name: value for name, value in vars(made).items() if value not in ("", False)}

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.__exit__()
        self._server.shutdown()
        self._thread.join(timeout=30)
        for connection in list(self._kept):
            with suppress(OSError):  # its client was faster
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        require("moto.moto_api._internal.models", "test", "S3").moto_api_backend.reset()


def _keeping(base: Any, kept: set[socket.socket]) -> Any:
    """A handler of requests that leaves connections open, made of moto's; ``kept`` has them."""

    class Keeping(base):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            """A connection begins."""
            super().setup()
            kept.add(self.connection)

        def finish(self) -> None:
            """A connection ends."""
            kept.discard(self.connection)
            super().finish()

        def run_wsgi(self) -> None:
            """Answer a request whose length is told, as those of S3's clients are."""
            environ = self.make_environ()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            told: list[Any] = []
            answer = b"".join(self.server.app(environ, lambda *begun: told.extend(begun)))
            number, _, words = told[0].partition(" ")
            self.send_response(int(number), words)
            names = {name.lower() for name, _ in told[1]}
            for name, value in told[1]:
                self.send_header(name, value)
            if "content-length" not in names:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer)

    return Keeping

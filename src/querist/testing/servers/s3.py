"""A server that speaks S3, by moto."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from querist.core.errors import require
from querist.sources.s3_signing import S3Options
from querist.testing.servers.link import Link
from querist.testing.servers.slow_link import SlowLink


class S3Server:
    """moto's server with one bucket, in a thread.

    It closes each connection after an answer (werkzeug does), so that a read takes two round trips
    where S3 itself, which keeps them, takes one.

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
        self._server = serving.make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=moto.MotoRequestHandler
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
        self._server.server_close()
        require("moto.moto_api._internal.models", "test", "S3").moto_api_backend.reset()

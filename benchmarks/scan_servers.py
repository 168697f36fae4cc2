"""The slow sources of the scan's benchmark, each a server in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from querist.testing.servers.ftp import FtpServer
from querist.testing.servers.http import HttpServer
from querist.testing.servers.link import Link, LoopThread
from querist.testing.servers.s3 import S3Server


@contextmanager
def served(kind: str, folder: Path, latency: float, rate: float) -> Iterator[tuple[str, dict]]:
    """The URL of a folder behind a slow link, and options of its source.

    Args:
        kind: http, s3 or ftp.
        folder: Of files, flat.
        latency: Seconds of a round trip.
        rate: Bytes a second.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(kind, folder, latency, rate, theirs), daemon=True)
    child.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        child.join(10)
        if child.is_alive():
            child.terminate()


def _serve(kind: str, folder: Path, latency: float, rate: float, pipe: Any) -> None:
    logging.disable(logging.INFO)  # pyftpdlib tells of every file
    link = Link(latency, rate)
    if kind == "http":
        with HttpServer(folder, link) as server:
            pipe.send((server.url, {}))
            pipe.recv()
    elif kind == "ftp":
        with FtpServer(folder, link) as server:
            pipe.send((server.url, {}))
            pipe.recv()
    else:
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        with S3Server(files) as server, SlowProxy(server.endpoint, link) as endpoint:
            pipe.send((server.url, {"s3": {**server.options, "endpoint": endpoint}}))
            pipe.recv()


class SlowProxy:
    """Passes bytes on, those of answers late and at a limited rate, for a server that is fast."""

    def __init__(self, endpoint: str, link: Link) -> None:
        self._host, _, port = endpoint.removeprefix("http://").partition(":")
        self._port, self._link = int(port), link

    def __enter__(self) -> str:
        self._loop = LoopThread()
        self._server = self._loop.run(self._start())
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._loop.stop()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def _connected(self, reader: Any, writer: Any) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass(reader, back), self._pass_late(there, writer))

    async def _pass(self, reader: Any, writer: Any) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def _pass_late(self, reader: Any, writer: Any) -> None:
        loop, last = asyncio.get_running_loop(), 0.0
        while data := await reader.read(1 << 16):
            through = self._link.through(time.monotonic() + self._link.latency, len(data))
            last = max(through, last + 1e-6)  # of equal times the loop keeps no order
            loop.call_at(last, writer.write, data)
        loop.call_at(last + 1e-6, writer.close)

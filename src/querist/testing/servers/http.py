"""An HTTP/1.1 server for GET and HEAD: quick by default, and slow, lying or broken on demand."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from querist.testing.servers.link import Link, LoopThread

_PIECE = 1 << 16


@dataclass(frozen=True)
class Reply:
    """An answer other than a file.

    Attributes:
        body: The bytes, sent ``times`` times over.
        status: The number.
        headers: Names and values, added to or replacing what is sent by default; a value None
            leaves a header out.
        times: How often ``body`` is sent; -1 for without end.
        chunked: Send in chunks instead of telling the length.
        length: Tell this Content-Length instead of the true one.
        cut: Close the connection after this many bytes of the body; -1 not.
        stall: Send nothing any more after this many bytes of the body; -1 not.
        pace: Seconds between single bytes, the head's included; 0 for all at once.
        delay: Seconds before the answer begins.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    times: int = 1
    chunked: bool = False
    length: int | None = None
    cut: int = -1
    stall: int = -1
    pace: float = 0.0
    delay: float = 0.0

    def head(self) -> bytes:
        """Status line and headers."""
        headers: dict[str, str | None] = {"Content-Type": "application/octet-stream"}
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            length = len(self.body) * self.times if self.length is None else self.length
            headers["Content-Length"] = str(length)
        headers.update(self.headers)
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


_REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 404: "Not Found", 500: "Error"}


class Request(NamedTuple):
    """What a client sent: the path as it came, headers by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]


class HttpServer:
    """Serves a folder's files, or named bytes, and special replies.

    Args:
        files: A folder, or path (without the leading slash) -> bytes.
        link: Latency and bandwidth. The first answer on a connection takes two latencies, one for
            the handshake.
        tls: For https.
        host: The address to listen at.

    Attributes:
        url: With a slash at the end.
        replies: Path (with the leading slash and the query) -> what it answers; a list is
            answered in turn, its last one for ever.
        requests: All that came.
        connections: How many were made.
    """

    def __init__(
        self,
        files: Path | Mapping[str, bytes] = MappingProxyType({}),
        link: Link | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.files = files
        self.link = link or Link()
        self.replies: dict[str, Reply | Sequence[Reply]] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self._answered: dict[str, int] = {}
        self._open: set[_Connection] = set()
        self._tls, self.host, self.port = tls, host, 0

    def __enter__(self) -> HttpServer:
        self._thread = LoopThread()
        self._thread.run(self._listen())
        return self

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, loop), self.host, 0, ssl=self._tls, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"

    def __exit__(self, *_: object) -> None:
        self._thread.call(self._stop)
        self._thread.stop()

    def _stop(self) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.abort()

    def reply(self, request: Request) -> Reply:
        """What is answered to a request."""
        found = self.replies.get(request.path)
        if isinstance(found, Reply):
            return found
        if found:
            n = self._answered.get(request.path, 0)
            self._answered[request.path] = n + 1
            return found[min(n, len(found) - 1)]
        return self._file(request)

    def _file(self, request: Request) -> Reply:
        name = unquote_to_bytes(request.path.partition("?")[0].lstrip("/"))
        if isinstance(self.files, Path):
            file = self.files / name.decode("utf-8", "surrogateescape")
            body = file.read_bytes() if file.is_file() else None
        else:
            body = self.files.get(name.decode("utf-8", "surrogateescape"))
        if body is None and (not name or name.endswith(b"/")):
            return self._index(name.decode("utf-8", "surrogateescape"))
        if body is None:
            return Reply(b"There is no such file.\n", 404)
        return Reply(body, headers={"ETag": f'"{len(body):x}-{zlib.crc32(body):x}"'})

    def _index(self, folder: str) -> Reply:
        """A page that links to what is in a folder, as other servers make them."""
        names = {
            rest.partition("/")[0] + rest.partition("/")[1]
            for rest in (
                name.removeprefix(folder) for name in self._names() if name.startswith(folder)
            )
        }
        if not names:
            return Reply(b"There is no such folder.\n", 404)
        lines = [f'<li><a href="{quote(name, errors="surrogateescape")}">x</a>' for name in names]
        page = f'<html><a href="../">..</a><ul>{"".join(lines)}</ul></html>'.encode()
        return Reply(page, headers={"Content-Type": "text/html; charset=utf-8"})

    def _names(self) -> Iterable[str]:
        if not isinstance(self.files, Path):
            return self.files
        return [f.relative_to(self.files).as_posix() for f in self.files.rglob("*") if f.is_file()]


class _Connection(asyncio.Protocol):
    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self.loop = server, loop
        self.buffer = b""
        self.busy = False
        self.fresh = True
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1
        self.server._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._open.discard(self)
        if self.task is not None:
            self.task.cancel()

    def abort(self) -> None:
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.next()

    def next(self) -> None:
        """Answer the next request, if it is here and none is under way."""
        if self.busy or b"\r\n\r\n" not in self.buffer:
            return
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        request = _parsed(head)
        self.server.requests.append(request)
        reply = self.server.reply(request)
        self.busy = True
        wait = self.server.link.latency * (2 if self.fresh else 1) + reply.delay
        self.fresh = False
        self.loop.call_later(wait, self.answer, request, reply)

    def answer(self, request: Request, reply: Reply) -> None:
        body = reply.body if request.method == "GET" else b""
        simple = not reply.chunked and reply.times == 1 and max(reply.cut, reply.stall) < 0
        if simple and not reply.pace and len(body) <= _PIECE:
            data = reply.head() + body
            when = self.server.link.through(self.loop.time(), len(data))
            self.loop.call_at(when, self.last, data)
        else:
            self.task = self.loop.create_task(self.slowly(request, reply))

    def last(self, data: bytes) -> None:
        self.transport.write(data)
        self.busy = False
        self.next()

    async def slowly(self, request: Request, reply: Reply) -> None:
        try:
            await self.send(reply.head(), reply.pace)
            if request.method == "GET":
                await self.body(reply)
            self.last(b"")
        except ConnectionError:
            self.transport.abort()

    async def body(self, reply: Reply) -> None:
        sent = 0
        stop = max(reply.cut, reply.stall)
        while reply.times < 0 or sent < len(reply.body) * reply.times:
            part = reply.body[sent % len(reply.body) :][:_PIECE]
            part = part[: stop - sent] if stop >= 0 else part
            if part:
                await self.send(
                    b"%x\r\n%b\r\n" % (len(part), part) if reply.chunked else part, reply.pace
                )
            sent += len(part)
            if 0 <= stop <= sent:
                await self.end_badly(reply)
        if reply.chunked:
            await self.send(b"0\r\n\r\n", reply.pace)
        elif reply.length is None and reply.headers.get("Content-Length", "") is None:
            self.transport.close()

    async def end_badly(self, reply: Reply) -> None:
        if reply.stall >= 0:
            await asyncio.Event().wait()
        self.transport.close()
        raise ConnectionError

    async def send(self, data: bytes, pace: float) -> None:
        for part in [data] if not pace else [data[n : n + 1] for n in range(len(data))]:
            if self.transport.is_closing():
                raise ConnectionError
            when = self.server.link.through(self.loop.time(), len(part)) + pace
            await asyncio.sleep(max(0.0, when - self.loop.time()))
            self.transport.write(part)


def _parsed(head: bytes) -> Request:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, path, headers)

"""A slow line in front of any server of TCP."""

from __future__ import annotations

import asyncio

from querist.testing.servers.link import Link, LoopThread

_APART = 1e-6  # seconds; of calls at equal times a loop keeps no order


class SlowLink:
    """Listens at a port of its own and passes bytes on, late and no faster than the link.

    Half of the latency goes each way; the first bytes on a connection take one more, for the
    handshake. The rate is that of what comes from the server.

    Args:
        port: The server's, on loopback.
        link: Latency and bandwidth.

    Attributes:
        port: To connect to instead.
    """

    def __init__(self, port: int, link: Link) -> None:
        self._to, self._link = port, link
        self.port = 0

    def __enter__(self) -> SlowLink:
        self._thread = LoopThread()
        self._open: set[_End] = set()
        self._thread.run(self._listen())
        return self

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _End(self._link, self._to, self._open), "127.0.0.1", 0, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self._thread.call(self._stop)
        self._thread.stop()

    def _stop(self) -> None:
        self._server.close()
        for end in list(self._open):
            end.transport.abort()


class _End(asyncio.Protocol):
    """One end of a line: the client's, which makes the server's; each writes to its ``peer``."""

    def __init__(
        self, link: Link, port: int, ends: set[_End], peer: asyncio.Transport | None = None
    ) -> None:
        self.link, self.port, self.ends, self.peer = link, port, ends, peer
        self.is_client = peer is None
        self.early: list[bytes] = []
        self.last = 0.0
        self.extra = link.latency if self.is_client else 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ends.add(self)
        self.loop = asyncio.get_running_loop()
        if self.is_client:
            self.task = self.loop.create_task(self.reach())

    async def reach(self) -> None:
        """Connect to the server; what came meanwhile is sent then."""
        made, _ = await self.loop.create_connection(
            lambda: _End(self.link, self.port, self.ends, self.transport), "127.0.0.1", self.port
        )
        self.peer = made
        for data in self.early:
            self.pass_on(data)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early.append(data)
        else:
            self.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        now = self.loop.time()
        when = now if self.is_client else self.link.through(now, len(data))
        when += self.link.latency / 2 + self.extra
        self.extra = 0.0
        self.last = max(when, self.last + _APART)
        assert self.peer is not None
        self.loop.call_at(self.last, self.peer.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.discard(self)
        if self.peer is not None:
            when = max(self.loop.time() + self.link.latency / 2, self.last + _APART)
            self.loop.call_at(when, self.peer.close)

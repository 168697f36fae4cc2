"""Sockets whose every call keeps a deadline."""

from __future__ import annotations

import io
import socket
import ssl
import struct
from typing import Any

from querist.sources.network import Deadline, Network


class TimedSocket:
    """What ``http.client`` and ``ftplib`` need of a socket, each call within a deadline.

    A plain socket blocks with the kernel's own timeouts: Python's would cost a ``poll`` and a
    hand-over of the interpreter more for each call, a third of a read when many threads read. TLS
    needs Python's, because OpenSSL goes on after the kernel's.

    Attributes:
        made: The socket.
        deadline: May be exchanged between calls.
    """

    def __init__(self, made: socket.socket, network: Network, deadline: Deadline) -> None:
        self.made, self.network, self.deadline = made, network, deadline
        self._secure = isinstance(made, ssl.SSLSocket)
        self._waits = -1.0
        self._users = 1
        if not self._secure:
            made.settimeout(None)

    def prepare(self) -> None:
        """Let the next call wait as long as the deadline allows."""
        step = self.deadline.step()
        if step == self._waits:
            return
        self._waits = step
        if self._secure:
            self.made.settimeout(step)
            return
        seconds = max(step, 0.001)  # zero would be for ever
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self.made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self.made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.prepare()
        try:
            self.made.sendall(data)
        except (BlockingIOError, TimeoutError):
            raise self.deadline.passed() from None

    def makefile(self, mode: str = "rb", encoding: str | None = None) -> Any:
        """A file to read from, which may outlive :meth:`close`, as that of a real socket."""
        self._users += 1
        file = io.BufferedReader(_TimedReader(self), 1 << 16)
        return io.TextIOWrapper(file, encoding, newline="\n") if encoding else file

    def receive(self, size: int) -> bytes:
        """Up to so many bytes; none at the end."""
        self.prepare()
        try:
            return self.made.recv(size)
        except (BlockingIOError, TimeoutError):
            raise self.deadline.passed() from None

    def close(self) -> None:
        """Close the socket once nothing reads from it."""
        self._users -= 1
        if not self._users:
            self.network.disconnect(self.made)


class _TimedReader(io.RawIOBase):
    def __init__(self, timed: TimedSocket) -> None:
        self.timed = timed

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.timed.close()

    def readinto(self, buffer: Any) -> int:
        self.timed.prepare()
        try:
            return self.timed.made.recv_into(buffer)
        except (BlockingIOError, TimeoutError):
            raise self.timed.deadline.passed() from None

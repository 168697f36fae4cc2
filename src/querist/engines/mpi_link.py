"""Messages between working ranks, past rank 0: what the members of a party say to each other.

A message is one buffer of bytes, sent as it is. One of more than ``CHUNK`` bytes is announced by
its size, and follows in pieces under a second tag. MPI keeps the order between two ranks under one
tag, and the second is read only where the first said so, so nothing can overtake its header.
"""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from querist.engines.link import Buffer
from querist.engines.mpi_wire import CHUNK

Table = Mapping[str, tuple[int, int]]  # rank and life, by worker

_WHOLE, _SIZES, _PIECES = 81, 82, 83  # tags
_SIZE = struct.Struct("<Q")
_KEPT = 1000  # messages of ranks that nobody has told us of yet
_EAGER = 0.002  # seconds after the last message in which there is no sleep between two looks
_SPINS = 8  # looks between two times of giving the core away
_SHORTEST, _LONGEST = 20e-6, 1e-3  # seconds to sleep when nothing came for long


class Talker(Protocol):
    """Who can be interrupted by a signal."""

    talking: bool


class MpiLink:
    """A :class:`~querist.engines.link.Link` over a communicator of its own. For one thread.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: The communicator; its errors are returned.
        talker: Its ``talking`` is true while MPI is talked to: a signal must not unwind that.
        is_loss: Whether an exception of MPI says that a rank is gone.
    """

    def __init__(
        self,
        mpi: Any,
        comm: Any,
        talker: Talker,
        is_loss: Callable[[Any], bool],
    ) -> None:
        self.peers: Mapping[str, int] = {}
        self._mpi, self._comm, self._talker, self._is_loss = mpi, comm, talker, is_loss
        self._status = mpi.Status()
        self._ranks: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._sending: deque[tuple[Any, Buffer]] = deque()
        self._strangers: deque[tuple[int, Buffer]] = deque(maxlen=_KEPT)
        self._late: list[tuple[str, Buffer]] = []
        self._news: Table | None = None
        self._heard = 0.0

    def reset(self) -> None:
        """A new worker knows nobody, whoever its rank was before."""
        self._news = None
        self._learn({})
        self._late, self.peers = [], {}

    def update(self, table: Table) -> None:
        """Who is there now; from any thread. It counts from the next :meth:`receive` on."""
        self._news = table

    def send(self, to: str, data: Buffer) -> None:
        """Send bytes of any size; who is not there gets nothing."""
        rank = self._ranks.get(to)
        if rank is None:
            return
        self._talker.talking = True
        try:
            if len(data) <= CHUNK:
                self._put(data, rank, _WHOLE)
            else:
                self._put_large(memoryview(data), rank)
        except self._mpi.Exception as error:
            self._passed_over(error)
        finally:
            self._talker.talking = False

    def receive(self, seconds: float) -> list[tuple[str, Buffer]]:
        """Sender and message of all that is there, waiting up to ``seconds`` for the first."""
        if self._news is not None:
            # In this order: another thread may bring newer ones meanwhile.
            news, self._news = self._news, None
            self._learn(news)
        found, self._late = self._late, []
        until = 0.0
        looks = 0
        while True:
            self._drain(found)
            if found or self._news is not None:
                self._heard = time.monotonic()
                return found
            looks += 1
            if looks == 1 or looks % _SPINS == 0:
                now = time.monotonic()
                until = until or now + seconds
                if now >= until:
                    return found
                self._give_way(now, until)

    def _give_way(self, now: float, until: float) -> None:
        idle = now - self._heard
        if idle < _EAGER:
            os.sched_yield()
        else:
            time.sleep(min(until - now, _LONGEST, max(_SHORTEST, idle / 50)))

    def _put(self, data: Buffer, rank: int, tag: int) -> None:
        while self._sending and self._has_left():
            self._sending.popleft()
        request = self._comm.Isend([data, self._mpi.BYTE], rank, tag)
        if not request.Test():
            self._sending.append((request, data))

    def _has_left(self) -> bool:
        """Whether the oldest message is gone: to whom it was for, or with that rank."""
        try:
            return bool(self._sending[0][0].Test())
        except self._mpi.Exception as error:
            self._passed_over(error)
            return True

    def _put_large(self, view: memoryview, rank: int) -> None:
        self._put(_SIZE.pack(len(view)), rank, _SIZES)
        self._put(b"", rank, _WHOLE)  # its place in the order
        for begin in range(0, len(view), CHUNK):
            self._put(view[begin : begin + CHUNK], rank, _PIECES)

    def _drain(self, found: list[tuple[str, Buffer]]) -> None:
        comm, status, byte, names = self._comm, self._status, self._mpi.BYTE, self._names
        self._talker.talking = True
        try:
            while comm.Iprobe(self._mpi.ANY_SOURCE, _WHOLE, status):
                source, size = status.source, status.Get_count(byte)
                data = bytearray(size)
                comm.Recv([data, byte], source, _WHOLE)
                if not size:
                    data = self._large(source)
                name = names.get(source)
                if name is not None:
                    found.append((name, data))
                else:
                    self._strangers.append((source, data))
        except self._mpi.Exception as error:
            self._passed_over(error)
        finally:
            self._talker.talking = False

    def _large(self, source: int) -> bytearray:
        head = bytearray(_SIZE.size)
        self._comm.Recv([head, self._mpi.BYTE], source, _SIZES)
        (size,) = _SIZE.unpack(head)
        data = bytearray(size)
        view = memoryview(data)
        for begin in range(0, size, CHUNK):
            self._comm.Recv([view[begin : begin + CHUNK], self._mpi.BYTE], source, _PIECES)
        return data

    def _learn(self, table: Table) -> None:
        self._ranks = {name: rank for name, (rank, _) in table.items()}
        self._names = {rank: name for name, rank in self._ranks.items()}
        lives = {name: life for name, (_, life) in table.items()}
        if lives != self.peers:
            self.peers = lives
        strangers, self._strangers = self._strangers, deque(maxlen=_KEPT)
        self._late = [(self._names[r], data) for r, data in strangers if r in self._names]
        self._strangers.extend((r, data) for r, data in strangers if r not in self._names)

    def _passed_over(self, error: Any) -> None:
        """A lost rank is what rank 0 tells of; anything else is an error."""
        if not self._is_loss(error):
            raise error
        failed = self._comm.Get_failed()
        self._comm.Ack_failed(failed.size)

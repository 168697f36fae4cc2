"""Frames between ranks: small ones together in one message, large arrays as buffers of their own.

A message holds whole frames, or ends with the head of a large one: its header and the sizes of its
parts. These follow under a second tag, each in pieces of at most ``CHUNK`` bytes, straight from and
into memory. MPI keeps the order of messages between two ranks under one tag, and what is to be
received under the second is read from the first alone, so that nothing can be taken for anything
else. Nothing here waits: a large frame is delivered when it is complete, and those that came after
it from the same rank after it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from querist.engines.wire import HEADER, JOINED, Frame, Part, Stamp, frame, split

CHUNK = 1 << 30  # bytes in one message; the interface counts them in a signed 32-bit number
_HEADS, _PARTS = 71, 72  # tags
_EAGER = 4000  # bytes that come at once, whatever the sender does; all transports take 4 KiB
_LONGEST = 1 << 20  # bytes of small frames in one message
_SWEEP = 8  # polls after which everything that was sent is looked at
_TURNS = 256  # messages that are taken before anything else gets its turn

Deliver = Callable[[int, Frame], None]


class Channel:
    """Sends and receives frames on a communicator. For one thread at a time.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: A communicator of its own.
        deliver: Called with the sender's rank and each frame, in the order in which they were sent.
        source: The only rank from which anything comes; None for any.
    """

    def __init__(self, mpi: Any, comm: Any, deliver: Deliver, source: int | None = None) -> None:
        self._mpi, self._comm, self._deliver = mpi, comm, deliver
        self._source = mpi.ANY_SOURCE if source is None else source
        self._status = mpi.Status()
        self._queued: dict[int, list[Part]] = {}
        self._sending: list[tuple[Any, Part]] = []
        self._turn = 0
        self._arriving: dict[int, deque[_Arrival]] = {}

    def put(self, rank: int, each: Frame) -> None:
        """Queue a frame; :meth:`flush` sends it."""
        pieces = frame(*each)
        queued = self._queued.setdefault(rank, [])
        if len(pieces) == 1:
            queued.append(pieces[0])
            return
        # The gaps between parts need not travel: their places follow from the sizes.
        queued += pieces[:2]
        self.flush(rank)
        for part in each[2]:
            for piece in _chunks(memoryview(part)):
                self._send(rank, piece, _PARTS)

    def flush(self, rank: int) -> None:
        """Send what is queued for a rank; returns at once."""
        queued = self._queued.get(rank)
        if not queued:
            return
        small = 0
        begin = 0
        for index, piece in enumerate(queued):
            small += len(piece)
            if small > _LONGEST:
                self._send(rank, b"".join(queued[begin : index + 1]), _HEADS)
                begin, small = index + 1, 0
        if begin < len(queued):
            rest = queued[begin:] if begin else queued
            self._send(rank, rest[0] if len(rest) == 1 else b"".join(rest), _HEADS)
        queued.clear()

    def _send(self, rank: int, data: Part, tag: int) -> None:
        # A blocking send may wait until the receiver looks, even where all is copied at once.
        request = self._comm.Isend([data, self._mpi.BYTE], rank, tag)
        self._sending.append((request, data))

    def sent(self) -> bool:
        """Whether nothing is left here that a receiver would have to wait for; lets go of the rest.

        What is short is with the receiver as soon as it is sent.
        """
        self._sending = [(r, data) for r, data in self._sending if not self._has_left(r)]
        return all(len(data) <= _EAGER for _, data in self._sending)

    def _let_go(self) -> None:
        """Let go of what has left: mostly the oldest, now and then all."""
        sending = self._sending
        self._turn = (self._turn + 1) % _SWEEP
        if self._turn == 0:
            self.sent()
        elif sending and self._has_left(sending[0][0]):
            del sending[0]

    def _has_left(self, request: Any) -> bool:
        """Whether a message is gone, or its rank: polling for messages will tell of that."""
        try:
            return bool(request.Test())
        except self._mpi.Exception:
            return True

    def poll(self) -> bool:
        """Deliver what is there; whether there was anything."""
        found = False
        if self._sending:
            self._let_go()
        if self._arriving:
            found = self._advance()
        comm, status, byte = self._comm, self._status, self._mpi.BYTE
        for _ in range(_TURNS):
            if not comm.Iprobe(self._source, _HEADS, status):
                break
            found = True
            source, size = status.source, status.Get_count(byte)
            data = bytearray(size)
            if size <= _EAGER:
                comm.Recv([data, byte], source, _HEADS)
                self._take(source, data)
            else:
                request = comm.Irecv([data, byte], source, _HEADS)
                self._wait_for(source, _Arrival([request], data))
        return found

    def forget(self, rank: int) -> None:
        """Nothing comes from this rank any more."""
        self._arriving.pop(rank, None)
        self._queued.pop(rank, None)

    def _take(self, source: int, data: bytearray) -> None:
        """Deliver the frames of a message, after what is still arriving from its sender."""
        if source in self._arriving:
            self._wait_for(source, _Arrival([], data))
            return
        head = self._split(source, data)
        if head is not None:
            self._wait_for(source, self._begin(source, head))

    def _wait_for(self, source: int, arrival: _Arrival) -> None:
        self._arriving.setdefault(source, deque()).append(arrival)

    def _advance(self) -> bool:
        """Deliver what has arrived meanwhile."""
        found = False
        for source, arrivals in list(self._arriving.items()):
            while arrivals and arrivals[0].complete():
                arrival = arrivals.popleft()
                found = True
                if arrival.frame is not None:
                    self._deliver(source, arrival.frame)
                    continue
                head = self._split(source, arrival.data)
                if head is not None:
                    arrivals.appendleft(self._begin(source, head))
            if not arrivals:
                self._arriving.pop(source, None)
        return found

    def _split(self, source: int, data: bytearray) -> _Head | None:
        """Deliver the whole frames of a message; the head of a large one at its end."""
        view, position, end = memoryview(data), 0, len(data)
        while position < end:
            kind, count, length, *times = HEADER.unpack_from(data, position)
            start = position + HEADER.size
            stamp = Stamp(*times)
            if length > JOINED:
                return kind, stamp, length, struct.unpack_from(f"<{count}Q", data, start)
            body = view[start : start + length]
            if count > 1:  # arrays will be views of it: aligned, writable, and of nothing more
                body = np.frombuffer(body, np.uint8).copy().data
            self._deliver(source, (kind, stamp, split(body, count)))
            position = start + length
        return None

    def _begin(self, source: int, head: _Head) -> _Arrival:
        """Receive the parts of a large frame into one piece of memory."""
        kind, stamp, length, sizes = head
        body = np.empty(length, np.uint8).data
        table = struct.pack(f"<{len(sizes)}Q", *sizes)
        body[: len(table)] = table
        parts = split(body, len(sizes))
        requests = [
            self._comm.Irecv([piece, self._mpi.BYTE], source, _PARTS)
            for part in parts
            for piece in _chunks(memoryview(part))
        ]
        return _Arrival(requests, b"", (kind, stamp, parts))


_Head = tuple[int, Stamp, int, tuple[int, ...]]


class _Arrival:
    """Something that is on its way: a message, or the parts of a large frame."""

    __slots__ = ("_requests", "data", "frame")

    def __init__(
        self, requests: list[Any], data: bytes | bytearray, whole: Frame | None = None
    ) -> None:
        self._requests = requests
        self.data = bytearray(data) if isinstance(data, bytes) else data
        self.frame = whole

    def complete(self) -> bool:
        """Whether all of it is here."""
        while self._requests and self._requests[0].Test():
            self._requests.pop(0)
        return not self._requests


def _chunks(part: memoryview) -> Iterable[memoryview]:
    return (part[begin : begin + CHUNK] for begin in range(0, len(part), CHUNK))

"""Frames on the connection between engine and worker.

A frame is a header and a body: the length of each part, then the parts, each at a multiple of 16
bytes. The parts are a pickle of protocol 5 and the large buffers that belong to it, which are
copied by the kernel only.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

HEADER = struct.Struct("<IIQQddd")  # kind, parts, length of the body; the stamp
_ONE_PART = struct.Struct("<IIQQdddQ8x")  # the same with the size of the only part, and the gap
_ALIGN = 16
_SMALL = 1 << 14
_CHUNK = 1 << 18
_OUT_OF_BAND = 1 << 15  # smaller buffers travel inside the pickle
JOINED = 1 << 16  # frames up to this size become one piece

Part = bytes | memoryview


class Kind(IntEnum):
    """What a frame says. To a worker: OPEN to PARTY; from it: READY to BYE.

    KILL, TERMINATE, QUIT, PARTY, GONE and BYE are for ranks, which outlive the workers that they
    are.
    """

    OPEN = 1
    TASK = 2
    CANCEL = 3
    RECALL = 4
    CLOSE = 5
    KILL = 6
    TERMINATE = 7
    QUIT = 8
    PARTY = 9
    READY = 10
    BROKEN = 11
    STARTED = 12
    RETURNED = 13
    PROGRESS = 14
    FINISHED = 15
    FAILED = 16
    GONE = 17
    BYE = 18


class Stamp(NamedTuple):
    """Which task a frame is about; when it began and ended (campaign time), its CPU seconds."""

    serial: int = 0
    started: float = 0.0
    finished: float = 0.0
    cpu: float = 0.0


Frame = tuple[int, Stamp, list[Part]]


def dumps(value: Any) -> list[Part]:
    """Pickle; the first part is the pickle, the others are the buffers of large arrays."""
    buffers: list[Part] = []

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    return [pickle.dumps(value, 5, buffer_callback=keep_inside), *buffers]


def loads(parts: Sequence[Part]) -> Any:
    """What :func:`dumps` took apart; large arrays are views of the frame."""
    return pickle.loads(parts[0], buffers=parts[1:])


def frame(kind: int, stamp: Stamp, parts: Sequence[Part] = ()) -> list[Part]:
    """A frame as pieces to be sent one after the other."""
    if not parts:
        return [HEADER.pack(kind, 0, 0, *stamp)]
    if len(parts) == 1 and (size := len(parts[0])) < _SMALL:
        return [_ONE_PART.pack(kind, 1, _ALIGN + size, *stamp, size) + parts[0]]
    sizes = [len(part) for part in parts]
    pieces: list[Part] = [struct.pack(f"<{len(sizes)}Q", *sizes)]
    length = len(pieces[0])
    for part, size in zip(parts, sizes, strict=True):
        gap = -length % _ALIGN
        if gap:
            pieces.append(bytes(gap))
        pieces.append(part)
        length += gap + size
    pieces.insert(0, HEADER.pack(kind, len(sizes), length, *stamp))
    return [b"".join(pieces)] if length <= JOINED else pieces


def split(body: memoryview, count: int) -> list[Part]:
    """The parts of a frame's body, as views of it."""
    if count == 1:
        return [body[_ALIGN:]]
    parts: list[Part] = []
    position = 8 * count
    for size in struct.unpack_from(f"<{count}Q", body):
        position += -position % _ALIGN
        parts.append(body[position : position + size])
        position += size
    return parts


class Reader:
    """Takes frames off a stream socket, blocking or not."""

    __slots__ = ("_big", "_filled", "_head", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._head: tuple[int, int, Stamp] = (0, 0, Stamp())
        self._big: memoryview | None = None
        self._filled = 0

    def receive(self, connection: socket.socket) -> list[Frame]:
        """The frames that one read completes, possibly none.

        Raises:
            EOFError: If the other side closed the connection.
            BlockingIOError: If nothing is there, on a socket that does not block.
        """
        if self._big is not None:
            return self._receive_big(connection, self._big)
        data = connection.recv(_CHUNK)
        if not data:
            raise EOFError
        return self._split(self._rest + data if self._rest else data)

    def _split(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        view, position, end = memoryview(data), 0, len(data)
        while end - position >= HEADER.size:
            kind, count, length, *times = HEADER.unpack_from(data, position)
            stamp = Stamp(*times)
            start = position + HEADER.size
            if end - start < length:
                if length > _CHUNK:
                    self._begin_big((kind, count, stamp), length, view[start:])
                    return frames
                break
            body = view[start : start + length]
            if count > 1:  # arrays will be views of it: aligned, writable, and of nothing more
                body = np.frombuffer(body, np.uint8).copy().data
            frames.append((kind, stamp, split(body, count)))
            position = start + length
        self._rest = data[position:]
        return frames

    def _begin_big(self, head: tuple[int, int, Stamp], length: int, have: memoryview) -> None:
        self._rest, self._head = b"", head
        self._big = np.empty(length, np.uint8).data
        self._filled = len(have)
        self._big[: self._filled] = have

    def _receive_big(self, connection: socket.socket, body: memoryview) -> list[Frame]:
        got = connection.recv_into(body[self._filled :])
        if not got:
            raise EOFError
        self._filled += got
        if self._filled < len(body):
            return []
        self._big = None
        kind, count, stamp = self._head
        return [(kind, stamp, split(body, count))]


def send_all(connection: socket.socket, pieces: Sequence[Part]) -> None:
    """Send on a blocking socket."""
    for piece in pieces:
        connection.sendall(piece)

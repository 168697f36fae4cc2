"""Frames, whole and in pieces."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.engines.wire import Frame, Kind, Reader, Stamp, dumps, frame, loads, send_all

parts = st.lists(st.binary(max_size=100), max_size=4)
frames = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**63), parts), max_size=6)


def read(data: bytes, sizes: list[int]) -> list[Frame]:
    """What a reader makes of these bytes when they come in pieces of these sizes."""
    ours, theirs = socket.socketpair()
    got: list[Frame] = []
    reader = Reader()
    with ours, theirs:
        while data:
            size = sizes.pop() if sizes else len(data)
            theirs.sendall(data[:size])
            data = data[size:]
            got += reader.receive(ours)
        theirs.close()
        with pytest.raises(EOFError):
            reader.receive(ours)
    return got


@given(frames, st.lists(st.integers(1, 80), max_size=20))
def test_frames_come_out_as_they_went_in(sent, sizes: list[int]) -> None:
    data = b"".join(
        bytes(piece) for kind, serial, p in sent for piece in frame(kind, Stamp(serial, 0.5), p)
    )
    got = read(data, sizes)
    assert [(kind, stamp.serial, [bytes(p) for p in p]) for kind, stamp, p in got] == [
        (kind, serial, p) for kind, serial, p in sent
    ]
    assert all(stamp.started == 0.5 for _, stamp, _ in got)


@pytest.mark.parametrize("size", [0, 1, 15, 16, (1 << 14) - 1, 1 << 14, 1 << 16, 70_000])
@pytest.mark.parametrize("count", [1, 2])
def test_parts_of_any_size_come_back(size: int, count: int) -> None:
    part = bytes(range(256)) * (size // 256) + bytes(size % 256)
    pieces = frame(Kind.FINISHED, Stamp(3, 1.0, 2.0, 0.5), [memoryview(part)] * count)
    ((kind, stamp, parts),) = through(lambda connection: send_all(connection, pieces), 1)
    assert (kind, stamp) == (Kind.FINISHED, Stamp(3, 1.0, 2.0, 0.5))
    assert [bytes(p) for p in parts] == [part] * count


def through(send: Callable[[socket.socket], None], count: int) -> list[Frame]:
    ours, theirs = socket.socketpair()
    got: list[Frame] = []
    reader = Reader()
    with ours, theirs:
        thread = threading.Thread(target=send, args=(theirs,))
        thread.start()
        while len(got) < count:
            got += reader.receive(ours)
        thread.join()
    return got


def test_large_and_small_frames_mix() -> None:
    arrays = [np.arange(size, dtype=np.float32) for size in (3, 10_000, 40_000, 1_000_000, 5)]

    def send(connection: socket.socket) -> None:
        for number, array in enumerate(arrays):
            send_all(connection, frame(Kind.TASK, Stamp(number), dumps({"a": array, "b": number})))

    for number, (kind, stamp, body) in enumerate(through(send, len(arrays))):
        value = loads(body)
        assert (kind, stamp.serial, value["b"]) == (Kind.TASK, number, number)
        np.testing.assert_array_equal(value["a"], arrays[number])
        assert value["a"].flags.writeable
        assert value["a"].ctypes.data % 16 == 0


def test_large_arrays_are_not_copied_into_the_pickle() -> None:
    array = np.zeros(1_000_000)
    body, buffer = dumps(array)
    assert len(body) < 1000
    assert len(buffer) == array.nbytes
    assert len(dumps(np.zeros(10))) == 1

"""Frames arrive whole and in order, in whatever pieces and however late their parts complete."""

from __future__ import annotations

from collections import defaultdict, deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.engines import mpi_wire, wire
from querist.engines.mpi_wire import Channel
from querist.engines.wire import Kind, Stamp


class Request:
    """Done after so many looks, and then the data are there."""

    def __init__(self, looks: int, deliver: Any = lambda: None) -> None:
        self.looks, self.deliver = looks, deliver

    def Test(self) -> bool:
        self.looks -= 1
        if self.looks == 0:
            self.deliver()
        return self.looks <= 0


class Comm:
    """One end of a lossless network that keeps the order of each pair's messages by tag.

    Args:
        rank: Of this end.
        mail: Messages by receiver, sender and tag.
        delays: Looks after which receptions complete, one after the other.
    """

    def __init__(self, rank: int, mail: Any, delays: deque[int]) -> None:
        self.rank, self.mail, self.delays = rank, mail, delays
        self.longest = 0

    def Send(self, buffer: Any, rank: int, tag: int) -> None:
        self.longest = max(self.longest, len(buffer[0]))
        self.mail[rank, self.rank, tag].append(bytes(buffer[0]))

    def Isend(self, buffer: Any, rank: int, tag: int) -> Request:
        self.Send(buffer, rank, tag)
        return Request(self._delay())

    def Iprobe(self, source: int, tag: int, status: Any) -> bool:
        for (receiver, sender, kind), messages in self.mail.items():
            if (receiver, kind) == (self.rank, tag) and source in (-1, sender) and messages:
                size = len(messages[0])
                status.source, status.Get_count = sender, lambda _, size=size: size
                return True
        return False

    def Recv(self, buffer: Any, source: int, tag: int) -> None:
        buffer[0][:] = self.mail[self.rank, source, tag].popleft()

    def Irecv(self, buffer: Any, source: int, tag: int) -> Request:
        data = self.mail[self.rank, source, tag].popleft()
        assert len(data) == len(buffer[0]), "sizes are announced exactly"

        def fill() -> None:
            buffer[0][:] = data

        return Request(self._delay(), fill)

    def _delay(self) -> int:
        self.delays.rotate(1)
        return self.delays[0]


MPI = SimpleNamespace(ANY_SOURCE=-1, BYTE="byte", Status=SimpleNamespace)


def network(delays: list[int]) -> tuple[list[Channel], list[tuple[int, Any]], list[Comm]]:
    """Rank 0, whose deliveries are noted, and two others."""
    mail: Any = defaultdict(deque)
    heard: list[tuple[int, Any]] = []
    comms = [Comm(rank, mail, deque(delays)) for rank in range(3)]

    def note(rank: int, frame: Any) -> None:
        heard.append((rank, (frame[0], frame[1].serial, wire.loads(frame[2]))))

    channels = [Channel(MPI, comm, note) for comm in comms]
    return channels, heard, comms


sizes = st.sampled_from([0, 1, 10, 4000, 5000, 9000, 40_000])


script = st.lists(st.tuples(st.integers(1, 2), st.lists(sizes, max_size=3), st.booleans()))


@given(script, st.data())
def test_frames_come_whole_and_in_order(script: Any, data: st.DataObject) -> None:
    delays = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    channels, heard, _ = network(delays)
    before = mpi_wire.CHUNK
    mpi_wire.CHUNK = 7000
    try:
        for serial, (rank, shape, flush) in enumerate(script):
            arrays = [np.full(size, serial, np.float64) for size in shape]
            parts = wire.dumps(arrays)
            channels[rank].put(0, (Kind.FINISHED, Stamp(serial), parts))
            if flush:
                channels[rank].flush(0)
                channels[0].poll()
        for rank in (1, 2):
            channels[rank].flush(0)
        for _ in range(2000):
            if not channels[0].poll() and len(heard) == len(script):
                break
    finally:
        mpi_wire.CHUNK = before
    for rank in (1, 2):
        wanted = [(n, shape) for n, (r, shape, _) in enumerate(script) if r == rank]
        got = [frame for r, frame in heard if r == rank]
        assert [(n, [len(a) for a in arrays]) for _, n, arrays in got] == wanted
        assert all((a == n).all() and a.flags.writeable for _, n, arrays in got for a in arrays)


def test_small_frames_share_a_message_and_large_ones_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mpi_wire, "CHUNK", 1 << 20)
    channels, heard, comms = network([1])
    for serial in range(10):
        channels[1].put(0, (Kind.STARTED, Stamp(serial), wire.dumps(None)))
    channels[1].flush(0)
    assert sum(map(len, comms[0].mail.values())) == 1
    channels[1].put(0, (Kind.FINISHED, Stamp(10), wire.dumps(np.zeros(1 << 20))))
    channels[1].flush(0)
    assert comms[1].longest == 1 << 20
    while len(heard) < 11:
        assert channels[0].poll()
    assert [frame[1] for _, frame in heard] == list(range(11))


def test_a_lost_rank_is_forgotten() -> None:
    channels, heard, _ = network([50])
    channels[1].put(0, (Kind.FINISHED, Stamp(), wire.dumps(np.zeros(1 << 16))))
    channels[1].flush(0)
    channels[0].poll()
    channels[0].forget(1)
    for _ in range(100):
        channels[0].poll()
    assert heard == []

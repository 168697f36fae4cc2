"""What a status says of the time that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.core.events import Fact
from querist.pool import query_status
from querist.pool.query_state import CHUNK, QueryState
from querist.pool.query_status import StatusWriter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(query_status.time, "monotonic", lambda: now[0])
    return now


def chunk(start: int, stop: int, **more) -> Fact:
    data = {"part": "candidates", "start": start, "stop": stop, "worker": "w", **more}
    return Fact(CHUNK, data)


def test_the_time_left_is_right_from_the_first_unit_on(tmp_path: Path, clock: list[float]) -> None:
    writer = StatusWriter(tmp_path, "q", {"candidates": 1008}, QueryState())
    assert writer.current().seconds_left is None
    clock[0] += 50.0  # the model is opened
    writer.fact(chunk(0, 8, rate=10.0))
    assert writer.current().seconds_left == pytest.approx(100.0)
    clock[0] += 5.0
    writer.fact(chunk(8, 108, rate=99.0))  # readers are slower than the model
    assert writer.current().rate == pytest.approx(20.0)
    assert writer.current().seconds_left == pytest.approx(45.0)


def test_without_a_rate_there_is_no_time(tmp_path: Path, clock: list[float]) -> None:
    writer = StatusWriter(tmp_path, "q", {"candidates": 1008}, QueryState())
    writer.fact(chunk(0, 8, rate=None))
    assert (writer.current().rate, writer.current().seconds_left) == (None, None)
    clock[0] += 1.0
    writer.fact(chunk(8, 16))  # of an earlier version
    clock[0] += 1.0
    writer.fact(chunk(16, 24))
    assert writer.current().rate == pytest.approx(8.0)

"""What a worker does with units of work that were begun ahead."""

from __future__ import annotations

import numpy as np
import pytest

from querist.pool.query_state import Range
from querist.pool.scan.scanner import Scanner, overlap
from querist.pool.scan.work import Chunk


class Begun:
    """Stages that begin with chunks and never finish."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def submit(self, rows: Range, batch: int | None) -> Chunk:
        self.chunks.append(Chunk(rows, np.arange(rows.start, rows.stop)))
        return self.chunks[-1]


def part(start: int, stop: int) -> Range:
    return Range("candidates", start, stop)


@pytest.fixture
def scanner(tmp_path) -> Scanner:
    made = Scanner(tmp_path)
    made._stages = Begun()  # type: ignore[assignment]
    return made


def test_a_chunk_that_was_begun_ahead_is_used(scanner: Scanner) -> None:
    scanner._begin(part(0, 16), None)
    ahead = scanner._begin(part(16, 1024), None)
    assert scanner._begin(part(16, 1024), None) is ahead
    assert not ahead.dropped
    assert len(scanner._stages.chunks) == 2


def test_a_chunk_that_is_cut_otherwise_than_it_was_begun_is_dropped(scanner: Scanner) -> None:
    first = scanner._begin(part(0, 16), None)
    ahead = scanner._begin(part(16, 1024), None)
    smaller = scanner._begin(part(16, 36), None)
    assert ahead.dropped
    assert not first.dropped
    assert not smaller.dropped
    assert scanner._begin(part(16, 36), None) is smaller


@pytest.mark.parametrize(
    ("other", "common"),
    [(part(4, 5), True), (part(0, 4), False), (part(8, 9), False), (part(7, 99), True)],
)
def test_ranges_overlap(other: Range, common: bool) -> None:
    assert overlap(part(4, 8), other) == overlap(other, part(4, 8)) == common
    assert not overlap(part(4, 8), Range("labelled", 4, 8))

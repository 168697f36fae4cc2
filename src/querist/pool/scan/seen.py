"""A sample of the features that a scan saw, where they are else not kept, to measure drift by.

A round whose model is a head scores by other numbers than the round before; the features below are
the same, so that drift is told by them. They lie with the outputs, which go when the query is done.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array
from querist.pool.query_listing import part_rows
from querist.pool.query_state import CANDIDATES
from querist.pool.rounds_seen import SAMPLE
from querist.pool.scan.outputs import outputs_path, read_rows, write_rows
from querist.pool.scan.place import Place
from querist.pool.scan.work import Chunk

NEED = "embeddings"
_PART = "seen"


class Sampled(NamedTuple):
    """``(m,)`` positions of candidates and their ``(m, d)`` features; rows that failed are NaN."""

    positions: NDArray[np.int64]
    values: Array


def sampled(count: int) -> NDArray[np.int64]:
    """Positions of the sample of so many candidates, in order."""
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, SAMPLE, replace=False))


def keep_seen(place: Place, chunk: Chunk) -> None:
    """Write the features of a chunk's part of the sample, where a head hides them."""
    features = chunk.outputs.get(NEED)
    if place.head is None or features is None or chunk.rows.part != CANDIDATES:
        return
    if NEED in place.needs.scanned[CANDIDATES] and not place.strategy.pointwise:
        return  # all of them are written
    positions = sampled(len(part_rows(place.run.path, CANDIDATES)))
    first, last = np.searchsorted(positions, (chunk.rows.start, chunk.rows.stop))
    if first < last:
        at = positions[first:last] - chunk.rows.start
        values = np.asarray(features[at], np.float32)
        values[~chunk.good[at]] = np.nan
        path = outputs_path(place.run.path, _PART, NEED)
        write_rows(path, len(positions), int(first), values)


def read_seen(place: Place, count: int) -> Sampled | None:
    """The sample, if there is one."""
    path = outputs_path(place.run.path, _PART, NEED)
    return Sampled(sampled(count), read_rows(path)) if path.exists() else None

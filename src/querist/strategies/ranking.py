"""The best few of a stream of scores, in bounded memory, with ties broken reproducibly."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, host, namespace, where_true
from querist.strategies.errors import StrategyError

Scores = NDArray[np.float64]
Indices = NDArray[np.int64]
SLACK = 1 << 14


def tie_seed(rng: np.random.Generator | None) -> int | None:
    """What orders equals: a seed that is drawn, or None, the lower index first."""
    return None if rng is None else int(rng.integers(2**62))


def tie_keys(indices: Indices, seed: int | None) -> NDArray[np.uint64]:
    """By what equals are ordered, lowest first: the index, or a hash of seed and index.

    The hash is SplitMix64 (Steele, Lea & Flood 2014): it depends on nothing but its arguments, so
    not on how the data were cut into chunks.
    """
    keys = indices.astype(np.uint64)
    if seed is None:
        return keys
    keys = keys + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    return keys ^ (keys >> np.uint64(31))


@dataclass(slots=True)
class Best:
    """Keeps the ``count`` highest scores of all that are added.

    Attributes:
        count: How many to keep.
        seed: Of the order of ties; None: the lowest index first.
        seen: Rows added so far.
    """

    count: int
    seed: int | None = None
    seen: int = 0
    _scores: Scores = field(default_factory=lambda: np.zeros(0))
    _indices: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    _parts: list[tuple[Scores, Indices]] = field(default_factory=list)
    _waiting: int = 0
    _least: float = -np.inf

    def add(self, start: int, scores: Array) -> None:
        """Add the scores of the rows from ``start`` on.

        Raises:
            StrategyError: If a score is NaN: a mistake of the strategy, for its data are finite.
        """
        if bool(namespace(scores).isnan(scores).any()):
            raise StrategyError(f"a strategy gave NaN as a score of rows {start} and following.")
        self.seen += len(scores)
        chosen = where_true(scores >= self._least)
        if len(chosen):
            self._parts.append((host(scores[chosen]).astype(float), chosen + start))
            self._waiting += len(chosen)
        if self._waiting > self.count + SLACK:
            self._settle()

    def _settle(self) -> None:
        scores, indices = zip((self._scores, self._indices), *self._parts, strict=True)
        self._scores, self._indices = np.concatenate(scores), np.concatenate(indices)
        self._parts, self._waiting = [], 0
        if len(self._scores) > self.count:
            kept = highest(self._scores, self._indices, self.count, self.seed)
            self._scores, self._indices = self._scores[kept], self._indices[kept]
            self._least = float(self._scores.min())

    def result(self) -> tuple[Indices, Scores]:
        """Indices from the best on, and their scores."""
        self._settle()
        order = np.lexsort((tie_keys(self._indices, self.seed), -self._scores))
        return self._indices[order], self._scores[order]


def ranked(scores: Scores, count: int, rng: np.random.Generator | None) -> tuple[Indices, Scores]:
    """The highest scores, equals by index, or in random order where a generator is given."""
    best = Best(count, tie_seed(rng))
    best.add(0, scores)
    return best.result()


def best_of(scores: Scores, free: NDArray[np.bool_], keys: NDArray[np.uint64]) -> int:
    """The highest score of what is free; of equals the one with the lowest key."""
    equal = np.flatnonzero(free & (scores == scores[free].max()))
    return int(equal[keys[equal].argmin()])


def highest(scores: Scores, indices: Indices, count: int, seed: int | None) -> Indices:
    """Positions of the ``count`` highest scores, in no particular order."""
    limit = np.partition(scores, len(scores) - count)[len(scores) - count]
    above = np.flatnonzero(scores > limit)
    equal = np.flatnonzero(scores == limit)
    keys = tie_keys(indices[equal], seed)
    wanted = count - len(above)
    if wanted < len(equal):
        equal = equal[np.argpartition(keys, wanted - 1)[:wanted]]
    return np.concatenate([above, equal])

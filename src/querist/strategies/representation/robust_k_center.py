"""k-center that leaves outliers alone."""

from __future__ import annotations

import math

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, filled, namespace, put, rows_at
from querist.strategies.contract import Picks, batchwise
from querist.strategies.farthest import HOT_NUMBERS, Bounds, highest
from querist.strategies.geometry import (
    Centres,
    Indices,
    Points,
    Space,
    central,
    distances_to_earlier,
    labelled_points,
)
from querist.strategies.rows import Rows


@batchwise(
    paper="Ding, Yu & Wang 2019 (ESA; arXiv 1901.08219), algorithm 1; the outliers of Sener & "
    "Savarese 2018 (arXiv 1708.00489), section 4.2",
    cost="O(n b + z b^2 d) time at worst beside a pass, z rows left alone; O(n + b d) memory",
    use="As k-center, where a share of the pool is noise that must not be picked first.",
)
def robust_k_center(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator,
    outliers: float = 0.01,
) -> Picks:
    """Draw each pick uniformly from the farthest rows, twice as many as there may be outliers.

    With probability one half or more a pick is then no outlier, and the balls around the picks
    cover all but the outliers within twice the best radius, in expectation with a constant factor
    more balls (theorem 1 of the paper). ``outliers`` is the share of the pool that may be left
    uncovered. The first pick and the scores are those of k-center.
    """
    if not 0.0 <= outliers < 1.0:
        raise ConfigError(f"outliers is a share of the pool from 0 to below 1, got {outliers}.")
    space = Space([embeddings])
    labelled = labelled_points(space, labelled_embeddings)
    farthest = _Farthest(space, Centres(space, labelled, budget), outliers)
    radius = 0.0
    if labelled is None:
        first, radius = central(space)
        farthest.take(first)
    while len(farthest.picks) < budget:
        farthest.take(int(rng.choice(farthest.rows())))
    distances = np.sqrt(
        distances_to_earlier(space, farthest.bounds.centres, len(labelled) if labelled else 0)
    )
    return np.array(farthest.picks), np.where(np.isinf(distances), radius, distances)


class _Farthest:
    """The rows farthest from all picks, several at a time.

    Twice as many rows as are wanted are kept up to date, as long as those wanted lie above the
    bounds of all others; where they would not fit into memory, rows are gathered for each pick.
    """

    def __init__(self, space: Space, centres: Centres, outliers: float) -> None:
        self.bounds = Bounds(space, centres)
        self.picks: list[int] = []
        self.count = max(1, 2 * math.ceil(outliers * space.count))
        self._hot: Indices = np.zeros(0, np.int64)
        self._points: Points | None = None
        self._heat: Array = np.zeros(0, np.float32)
        self._outside = np.inf

    def take(self, row: int) -> None:
        """Pick a row."""
        self.picks.append(row)
        bounds = self.bounds
        bounds.centres.add(bounds.space.points(np.array([row])))
        bounds.upper[row] = -np.inf
        if self._points is not None:
            last = bounds.centres.count
            found = bounds.space.upper(self._points, bounds.centres, last - 1, last)
            self._heat = namespace(found).minimum(found, self._heat)
            self._heat[int(np.searchsorted(self._hot, row))] = -np.inf

    def rows(self) -> Indices:
        """The farthest that are not picked: as many as wanted, or all that remain."""
        count = min(self.count, self.bounds.space.count - len(self.picks))
        if 2 * self.count > HOT_NUMBERS // self.bounds.space.width:
            return self._fresh(count)
        top = highest(self._heat, min(count, len(self._hot)))
        if len(top) < count or float(rows_at(self._heat, top).min()) < self._outside:
            self._refill(count)
            top = highest(self._heat, count)
        return self._hot[top]

    def _fresh(self, count: int) -> Indices:
        while True:
            top = self.bounds.top(count)
            stale = self.bounds.stale(top)
            if not len(stale):
                return top
            self.bounds.refresh(stale)

    def _refill(self, count: int) -> None:
        bounds = self.bounds
        if self._points is not None:
            put(bounds.upper, self._hot, self._heat)
            bounds.applied[self._hot] = bounds.centres.count
        self._fresh(count)
        self._hot = bounds.top(min(2 * self.count, bounds.space.count))
        bounds.refresh(bounds.stale(self._hot))
        self._points = bounds.space.points(self._hot)
        self._heat = rows_at(bounds.upper, self._hot)
        put(bounds.upper, self._hot, filled(len(self._hot), -np.inf, "float32", bounds.upper))
        self._outside = float(namespace(bounds.upper).amax(bounds.upper))
        put(bounds.upper, self._hot, self._heat)

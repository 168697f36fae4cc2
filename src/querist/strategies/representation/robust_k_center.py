"""k-center that leaves outliers alone."""

from __future__ import annotations

import math

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.contract import Picks, batchwise
from querist.strategies.farthest import Bounds
from querist.strategies.geometry import (
    Centres,
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
        farthest.take(int(rng.choice(farthest.rows(budget))))
    distances = np.sqrt(
        distances_to_earlier(space, farthest.bounds.centres, len(labelled) if labelled else 0)
    )
    return np.array(farthest.picks), np.where(np.isinf(distances), radius, distances)


class _Farthest:
    """The rows farthest from all picks, several at a time."""

    def __init__(self, space: Space, centres: Centres, outliers: float) -> None:
        self.bounds = Bounds(space, centres)
        self.picks: list[int] = []
        self.count = max(1, 2 * math.ceil(outliers * space.count))

    def take(self, row: int) -> None:
        """Pick a row."""
        self.picks.append(row)
        self.bounds.centres.add(self.bounds.space.points(np.array([row])))
        self.bounds.upper[row] = -np.inf

    def rows(self, budget: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The farthest that are not picked: as many as wanted, or all that remain."""
        free = self.bounds.space.count - len(self.picks)
        count = min(self.count, free)
        while True:
            top = self.bounds.top(count)
            stale = self.bounds.stale(top)
            if not len(stale):
                return top
            self.bounds.refresh(stale)

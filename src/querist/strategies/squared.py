"""Drawing rows with probability proportional to their squared distance from the nearest pick.

Distances to the nearest pick only shrink, so old ones are upper bounds. Rows are proposed in
proportion to the bounds and accepted with the share that the exact distance is of the bound: the
law is that of plain D^2 sampling exactly, however old the bounds are. They are brought up to date,
in one matrix product, only when rejections have cost as much as that would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import host
from querist.strategies.farthest import Bounds
from querist.strategies.geometry import ROWS, Centres, Points, Space, distances_to_earlier

PROPOSALS = 64
MOST_PROPOSALS = 512
# A distance of a proposal, gathered and exact, costs about this many times one in a product.
DEARER = 4


class Draws:
    """The state of one D^2 sampling.

    Args:
        space: The pool.
        labelled: Rows to be far from at the beginning.
        budget: How many picks will be made.
        factors: ``(n,)`` not negative, by which the squared distances are multiplied.
    """

    def __init__(
        self,
        space: Space,
        labelled: Points | None,
        budget: int,
        factors: NDArray[np.float64] | None = None,
    ) -> None:
        self.space, self.budget, self._factors = space, budget, factors
        self.centres = Centres(space, labelled, budget)
        self.labelled = self.centres.count
        self.bounds = Bounds(space, self.centres)
        self.picks: list[int] = []
        self._weights = np.zeros(0)
        self._sums = np.zeros(0)
        self._wasted = 0
        self._known = 0
        self._at_once = PROPOSALS

    def run(self, rng: np.random.Generator, first: int | None) -> None:
        """Make all picks; ``first`` is the first one where nothing is labelled."""
        if first is not None:
            self._take(first, self.space.points(np.array([first])))
        if len(self.picks) < self.budget:
            self._refresh()
        while len(self.picks) < self.budget:
            if not self._sums[-1] > 0.0:
                self._finish(rng)
                return
            self._propose(rng)
            pending = self.centres.count - self._known
            if DEARER * self._wasted > self.space.count * pending > 0:
                self._refresh()

    def _take(self, row: int, point: Points) -> None:
        self.picks.append(row)
        self.centres.add(point)

    def _refresh(self) -> None:
        self.bounds.refresh_all(self._known)
        self._known, self._wasted, self._at_once = self.centres.count, 0, PROPOSALS
        scale = self.space.scale**-2
        self._weights = np.maximum(host(self.bounds.upper).astype(float) * scale, 0.0)
        self._weights[self.picks] = 0.0
        slack = 3.0 * self.space.rounding * float(self.space.norms.sum()) * scale
        if self._weights.sum() < 4.0 * slack:
            self._exact_weights()
        chances = self._weights if self._factors is None else self._weights * self._factors
        self._sums = np.cumsum(chances)

    def _exact_weights(self) -> None:
        """Where little but the allowance for rounding is left: the distances themselves."""
        rows = np.flatnonzero(self._weights)
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            points = self.space.points(some)
            self._weights[some] = self.space.exact(points, self.centres, 0, self.centres.count)

    def _finish(self, rng: np.random.Generator) -> None:
        """Everything that remains equals something picked: the rest uniformly."""
        free = np.ones(self.space.count, bool)
        free[self.picks] = False
        rest = rng.permutation(np.flatnonzero(free))[: self.budget - len(self.picks)]
        self.centres.add(self.space.points(rest))
        self.picks.extend(rest.tolist())

    def _propose(self, rng: np.random.Generator) -> None:
        """Some proposals; what was picked meanwhile counts for those that follow."""
        drawn = rng.random((2, self._at_once))
        rows = np.searchsorted(self._sums, drawn[0] * self._sums[-1], side="right")
        rows = np.minimum(rows, self.space.count - 1)
        limits = drawn[1] * self._weights[rows]
        points, known = self.space.points(rows), self.centres.count
        distances = self.space.exact(points, self.centres, 0, known)
        before = len(self.picks)
        for position in np.flatnonzero(distances > limits):
            if len(self.picks) == self.budget:
                break
            point = points.at(slice(position, position + 1))
            if self._nearest_since(point, known) > limits[position]:
                self._take(int(rows[position]), point)
        rejected = self._at_once - (len(self.picks) - before)
        self._wasted += rejected * self.centres.count
        if 4 * rejected > 3 * self._at_once:
            self._at_once = min(2 * self._at_once, MOST_PROPOSALS)

    def _nearest_since(self, point: Points, known: int) -> float:
        """Squared distance to the nearest pick after the first so many centres."""
        if known == self.centres.count:
            return np.inf
        return float(self.space.exact(point, self.centres, known, self.centres.count)[0])

    def distances(self) -> NDArray[np.float64]:
        """``(b,)`` exact distance of each pick to the nearest before it; inf of a lone first."""
        return np.sqrt(distances_to_earlier(self.space, self.centres, self.labelled))

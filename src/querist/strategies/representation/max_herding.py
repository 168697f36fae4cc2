"""MaxHerding: rows to which as much of the pool as possible is similar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, filled, host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices
from querist.strategies.pairs import Pairs, nearest_squares, squared_distances
from querist.strategies.rows import Rows

# Rows whose gain is computed anew at once, to begin with; and at most.
AT_ONCE = 16
MOST_AT_ONCE = 512
# Gains that differ by less than rounding are equal.
EQUAL = 1e-12


@batchwise(
    name="maxherding",
    paper="Bae, Noh & Sutherland 2024 (arXiv 2407.12212), eq. 4 and algorithm 1",
    cost="O(n^2 d) time, and O(n d) for each gain that is computed anew; O(n) memory",
    use="The first rounds of few labels, on self-supervised features; less sensitive than "
    "probcover.",
    aliases=("max-herding",),
)
def max_herding(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    sigma: float = 1.0,
    normalise: bool = True,
) -> Picks:
    """Greedily maximise the mean over the pool of the similarity to the most similar pick.

    The similarity is ``exp(-|x - y|^2 / sigma^2)``, of rows of length one unless ``normalise`` is
    false. A score is what a pick adds to that mean over labelled and picked rows; equals by index.
    Gains only shrink, so old ones are bounds: few are computed anew, and the picks are those of
    the plain greedy method.
    """
    if not sigma > 0.0:
        raise ConfigError(f"sigma is above 0, got {sigma}.")
    pairs = Pairs(embeddings, normalise).checked()
    herd = _Herd(pairs, sigma, pairs.given(labelled_embeddings))
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for step in range(budget):
        picks[step], scores[step] = herd.next()
        herd.take(int(picks[step]))
    return picks, scores / len(embeddings)


class _Herd:
    """How similar each row is to the most similar pick, and bounds on what each row would add."""

    def __init__(self, pairs: Pairs, sigma: float, labelled: Array | None) -> None:
        self.pairs, self.sharpness = pairs, sigma**-2.0
        count = len(pairs.rows)
        self.most: Array = filled(count, 0.0, "float64", pairs.take(np.array([0])))
        if labelled is not None:
            self._approach(labelled)
        self.bounds = np.concatenate([self._gains(rows) for _, rows in pairs.groups()])
        self._old = np.zeros(count, bool)

    def next(self) -> tuple[int, float]:
        """The row that adds most, and how much."""
        at_once, nothing = AT_ONCE, EQUAL * len(self.bounds)
        while True:
            highest = float(self.bounds[~self._old].max(initial=0.0))
            limit = max(highest * (1.0 - EQUAL), nothing)
            rivals = np.flatnonzero(self._old & (self.bounds >= limit))
            if not len(rivals):
                best = np.flatnonzero(~self._old & (self.bounds >= limit))
                row = int(best[0] if len(best) else np.flatnonzero(self.bounds > -np.inf)[0])
                return row, float(self.bounds[row])
            self._renew(rivals, at_once)
            at_once = min(2 * at_once, MOST_AT_ONCE)

    def take(self, row: int) -> None:
        """Pick a row."""
        self._approach(self.pairs.take(np.array([row])))
        self._old[:] = True
        self.bounds[row] = -np.inf

    def _renew(self, rivals: Indices, count: int) -> None:
        """Compute the gains of those anew whose bounds are highest."""
        if len(rivals) > count:
            rivals = rivals[np.argpartition(-self.bounds[rivals], count - 1)[:count]]
        self.bounds[rivals] = self._gains(self.pairs.take(rivals))
        self._old[rivals] = False

    def _approach(self, centres: Array) -> None:
        """Raise similarities to the nearest by those to some rows."""
        for start, block in self.pairs.blocks():
            here, xp = slice(start, start + len(block)), namespace(block)
            similar = self._similar(nearest_squares(block, centres))
            self.most[here] = xp.maximum(self.most[here], similar)

    def _gains(self, rows: Array) -> NDArray[np.float64]:
        """What some rows would add, summed over the pool."""
        total: Array = filled(len(rows), 0.0, "float64", rows)
        for start, block in self.pairs.blocks():
            more = self._similar(squared_distances(rows, block))
            more -= self.most[start : start + len(block)][None]
            total = total + namespace(more).sum(namespace(more).clip(more, 0.0, None), axis=1)
        return np.asarray(host(total), float)

    def _similar(self, squares: Array) -> Array:
        return namespace(squares).exp(-self.sharpness * squares)

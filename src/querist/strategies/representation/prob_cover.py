"""ProbCover: balls of one radius that cover as many rows as possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, host, namespace, rows_at
from querist.strategies.clusters import cluster
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices, Space
from querist.strategies.pairs import Pairs, nearest_squares, squared_distances
from querist.strategies.rows import Rows

ITERATIONS = 20
# Share of balls that hold one cluster only, and rows whose balls are looked at to find the radius.
PURITY = 0.95
LOOKED_AT = 2000
# A row at the radius itself lies outside; rounding shall not decide.
JUST_BELOW = 1.0 - 1e-9


@batchwise(
    name="probcover",
    paper="Yehuda et al. 2022 (arXiv 2205.11320), algorithm 1; the radius by section 4.2",
    cost="O(n^2 d) time for any budget, O(n) memory",
    use="The first rounds of few labels, on self-supervised features; sensitive to the radius.",
    aliases=("prob-cover",),
)
def prob_cover(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator,
    delta: float | None = None,
    classes: int = 10,
) -> Picks:
    """Again and again the row whose ball covers most of what no ball covers; equals at random.

    ``delta`` is the radius. By default it is the largest at which 95 % of the balls around rows
    (of 2,000 drawn at random in a larger pool) hold members of one cluster only, of k-means with
    as many clusters as ``classes``, at most half as many as rows. A score is the share of the
    pool that a pick newly covers. When all is covered, the rest is drawn at random.
    """
    if (delta is not None and not delta > 0.0) or classes < 1:
        raise ConfigError(f"delta is above 0 and classes at least 1, got {delta} and {classes}.")
    pairs = Pairs(embeddings).checked()
    radius = purest(pairs, classes, rng) if delta is None else delta
    balls = _Balls(pairs, radius, pairs.given(labelled_embeddings))
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for step in range(budget):
        highest = balls.gains.max()
        picks[step] = rng.choice(np.flatnonzero(balls.gains == highest))
        scores[step] = highest / len(embeddings)
        balls.take(int(picks[step]))
    return picks, scores


class _Balls:
    """How many uncovered rows the ball of each row holds.

    Each row is covered once, and is then taken off the counts of all balls that hold it: the work
    of all picks together is that of counting once, and no graph is kept.
    """

    def __init__(self, pairs: Pairs, radius: float, labelled: Array | None) -> None:
        self.pairs, self.limit = pairs, radius**2 * JUST_BELOW
        count = len(pairs.rows)
        self.gains = np.zeros(count, np.int64)
        self.uncovered = np.ones(count, bool)
        if labelled is not None:
            self._cover(labelled)
        self.gains += self._held(np.flatnonzero(self.uncovered))

    def take(self, row: int) -> None:
        """Pick a row: cover what its ball holds."""
        newly = self._cover(self.pairs.take(np.array([row])))
        self.gains -= self._held(newly)
        # Picked rows stay below all others, whatever is taken off them later.
        self.gains[row] = -1 - 2 * len(self.gains)

    def _cover(self, centres: Array) -> Indices:
        """Cover what lies near some rows; what was not covered before."""
        found = []
        for start, block in self.pairs.blocks():
            near = host(nearest_squares(block, centres))
            inside = near < self.limit
            found.append(start + np.flatnonzero(inside & self.uncovered[start : start + len(near)]))
        newly = np.concatenate(found)
        self.uncovered[newly] = False
        return newly

    def _held(self, rows: Indices) -> Indices:
        """How many of some rows the ball of every row holds."""
        counts = np.zeros(len(self.gains), np.int64)
        for _, some in self.pairs.groups(rows):
            for start, block in self.pairs.blocks():
                inside = squared_distances(block, some) < self.limit
                counts[start : start + len(block)] += host(namespace(inside).sum(inside, axis=1))
        return counts


def purest(pairs: Pairs, classes: int, rng: np.random.Generator) -> float:
    """The largest radius at which the wanted share of balls is pure; inf where all balls are.

    A ball is pure up to the distance to the nearest row of another cluster.
    """
    count = len(pairs.rows)
    clusters = min(classes, max(1, count // 2))
    labels = cluster(Space([pairs.rows]), clusters, rng, ITERATIONS).labels
    rows = np.arange(count)
    if count > LOOKED_AT:
        rows = np.sort(rng.choice(count, LOOKED_AT, replace=False))
    borders = np.concatenate(
        [
            _to_others(pairs, some, labels[rows[start : start + len(some)]], labels)
            for start, some in pairs.groups(rows)
        ]
    )
    return float(np.sqrt(np.sort(borders)[int((1.0 - PURITY) * len(rows) + 1e-9)]))


def _to_others(pairs: Pairs, some: Array, own: Indices, labels: Indices) -> NDArray[np.float64]:
    """``(k,)`` squared distance of some rows to the nearest row of another cluster."""
    nearest = np.full(len(own), np.inf)
    for start, block in pairs.blocks():
        theirs = labels[start : start + len(block)]
        for label in np.unique(theirs):
            mine = np.flatnonzero(own != label)
            others = rows_at(block, np.flatnonzero(theirs == label))
            if len(mine):
                apart = squared_distances(rows_at(some, mine), others)
                near = host(namespace(apart).amin(apart, axis=1))
                nearest[mine] = np.minimum(nearest[mine], near)
    return nearest

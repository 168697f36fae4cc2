"""BAIT: labels that make a linear model certain of the whole pool, forward and backward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import beside, dense, host
from querist.strategies.conditioning import (
    Conditioned,
    Matrix,
    Vector,
    best_free,
    matrix,
    noise_variance,
)
from querist.strategies.contract import Picks, batchwise
from querist.strategies.rows import Rows


@batchwise(
    paper="Ash, Goel, Krishnamurthy & Kakade 2021 (arXiv 2106.09675), algorithm 1 for squared "
    "loss; Holzmüller et al. 2023 (arXiv 2203.09410), section 4.2.3 and appendix D",
    cost="O(n o b d + n d^2) time, o b picks before pruning; O(n + d^2 + o b d) memory",
    use="Batches in regression when predictions over this very pool are what counts.",
)
def bait(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    noise: float = 0.01,
    oversample: float = 2.0,
) -> Picks:
    """The rows whose labels would most lower the summed variance of pool and labelled rows.

    ``oversample`` times the budget is picked greedily, then what is missed least is dropped again.
    ``noise`` is the variance of a label's noise in units of the pool's mean squared norm. A score
    is by how much the sum fell, in units of the noise, when the row was picked.
    """
    if not (np.isfinite(oversample) and oversample >= 1.0):
        raise ConfigError(f"oversample is a factor from 1 on, got {oversample}.")
    variance = noise_variance(noise, embeddings)
    return prune(embeddings, labelled_embeddings, budget, (variance, oversample), seen=True)


def prune(
    rows: Rows,
    labelled: Rows | None,
    budget: int,
    options: tuple[float, float],
    *,
    seen: bool,
) -> Picks:
    """The picks.

    Args:
        rows: Features of the pool.
        labelled: Features of what has labels; they count among what is predicted in any case.
        budget: How many.
        options: Variance of the noise, and how many times the budget is picked before pruning.
        seen: Whether the labelled rows have been observed, or features allow for that already.
    """
    noise, oversample = options
    wide = min(max(budget, round(oversample * budget)), len(rows))
    forward = _Forward(rows, matrix(labelled, rows), noise, wide, seen=seen)
    picks, scores = forward.run(wide)
    kept = forward.kept(picks, budget)
    return picks[kept], scores[kept]


class _Forward:
    """Picks by the ratio of what a label tells of all rows to what it tells of its own.

    With ``P`` the covariance of the weights and ``C`` the sum of outer products of rows, a row's
    label lowers the trace of ``P C`` by ``x'PCPx / (x'Px + noise)``. Both parts are kept by row.
    """

    def __init__(
        self, rows: Rows, labelled: Matrix, noise: float, room: int, *, seen: bool
    ) -> None:
        before = labelled if seen else labelled[:0]
        self.rows, self.noise = rows, noise
        self.known = Conditioned(rows, before, noise, room)
        self.outer = labelled.T @ labelled
        for _, block in rows.blocks():
            wide = dense(block)
            self.outer += np.asarray(host(wide.T @ wide), float)
        self.told = np.zeros(len(rows))
        weighted = self._projected(self._projected(self.outer).T)
        for start, block in rows.blocks():
            wide = dense(block)
            found = (wide @ beside(weighted, wide) * wide).sum(axis=1)
            self.told[start : start + len(block)] = host(found)

    def _projected(self, array: Matrix) -> Matrix:
        """``P`` times a matrix or a vector."""
        directions = self.known.directions[: self.known.count]
        return np.asarray(array - directions.T @ (directions @ array))

    def run(self, count: int) -> tuple[NDArray[np.int64], Vector]:
        """So many picks, each the best given those before."""
        taken = np.zeros(len(self.rows), bool)
        picks, scores = np.zeros(count, np.int64), np.zeros(count)
        for place in range(count):
            ratios = self.told / (self.known.variances + self.noise)
            picks[place] = best = best_free(ratios, taken)
            scores[place] = ratios[best] / self.noise
            taken[best] = True
            self._add(best)
        return picks, scores

    def _add(self, row: int) -> None:
        column = self.known.direction(row)
        through = self._projected(self.outer @ column)
        length = float(column @ self.outer @ column)
        self.known.learn(row)
        if not column.any():
            return
        pair = np.stack([column, through], axis=1)
        for start, block in self.rows.blocks():
            wide = dense(block)
            along, across = np.asarray(host(wide @ beside(pair, wide)), float).T
            here = slice(start, start + len(block))
            left = self.told[here] - 2.0 * along * across + length * along * along
            self.told[here] = np.maximum(left, 0.0)
            known = self.known.variances[here]
            np.maximum(known - along * along, 0.0, out=known)

    def kept(self, picks: NDArray[np.int64], budget: int) -> list[int]:
        """Places of the picks that remain when the least missed are dropped one by one."""
        places = list(range(len(picks)))
        if len(places) == budget:
            return places
        features = np.asarray(host(dense(self.rows.take(picks))), float)
        covariance = self._projected(np.eye(features.shape[1]))
        while len(places) > budget:
            column = _least_missed(features[places], covariance, self.outer, self.noise)
            covariance += np.outer(column[1], column[1])
            del places[column[0]]
        return places


def _least_missed(
    features: Matrix, covariance: Matrix, outer: Matrix, noise: float
) -> tuple[int, Vector]:
    """Which row's label is missed least, and what its loss adds to the covariance (a root)."""
    spread = features @ covariance
    left = np.maximum(noise - (spread * features).sum(axis=1), 1e-15 * noise)
    lost = np.maximum((spread @ outer * spread).sum(axis=1), 0.0) / left
    place = int(lost.argmin())
    return place, spread[place] / np.sqrt(left[place])

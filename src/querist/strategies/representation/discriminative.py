"""Discriminative active learning: rows that are told from labelled ones with the most certainty."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, beside, host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.errors import NeedError
from querist.strategies.pairs import ROWS, Pairs
from querist.strategies.ranking import tie_keys, tie_seed
from querist.strategies.rows import Rows
from querist.strategies.windows import variances

Vector = NDArray[np.float64]
# Newton's steps at most, halvings of one, and the decrease from which on they are rounding.
STEPS, HALVINGS, SETTLED = 100, 40, 1e-13


@batchwise(
    paper="Gissin & Shalev-Shwartz 2019 (arXiv 1907.06347), algorithm 1 and the mini-batches of "
    "section 3; logistic regression for their network, classes weighed alike as in their program",
    cost="O(k s n d^2) time for k mini-batches of s Newton steps (about 10), O(n + d^2) memory",
    use="Large batches that shall look like the pool, on features that tell rows apart linearly; "
    "wide features: sub-sampled(discriminative).",
    aliases=("discriminative-al",),
)
def discriminative(
    embeddings: Rows,
    labelled_embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    batches: int = 10,
    penalty: float = 1.0,
) -> Picks:
    """Rows most surely unlabelled, for a classifier of labelled and unlabelled ones.

    After each of ``batches`` parts of the budget the classifier is fitted anew, with what was
    picked as labelled. It is a logistic regression in which both classes weigh as much together,
    with ``penalty`` times half the squared weights of features, of which the mean variance is
    made one. A score is the log odds of being unlabelled when it was picked.
    """
    if batches < 1 or not penalty > 0.0:
        raise ConfigError(f"batches is at least 1 and penalty above 0: {batches}, {penalty}.")
    pairs = Pairs(embeddings).checked()
    known = pairs.given(labelled_embeddings)
    if known is None:
        raise NeedError(
            "discriminative tells labelled rows from others, so it needs labelled_embeddings of at "
            "least one; begin with typiclust or random."
        )
    fit = _Discriminator(pairs, known, penalty)
    keys = tie_keys(np.arange(fit.count), tie_seed(rng))
    indices, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for part in np.array_split(np.arange(budget), min(batches, budget)):
        odds = fit.log_odds()
        best = np.lexsort((keys, -odds, fit.taken))[: len(part)]
        indices[part], scores[part], fit.taken[best] = best, odds[best], True
    return indices, scores


class _Discriminator:
    """Logistic regression of unlabelled (1) against labelled and picked (0) rows."""

    def __init__(self, pairs: Pairs, known: Array, penalty: float) -> None:
        self.pairs, self.known, self.count = pairs, known, len(pairs.rows)
        self.taken = np.zeros(self.count, bool)
        variance, _ = variances(pairs, known)
        width = pairs.rows.shape[1]
        self.scale = (width / variance) ** 0.5 if variance > 0.0 else 1.0
        self.penalties = np.append(np.full(width, penalty), 0.0)  # the offset is free
        self.weights = np.zeros(width + 1)

    def log_odds(self) -> Vector:
        """``(n,)`` of being unlabelled, after a fit that begins with the last one's weights."""
        self._fit()
        found = np.zeros(self.count)
        for start, block in self.pairs.blocks():
            found[start : start + len(block)] = host(self._odds(block, self.weights))
        return found

    def _fit(self) -> None:
        """Newton's method; a step is halved until it lowers the loss."""
        loss = self._loss(self.weights)
        for _ in range(STEPS):
            slope, curvature = self._derivatives(self.weights)
            step = np.linalg.solve(curvature, slope)
            for _ in range(HALVINGS):
                moved = self.weights - step
                lower = self._loss(moved)
                if lower <= loss:
                    break
                step = step / 2.0
            else:
                return
            settled = loss - lower <= SETTLED * loss
            self.weights, loss = moved, lower
            if settled:
                return

    def _sides(self) -> Iterator[tuple[Array, Vector, Vector]]:
        """Blocks with what they are (1 unlabelled), and the weight of each row."""
        here = int(self.taken.sum())
        labelled, free = len(self.known) + here, max(1, self.count - here)
        total = labelled + self.count - here
        for start, block in self.pairs.blocks():
            wanted = (~self.taken[start : start + len(block)]).astype(float)
            yield block, wanted, np.where(wanted == 1.0, total / free, total / labelled) / 2.0
        for start in range(0, len(self.known), ROWS):
            block = self.known[start : start + ROWS]
            zeros = np.zeros(len(block))
            yield block, zeros, zeros + total / labelled / 2.0

    def _odds(self, block: Array, weights: Vector) -> Array:
        return block @ beside(weights[:-1] * self.scale, block) + float(weights[-1])

    def _loss(self, weights: Vector) -> float:
        total = 0.5 * float((self.penalties * weights * weights).sum())
        for block, wanted, weigh in self._sides():
            odds = host(self._odds(block, weights))
            total += float((weigh * (np.logaddexp(0.0, odds) - wanted * odds)).sum())
        return total

    def _derivatives(self, weights: Vector) -> tuple[Vector, NDArray[np.float64]]:
        slope, curvature = self.penalties * weights, np.diag(self.penalties)
        for block, wanted, weigh in self._sides():
            odds = np.clip(host(self._odds(block, weights)), -700.0, 700.0)
            share = 1.0 / (1.0 + np.exp(-odds))
            pull, bend = weigh * (share - wanted), weigh * share * (1.0 - share)
            scaled = block * self.scale
            xp = namespace(scaled)
            both = xp.concatenate([scaled, beside(np.ones((len(share), 1)), scaled)], axis=1)
            slope = slope + host(both.T @ beside(pull, both))
            curvature = curvature + host((both * beside(bend[:, None], both)).T @ both)
        return slope, curvature

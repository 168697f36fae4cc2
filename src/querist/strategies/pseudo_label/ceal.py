"""CEAL: uncertain rows for the oracle, confident rows labelled by the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, columns, host, namespace, where_true
from querist.strategies.contract import Picks, batchwise
from querist.strategies.informativeness import measured
from querist.strategies.probability import entropy_of
from querist.strategies.ranking import Best, tie_seed
from querist.strategies.rows import Rows


@batchwise(
    paper="Wang et al. 2017 (arXiv 1701.03551), eq. 4, 5, 7 and 9, algorithm 1",
    cost="O(n C) time, O(b) memory and that of the pseudo-labels",
    use="A model fine-tuned each round that may train on its own confident predictions.",
)
def ceal(  # noqa: PLR0913 - a strategy's options are parameters
    probabilities: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    measure: str = "least-confidence",
    threshold: float = 0.05,
    decay: float = 0.0033,
    iteration: int = 0,
) -> Picks:
    """The most uncertain rows; beside them, pseudo-labels of rows of low entropy.

    The picks go to the oracle. ``Selection.extras`` holds ``pseudo_indices`` and
    ``pseudo_labels``: rows that are not picked whose entropy (nats) lies below a threshold, and
    their likeliest class. They are good for one round of training and chosen anew each round. The
    threshold falls by ``decay * t`` in round t, from ``threshold`` in round 0, as the model becomes
    sure of more: in round ``iteration`` it is ``threshold - decay * t (t + 1) / 2``, not below 0. A
    score is the uncertainty: "least-confidence", "margin", "ratio" or "entropy".
    """
    if iteration < 0 or decay < 0.0:
        raise ConfigError(f"iteration and decay are not negative, got {iteration} and {decay}.")
    limit = max(0.0, threshold - decay * iteration * (iteration + 1) / 2.0)
    best = Best(budget, tie_seed(rng))
    score = measured(measure)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start, block in probabilities.blocks():
        rows = columns(block)
        best.add(start, score(rows))
        parts.append(_confident(rows, start, limit))
    indices, scores = best.result()
    sure, labels = map(np.concatenate, zip(*parts, strict=True))
    free = ~np.isin(sure, indices)
    return indices, scores, {"pseudo_indices": sure[free], "pseudo_labels": labels[free]}


def _confident(
    rows: Array, start: int, limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a block whose entropy lies below the limit, and their likeliest class."""
    sure = where_true(entropy_of(rows) < limit)
    return start + sure, host(namespace(rows).argmax(rows, axis=1))[sure]

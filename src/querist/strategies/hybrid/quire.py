"""QUIRE: rows whose label, whichever it is, a smooth function would fit with all others."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import beside, dots, host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows
from querist.strategies.windows import Near

# Labels at most: a matrix of them by themselves is inverted, 128 MB of this many.
MOST = 4000


@batchwise(
    paper="Huang, Jin & Zhou 2010 (NIPS), eq. 8; classes one against the rest, of which the worst "
    "counts; one question at a time there, a batch is the best by themselves",
    cost="O(n m (d + m)) time for m labels, O(n + m^2) memory",
    use="One question at a time, few labels and few dimensions in which what is near is alike; "
    "looks for what is far from all labels, and of many features asks for outliers.",
)
def quire(  # noqa: PLR0913 - a strategy's options are parameters
    embeddings: Rows,
    labelled_embeddings: Rows,
    labelled_classes: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    ridge: float = 1.0,
    gamma: float | None = None,
    classes: int | None = None,
) -> Picks:
    """The least loss of a kernel ridge regression that fits all labels and the worst for this row.

    The paper minimises over the labels of the rest of the pool, relaxed to numbers. They are then
    what the regression says, and cost nothing: of its matrix of the whole pool only labelled rows
    and the candidate are left, ``y' A y + (1 - f)^2 / v`` with the regression's ``f`` and its
    variance ``v`` (``A`` the inverse of kernel and ``ridge``). A score is that, negative, its
    largest over the classes. ``gamma`` is the Gaussian's, by default the mean criterion's.
    """
    if not ridge > 0.0:
        raise ConfigError(f"ridge is above 0, got {ridge}.")
    near = Near(embeddings, labelled_embeddings, labelled_classes, classes, gamma)
    count, known = len(near.numbers), near.known
    if known is None or count > MOST:
        raise ConfigError(
            f"quire takes 1 to {MOST:,} labelled items, whose matrix by themselves it inverts; got "
            f"{count:,}. Give some of the labels only, or take mcpal, which keeps no matrix and "
            "begins without labels."
        )
    kernel = host(near.similar(known, known)) + ridge * np.eye(count)
    factor = np.linalg.inv(np.linalg.cholesky(kernel))
    halves = factor @ np.where(near.numbers[:, None] == np.arange(near.classes), 1.0, -1.0)
    root, weights = beside(factor.T.copy(), known), beside(factor.T @ halves, known)
    fitted = beside((halves * halves).sum(axis=0), known)
    scores = np.zeros(len(embeddings))
    for start, block in near.pairs.blocks():
        like = near.similar(block, known)
        parts = like @ root
        variance = 1.0 + ridge - dots(parts, parts)
        worst = (1.0 - like @ weights) ** 2 / variance[:, None] + fitted[None]
        scores[start : start + len(block)] = -host(namespace(worst).amax(worst, axis=1))
    return ranked(scores, budget, rng)

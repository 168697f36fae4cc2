"""Kriging believer: a batch for the highest output, by believing each prediction in turn."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, dense, host, namespace
from querist.strategies.conditioning import Conditioned, best_free, matrix
from querist.strategies.contract import Picks, batchwise
from querist.strategies.mapped import Mapped, vector
from querist.strategies.normal import incumbent, log_improvement, standardised
from querist.strategies.rows import Rows


@batchwise(
    paper="Ginsbourger, Le Riche & Carraro 2010, algorithm 1 (kriging believer), with LogEI (Ament "
    "et al. 2023, arXiv 2310.20708) and the members' covariance",
    cost="O(n b T) time, O(n + b T) memory",
    use="Batches for the highest output from members or joint posterior samples, 50 or more.",
)
def kriging_believer(
    member_predictions: Rows, labels: Rows | None = None, *, budget: int, noise: float = 1e-4
) -> Picks:
    """Pick by log expected improvement; then go on as if the mean prediction had been observed.

    Mean and covariance of the outputs are those over members. To observe a mean leaves all means as
    they are, lowers variances, and may raise the incumbent. ``noise`` is the variance of a label's
    noise in units of the mean variance. Without labels the incumbent is the lowest mean. A score is
    the log expected improvement of a pick when it was made.
    """
    if not (np.isfinite(noise) and noise > 0.0):
        raise ConfigError(f"noise is a share of the mean variance above 0, got {noise}.")
    rows = vector(member_predictions)
    means = np.concatenate([_means(block) for _, block in rows.blocks()])
    centred = Mapped([rows], _centred, rows.shape[1])
    known = Conditioned(centred, matrix(None, centred), 0.0, budget)
    known.noise = noise * float(known.variances.mean())
    best = float(means.min()) if labels is None else incumbent(host(labels.whole()))
    taken = np.zeros(len(means), bool)
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for place in range(budget):
        z, spread = standardised(means, np.sqrt(known.variances), best)
        values = log_improvement(z) + np.log(spread)
        picks[place] = row = best_free(values, taken)
        scores[place] = values[row]
        taken[row] = True
        known.add(row)
        best = max(best, float(means[row]))
    return picks, scores


def _means(block: Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    wide = dense(block)
    return np.asarray(host(namespace(wide).mean(wide, axis=1)), float)


def _centred(block: Array) -> Array:
    """Rows whose inner products are covariances over members."""
    wide = dense(block)
    return (wide - namespace(wide).mean(wide, axis=1)[:, None]) / wide.shape[1] ** 0.5

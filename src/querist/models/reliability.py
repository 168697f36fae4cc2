"""From uncertainty to error: the maps, quantiles and temperatures that a calibrator fits.

Arrays in, numbers out: ``score`` is the uncertainty and ``error`` the true error of ``n`` labels
that the model was not trained on, both not negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_FOLDS = 5
_FLOOR = 1e-12  # of a probability


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """From uncertainty to standard deviation: linear between knots, proportional beyond the last.

    Attributes:
        x: ``(k,)`` uncertainties, increasing.
        y: ``(k,)`` standard deviations, not decreasing, positive.
        quantile: Half-width of an interval in units of the standard deviation; infinite where
            there are too few labels for the coverage.
    """

    x: Vector
    y: Vector
    quantile: float = float("inf")

    def __call__(self, score: Vector) -> Vector:
        """``(n,)`` standard deviations."""
        inside = np.interp(score, self.x, self.y)
        # A sample more uncertain than any that was checked must not look like the last of them.
        return np.where(score > self.x[-1], self.y[-1] * score / self.x[-1], inside)


def isotonic(score: Vector, error: Vector) -> tuple[Vector, Vector]:
    """Knots of the isotonic regression of ``(n,)`` errors on scores, with the errors' mean square.

    Kuleshov et al. 2018, Accurate uncertainties for deep learning using calibrated regression.
    """
    from scipy.optimize import isotonic_regression

    # Neighbours are averaged first, sqrt(n) / 2 of them (equal scores always together): at its ends
    # the regression would otherwise follow single labels.
    size = max(1, round(0.5 * np.sqrt(len(score))))
    rank = np.searchsorted(np.sort(score), score)
    _, group = np.unique(np.minimum(rank // size, len(score) // size - 1), return_inverse=True)
    counts = np.bincount(group)
    values, means = np.bincount(group, score) / counts, np.bincount(group, error) / counts
    fitted = isotonic_regression(means, weights=counts)
    starts, weights = np.asarray(fitted.blocks)[:-1], np.asarray(fitted.weights)
    x = np.add.reduceat(values * counts, starts) / weights
    y = np.asarray(fitted.x, np.float64)[starts]
    return x, y * np.sqrt((error**2).mean() / (np.interp(score, x, y) ** 2).mean())


def conformal_quantile(ratio: Vector, coverage: float) -> float:
    """The ``ceil((n + 1) coverage)``-th smallest of ``(n,)`` ratios; infinite where n is too small.

    Lei et al. 2018, Distribution-free predictive inference for regression, algorithm 2.
    """
    rank = int(np.ceil((len(ratio) + 1) * coverage - 1e-9))
    return float(np.sort(ratio)[rank - 1]) if rank <= len(ratio) else float("inf")


def normal_quantile(coverage: float) -> float:
    """Half-width z such that a normal variable lies within -+ z with this probability."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + 0.5 * coverage)


def fit_map(method: str, score: Vector, error: Vector, coverage: float) -> Map:
    """Fit a map to ``(n,)`` scores and errors of labels that the model was not trained on."""
    tiny = 1e-12 * max(float(error.max()), float(score.max()), 1e-100)
    score, error = np.maximum(score, tiny), np.maximum(error, tiny)
    if method == "isotonic":
        x, y = isotonic(score, error)
        y = np.maximum(y, tiny)
    else:
        factor = float(np.sqrt(((error / score) ** 2).mean()))
        if method == "conformal":
            edge = conformal_quantile(error / score, coverage) / normal_quantile(coverage)
            factor = edge if np.isfinite(edge) else factor
        top = float(score.max())
        x, y = np.array([0.0, top]), np.array([0.0, factor * top])
    fitted = Map(x, y)
    return Map(x, y, conformal_quantile(error / fitted(score), coverage))


def measured_coverage(method: str, score: Vector, error: Vector, coverage: float) -> float:
    """Share of ``(n,)`` labels within intervals that were fitted without them, in five folds."""
    folds = np.random.default_rng(0).permutation(len(score)) % min(_FOLDS, len(score))
    within = np.empty(len(score), np.bool_)
    for fold in range(int(folds.max()) + 1):
        out = folds == fold
        fitted = fit_map(method, score[~out], error[~out], coverage)
        within[out] = error[out] <= fitted.quantile * fitted(score[out])
    return float(within.mean())


def temper(probabilities: Vector, temperature: float) -> Vector:
    """``(n, k)`` probabilities to the power 1/T, normalised (Guo et al. 2017, eq. 9)."""
    logits = np.log(np.maximum(probabilities, _FLOOR)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def likelihood_loss(probabilities: Vector, classes: NDArray[np.int64]) -> float:
    """Mean negative log probability of the ``(n,)`` true classes, in nats."""
    true = probabilities[np.arange(len(classes)), classes]
    return float(-np.log(np.maximum(true, _FLOOR)).mean())


def fit_temperature(probabilities: Vector, classes: NDArray[np.int64]) -> float:
    """The temperature of least negative log likelihood, between 1/20 and 20."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return likelihood_loss(temper(probabilities, float(np.exp(log_temperature))), classes)

    edge = float(np.log(20.0))
    found = minimize_scalar(loss, bounds=(-edge, edge), method="bounded")
    return float(np.exp(found.x))

"""Where a learning curve goes: a mixture over saturating curves, with honest doubt from few.

A curve is ``y(n) = u + g (1 - f(n))`` with the level ``u`` at the first point, a gain ``g >= 0``
and a shape ``f`` that falls from 1 to 0: power laws ``(n / n0)^-c`` or exponentials
``exp(-(n - n0) / t)``, the two families that describe most learning curves (Viering and Loog, *The
shape of learning curves: a review*, IEEE TPAMI 2023, section 3). Given the shape and the noise the
model is linear, so its posterior is a Gaussian whose gain is cut off at zero; evidence and moments
are in closed form. Shapes and noise levels are a grid, weighted by their evidence. Two points
therefore give a wide forecast, never a confident one, and nothing iterates to a wrong optimum.

Real curves leave these shapes, and their measurements share a hold-out and most labels. Each is
therefore counted as half a measurement (the likelihood to the power 1/2: Miller and Dunson, *Robust
Bayesian inference via coarsening*, JASA 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError

Floats = NDArray[np.float64]

POWERS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)
TIMES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0, 16.0)  # in first numbers of labels
NOISES = (0.004, 0.01, 0.02, 0.04, 0.08, 0.16)  # standard deviations in units of the scale
WIDE = 1.0  # prior deviation of the level, in units of the scale
GAIN, SPREAD = 0.5, 0.5  # prior mean and deviation of the gain, in units of the room left
COUNTS = 0.5  # what a measurement counts for, against one that is independent
HUBER = 2.0  # residuals beyond so many robust deviations count less
ENOUGH = 5  # points from which on outliers can be told


@dataclass(frozen=True, slots=True)
class Forecast:
    """The metric at some number of labels.

    Attributes:
        labels: At how many.
        mean: Of the true curve, without the noise of measuring it.
        std: Of the same.
    """

    labels: float
    mean: float
    std: float

    def quantile(self, share: float) -> float:
        """The value below which the metric lies with this probability, taken as Gaussian."""
        from statistics import NormalDist

        return NormalDist(self.mean, max(self.std, 1e-12)).inv_cdf(share)

    def above(self, value: float) -> float:
        """Probability that the metric is above a value."""
        return normal_cdf((self.mean - value) / max(self.std, 1e-12))

    def beats(self, other: Forecast) -> float:
        """Probability that this is the higher one of two curves, taken as independent."""
        return normal_cdf((self.mean - other.mean) / max(math.hypot(self.std, other.std), 1e-12))


def normal_cdf(z: float) -> float:
    """Probability that a standard normal number is below ``z``."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


@dataclass(frozen=True)
class Curve:
    """A fitted learning curve: a mixture of saturating curves.

    Attributes:
        first: The first number of labels.
        weights: ``(m,)`` of the mixture.
        shapes: ``(m, 2)`` family (0 power, 1 exponential) and its constant.
        means: ``(m, 2)`` of level and gain, the gain known to be at least zero.
        covariances: ``(m, 2, 2)`` of the same.
        bounds: Lowest and highest value that the metric can have.
    """

    first: float
    weights: Floats
    shapes: Floats
    means: Floats
    covariances: Floats
    bounds: tuple[float, float]

    def at(self, labels: float) -> Forecast:
        """The forecast for a number of labels, not below the first one."""
        rising = 1.0 - _falling(np.array([labels]), self.first, self.shapes)[:, 0]
        means = self.means[:, 0] + self.means[:, 1] * rising
        row = np.stack([np.ones_like(rising), rising], axis=1)
        variances = np.einsum("mi,mij,mj->m", row, self.covariances, row)
        mean = float(self.weights @ means)
        variance = float(self.weights @ (variances + (means - mean) ** 2))
        low, high = self.bounds
        return Forecast(float(labels), min(max(mean, low), high), math.sqrt(max(variance, 0.0)))

    def along(self, labels: Sequence[float]) -> list[Forecast]:
        """The forecast at several numbers of labels."""
        return [self.at(one) for one in labels]


def fit(
    labels: Sequence[float],
    metric: Sequence[float],
    *,
    error: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Curve:
    """Fit a learning curve.

    Args:
        labels: ``(n,)`` numbers of labels, rising and above zero; one point is enough.
        metric: ``(n,)`` what was measured there; higher is better (give minus an error).
        error: Known standard error of a measurement, for example ``sqrt(a (1 - a) / m)`` of an
            accuracy on ``m`` items. Noise below it is not believed.
        bounds: Lowest and highest value that the metric can have. They set the scale of the priors;
            without bounds give the range that you would find plausible.

    Returns:
        The curve, to be asked for forecasts.

    Raises:
        ShapeError: If there are no points, they do not match, do not rise, or are not finite.
    """
    x, y = _checked(labels, metric, bounds)
    scale = bounds[1] - bounds[0]
    weights = np.full(len(x), COUNTS)
    curve = _posterior(x, y, weights, error, bounds)
    if len(x) >= ENOUGH:
        for _ in range(2):
            misses = y - np.array([one.mean for one in curve.along(x.tolist())])
            spread = max(1.4826 * float(np.median(np.abs(misses))), error, 0.005 * scale)
            weights = COUNTS * np.minimum(1.0, HUBER * spread / np.maximum(np.abs(misses), 1e-12))
            curve = _posterior(x, y, weights, error, bounds)
    return curve


def _checked(
    labels: Sequence[float], metric: Sequence[float], bounds: tuple[float, float]
) -> tuple[Floats, Floats]:
    x, y = np.asarray(labels, float), np.asarray(metric, float)
    good = x.ndim == 1 and len(x) > 0 and x.shape == y.shape
    if not good or not np.isfinite([x, y]).all() or x[0] <= 0 or (np.diff(x) <= 0).any():
        raise ShapeError(
            "a learning curve is one finite metric for each of one or more rising numbers of "
            f"labels above zero, but got labels {x.tolist()} and metrics {y.tolist()}."
        )
    if not bounds[0] < bounds[1]:
        raise ShapeError(f"the lower bound of a metric is below the upper one, but got {bounds}.")
    return x, y


@cache
def _grid() -> tuple[Floats, Floats]:
    """``(m, 2)`` shapes and ``(m,)`` noise levels; the two families weigh the same."""
    shapes = [(0.0, c, 1 / len(POWERS)) for c in POWERS]
    shapes += [(1.0, t, 1 / len(TIMES)) for t in TIMES]
    pairs = [(*shape, noise) for shape in shapes for noise in NOISES]
    table = np.array(pairs)
    return table[:, :3], table[:, 3]


def _falling(x: Floats, first: float, shapes: Floats) -> Floats:
    """``(m, n)`` values of each shape, from 1 at the first number of labels towards 0."""
    ratio = np.maximum(x[None, :] / first, 1.0)
    constant = shapes[:, 1:2]
    power = ratio**-constant
    exponential = np.exp(-(ratio - 1.0) / constant)
    return np.where(shapes[:, :1] == 0, power, exponential)


def _posterior(
    x: Floats, y: Floats, weights: Floats, error: float, bounds: tuple[float, float]
) -> Curve:
    shapes, noises = _grid()
    scale = bounds[1] - bounds[0]
    variance = np.maximum(noises * scale, error) ** 2
    rising = 1.0 - _falling(x, x[0], shapes)
    design = np.stack([np.ones_like(rising), rising], axis=2)
    # Before the curve is seen, about half of what the bound leaves is gained, give or take as much.
    room = max(bounds[1] - float(y[0]), 0.1 * scale)
    prior = np.diag([(WIDE * scale) ** -2, (SPREAD * room) ** -2])
    centre = np.array([float(y[0]), GAIN * room])
    scaled = design * weights[None, :, None]
    precision = prior + np.einsum("mni,mnj->mij", scaled, design) / variance[:, None, None]
    covariance = np.linalg.inv(precision)
    right = prior @ centre + np.einsum("mni,n->mi", scaled, y) / variance[:, None]
    mean = np.einsum("mij,mj->mi", covariance, right)
    evidence = _evidence(y, weights, variance, mean, precision, (prior, centre))
    mean, covariance, inside = _cut(mean, covariance)
    total = evidence + inside + np.log(shapes[:, 2])
    share = np.exp(total - total.max())
    return Curve(float(x[0]), share / share.sum(), shapes[:, :2], mean, covariance, bounds)


def _evidence(
    y: Floats,
    weights: Floats,
    variance: Floats,
    mean: Floats,
    precision: Floats,
    prior: tuple[Floats, Floats],
) -> Floats:
    """``(m,)`` logarithm of the evidence of each component, up to a constant."""
    matrix, centre = prior
    squares = (
        (weights * y**2).sum() / variance
        + centre @ matrix @ centre
        - np.einsum("mi,mij,mj->m", mean, precision, mean)
    )
    noise = weights.sum() * np.log(variance)
    found: Floats = -0.5 * (squares + noise + np.linalg.slogdet(precision)[1])
    return found


def _cut(mean: Floats, covariance: Floats) -> tuple[Floats, Floats, Floats]:
    """Moments when the gain is at least zero, and the logarithm of that half's probability."""
    deviation = np.sqrt(covariance[:, 1, 1])
    z = mean[:, 1] / deviation
    inside = _log_cdf(z)
    hazard = np.exp(-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - inside)
    shift = deviation * hazard
    shrink = np.clip(hazard * (hazard + z), 0.0, 1.0)
    slope = covariance[:, :, 1] / covariance[:, 1:2, 1]
    moved = mean + slope * shift[:, None]
    moved[:, 1] = np.maximum(moved[:, 1], 0.0)
    lost = (deviation**2 * shrink)[:, None, None] * slope[:, :, None] * slope[:, None, :]
    return moved, covariance - lost, inside


def _log_cdf(z: Floats) -> Floats:
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(z))

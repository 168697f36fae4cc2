"""The standard normal distribution and improvement under it, of NumPy arrays and tensors alike."""

from __future__ import annotations

import math
from typing import Any

from querist.core.errors import ShapeError
from querist.strategies import tensors
from querist.strategies.arrays import Array, namespace

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
# Least standard deviation that is divided by, and how far from the incumbent anything may lie:
# the square of the ratio is still a number.
LEAST = 1e-100
FARTHEST = 1e50
# Where the exact form has lost three digits to cancellation, and the series of the tail is as good.
CROSSING = -50.0


def special(array: Array) -> Any:
    """The module of special functions for an array: ``ndtr``, ``log_ndtr``, ``erfcx``."""
    if tensors.is_tensor(array):
        return tensors.torch().special
    import scipy.special

    return scipy.special


def single(predictions: Array) -> Array:
    """``(k,)`` numbers of one output.

    Raises:
        ShapeError: If there are several.
    """
    if predictions.ndim == 1:
        return predictions
    if predictions.shape[1] != 1:
        raise ShapeError(
            f"an acquisition is of one number an item, but predictions have {predictions.shape[1]}."
        )
    return predictions[:, 0]


def incumbent(labels: Array) -> float:
    """The best label so far.

    Raises:
        ShapeError: If there is none, or labels have several outputs.
    """
    if not len(labels):
        raise ShapeError("labels hold no item: improvement needs one to improve on.")
    return float(single(labels).max())


def deviations(std: Array) -> Array:
    """``(k,)`` standard deviations of one output.

    Raises:
        ShapeError: If one is negative.
    """
    spread = single(std)
    if bool((spread < 0).any()):
        raise ShapeError("std has negative values; give standard deviations, not logarithms.")
    return spread


def standardised(mean: Array, std: Array, best: float) -> tuple[Array, Array]:
    """``((mean - best) / std, std)`` with both kept within what can be computed with.

    Raises:
        ShapeError: If a standard deviation is negative.
    """
    xp = namespace(mean)
    spread = xp.clip(deviations(std), LEAST, None)
    return xp.clip(single(mean) - best, -FARTHEST, FARTHEST) / spread, spread


def density(z: Array) -> Array:
    """The standard normal density."""
    return namespace(z).exp(-0.5 * z * z - LOG_ROOT_2PI)


def log_improvement(z: Array) -> Array:
    """``log(density(z) + z * cdf(z))``, to full precision for every ``z``.

    Equations 9 and 14 of Ament et al. 2023 (arXiv 2310.20708): for ``z`` below -1 the sum cancels,
    and is written with the scaled complementary error function instead; where that cancels too,
    with the asymptotic series of the tail, ``density(z) / z^2 * (1 - 3 / z^2 + 15 / z^4 ...)``.
    """
    xp = namespace(z)
    high = xp.clip(z, -1.0, None)
    near = xp.log(density(high) + high * special(z).ndtr(high))
    low = xp.clip(z, CROSSING, -1.0)
    middle = xp.log1p(low * (math.pi / 2.0) ** 0.5 * special(z).erfcx(low * -(0.5**0.5)))
    t = 1.0 / xp.clip(z, None, CROSSING) ** 2
    series = xp.log(t) + xp.log1p(t * (-3.0 + t * (15.0 + t * (-105.0 + t * 945.0))))
    tail = (
        -0.5 * xp.clip(z, None, -1.0) ** 2 - LOG_ROOT_2PI + xp.where(z < CROSSING, series, middle)
    )
    return xp.where(z > -1.0, near, tail)

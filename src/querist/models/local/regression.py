"""Bayesian linear regression from sums over the data, with noise and prior found by the evidence.

MacKay, Neural Computation 4, 415, 1992; Bishop, Pattern Recognition and Machine Learning, 2006,
section 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import RunError

FloatArray = NDArray[np.float64]
_ROUNDS = 200


@dataclass(slots=True)
class Sums:
    """What a regression needs of its equations ``X w = y``.

    Attributes:
        square: ``X^T X`` (p, p).
        right: ``X^T y`` (p,).
        wanted: ``y^T y``.
        rows: Number of equations.
    """

    square: FloatArray
    right: FloatArray
    wanted: float = 0.0
    rows: int = 0

    @classmethod
    def none(cls, width: int) -> Sums:
        """Of no equations."""
        return cls(np.zeros((width, width)), np.zeros(width))

    def add(self, matrix: FloatArray, wanted: FloatArray) -> None:
        """Take equations in."""
        self.square += matrix.T @ matrix
        self.right += matrix.T @ wanted
        self.wanted += float(wanted @ wanted)
        self.rows += len(wanted)

    def copy(self) -> Sums:
        """Sums that can be added to apart."""
        return Sums(self.square.copy(), self.right.copy(), self.wanted, self.rows)


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the data say of the weights.

    Attributes:
        weights: Mean (p,).
        half: Matrix (p, p) whose product with its transpose is the covariance.
        noise: Standard deviation of the equations' right-hand sides.
        effective: Number of weights that the data determine.
    """

    weights: FloatArray
    half: FloatArray
    noise: float
    effective: float


def regress(sums: Sums, free: NDArray[np.integer], width: FloatArray) -> Posterior:
    """Infer weights, the size of the noise and that of the prior.

    Args:
        sums: Of the equations.
        free: Weights whose prior is flat (constants); they are fitted first, alone.
        width: Relative prior standard deviation of each weight (p,), in units of the inverse size
            of its column.

    Raises:
        RunError: If there is nothing to fit.
    """
    if not sums.rows:
        raise RunError("a local potential needs at least one label to fit.")
    start = np.zeros(len(sums.right))
    block = sums.square[np.ix_(free, free)]
    start[free] = np.linalg.lstsq(block, sums.right[free], rcond=1e-10)[0]
    right = sums.right - sums.square @ start
    wanted = sums.wanted - 2.0 * float(start @ sums.right) + float(start @ sums.square @ start)
    size = np.sqrt(np.diagonal(sums.square) / sums.rows)
    scale = np.where(size > 0.0, width / np.where(size > 0.0, size, 1.0), 0.0)
    values, vectors = np.linalg.eigh(scale[:, None] * sums.square * scale)
    turned = vectors.T @ (scale * right)
    # Below rounding nothing is known, and what stands there would be amplified without bound.
    known = values > len(values) * np.finfo(np.float64).eps * values[-1]
    values, turned = np.where(known, values, 0.0), np.where(known, turned, 0.0)
    alpha, beta = _evidence(values, turned, wanted, sums.rows)
    mean = beta * turned / (beta * values + alpha)
    half = scale[:, None] * vectors / np.sqrt(beta * values + alpha)
    effective = float((beta * values / (beta * values + alpha)).sum())
    return Posterior(start + scale * (vectors @ mean), half, beta**-0.5, effective)


def _evidence(
    values: FloatArray, turned: FloatArray, wanted: float, rows: int
) -> tuple[float, float]:
    """Precisions of prior and noise at which the data are most likely (fixed-point rounds)."""
    alpha, beta = 1.0, 1.0
    for _ in range(_ROUNDS):
        mean = beta * turned / (beta * values + alpha)
        gamma = float((beta * values / (beta * values + alpha)).sum())
        left = wanted - 2.0 * float(turned @ mean) + float(values @ mean**2)
        left = max(left, 1e-12 * max(wanted, 1e-300))
        before = alpha, beta
        alpha = max(gamma, 1e-9) / max(float(mean @ mean), 1e-300)
        beta = max(rows - gamma, 1e-3 * rows) / left
        alpha, beta = float(np.clip(alpha, 1e-12, 1e12)), float(np.clip(beta, 1e-12, 1e12))
        if abs(np.log(alpha / before[0])) + abs(np.log(beta / before[1])) < 1e-4:
            break
    return alpha, beta

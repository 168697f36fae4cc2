"""Stationary kernels of a scaled distance, their slopes and their spectra.

``r`` is the Euclidean distance between inputs that were divided by their length scales.
Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eqs. 4.9 and 4.17.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

Matrix = NDArray[np.float64]
KERNELS = ("matern52", "rbf")
_ROOT5 = np.sqrt(5.0)


def check_kernel(name: str) -> str:
    """Return the name of a kernel.

    Raises:
        ConfigError: If there is none of this name.
    """
    if name not in KERNELS:
        raise ConfigError(f"wanted a kernel of {list(KERNELS)}, but got {name!r}.")
    return name


def squared_distances(a: Matrix, b: Matrix) -> Matrix:
    """``(n, m)`` squared distances between the rows of ``(n, d)`` and ``(m, d)``."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2.0 * (a @ b.T)
    return np.asarray(np.maximum(squares, 0.0))


def correlation(name: str, squared: Matrix) -> Matrix:
    """k(r), 1 at distance 0.

    Args:
        name: One of ``KERNELS``.
        squared: r^2, any shape.
    """
    if name == "rbf":
        return np.exp(-0.5 * squared)
    scaled = _ROOT5 * np.sqrt(squared)
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))


def slope(name: str, squared: Matrix) -> Matrix:
    """-2 dk/d(r^2): the factor of (x_d - x'_d)^2 / l_d^2 in dk/dlog(l_d)."""
    if name == "rbf":
        return np.exp(-0.5 * squared)
    scaled = _ROOT5 * np.sqrt(squared)
    return np.asarray((5.0 / 3.0) * (1.0 + scaled) * np.exp(-scaled))


def frequencies(name: str, shape: tuple[int, int], rng: np.random.Generator) -> Matrix:
    """``(d, features)`` draws from the spectral density at length scale 1.

    Normal for ``rbf`` (Rahimi & Recht 2007), Student's t with 5 degrees of freedom for
    ``matern52`` (its density is the transform of the kernel's covariance).
    """
    normal = rng.standard_normal(shape)
    if name == "rbf":
        return normal
    return normal / np.sqrt(rng.chisquare(5.0, shape[1]) / 5.0)

"""Radial kernels on descriptors, with the derivatives that a gradient-domain model needs.

A radial kernel of ``d = D - D'`` has, with two scalar functions ``first`` and ``second`` of
``|d|``, the derivatives::

    dk / dD          = -first d
    d2k / (dD dD'^T) =  first 1 - second d d^T

so a kernel is these two functions and its value; see Chmiela et al., Nat. Commun. 2018, 9, 3887.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Radial:
    """A radial kernel at given distances; all of the shape of the squared distances.

    Attributes:
        drop: The kernel less its value 1 at distance zero. Coefficients of energies are large
            and sum to zero, so leaving out the 1 keeps a digit of the energy.
        first: ``-k'(r) / r``, in Angstrom^2.
        second: ``first'(r) / -r``, in Angstrom^4.
    """

    drop: FloatArray
    first: FloatArray
    second: FloatArray

    @property
    def value(self) -> FloatArray:
        """The kernel, 1 at distance zero."""
        return np.asarray(1.0 + self.drop)


RadialKernel = Callable[[FloatArray, FloatArray], Radial]
"""Squared distances and length scales (broadcastable) to the kernel's functions."""


def _drop(s: FloatArray, polynomial: FloatArray) -> FloatArray:
    """``(1 + polynomial) exp(-s) - 1`` without cancellation of the 1."""
    return np.asarray(np.expm1(-s) * (1.0 + polynomial) + polynomial)


def matern52(squared: FloatArray, length: FloatArray) -> Radial:
    """Matern kernel of smoothness 5/2: ``(1 + s + s^2 / 3) exp(-s)``, ``s = sqrt(5) r / length``.

    Energies are twice differentiable, so forces and their derivatives are continuous.
    """
    s = np.sqrt(5.0 * squared) / length
    decay = np.exp(-s)
    second = decay * (25.0 / 3.0) / length**4
    first = second * (1.0 + s) * (length**2 / 5.0)
    return Radial(_drop(s, s + s * s / 3.0), first, second)


def gaussian(squared: FloatArray, length: FloatArray) -> Radial:
    """Gaussian kernel ``exp(-r^2 / (2 length^2))``, infinitely smooth."""
    exponent = -0.5 * squared / length**2
    first = np.exp(exponent) / length**2
    return Radial(np.expm1(exponent), first, first / length**2)


def matern72(squared: FloatArray, length: FloatArray) -> Radial:
    """Matern kernel of smoothness 7/2, with ``s = sqrt(7) r / length``."""
    s = np.sqrt(7.0 * squared) / length
    decay = np.exp(-s)
    second = decay * (49.0 / 15.0) * (1.0 + s) / length**4
    first = decay * (7.0 / 5.0) * (1.0 + s + s * s / 3.0) / length**2
    return Radial(_drop(s, s + 0.4 * s * s + s**3 / 15.0), first, second)


def inverse_quadratic(squared: FloatArray, length: FloatArray) -> Radial:
    """Rational quadratic kernel of shape 1, ``1 / (1 + r^2 / (2 length^2))``.

    A mixture of Gaussians of all length scales: as smooth as one, with tails that fall slowly.
    It needs no exponential. (Rasmussen and Williams, Gaussian Processes for Machine Learning,
    2006, equation 4.19.)
    """
    scaled = squared / (2.0 * length**2)
    value = 1.0 / (1.0 + scaled)
    first = value * value / length**2
    return Radial(-scaled * value, first, first * value * (2.0 / length**2))


KERNELS: dict[str, RadialKernel] = {
    "inverse_quadratic": inverse_quadratic,
    "gaussian": gaussian,
    "matern52": matern52,
    "matern72": matern72,
}
"""Kernels by the name under which a model's state records them."""


def kernel_named(name: str) -> RadialKernel:
    """The kernel of that name.

    Raises:
        ValueError: No kernel has that name.
    """
    if name not in KERNELS:
        raise ValueError(f"wanted a kernel among {sorted(KERNELS)}, got {name!r}")
    return KERNELS[name]


def squared_distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """Squared distances (..., a, b) of rows (..., a, p) and (..., b, p), by a matrix product.

    Shift both by their common centre first: the product loses digits far from the origin.
    """
    squares = np.einsum("...p,...p->...", left, left)[..., :, None]
    squares = squares + np.einsum("...p,...p->...", right, right)[..., None, :]
    squares -= 2.0 * (left @ np.swapaxes(right, -1, -2))
    return np.asarray(np.maximum(squares, 0.0))

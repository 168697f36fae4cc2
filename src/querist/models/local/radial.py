"""Functions of a distance: Chebyshev polynomials of a stretched distance, smoothly cut off.

The basis is that of the atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104, 2019; with the
distance transform of Dusson et al., J. Comput. Phys. 454, 110946, 2022): ``T_k(x(r)) f(r)`` with
``x`` linear in ``(r0 / r)^2``, from 1 at ``inner`` to -1 at ``cutoff``, and the cut-off function
``f(r) = (1 - (r / cutoff)^2)^3``, whose first and second derivatives vanish at the cutoff. Below
``inner`` every function goes on as a straight line, so that a repulsion that was learned there
stays a repulsion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Radial:
    """A radial basis.

    Attributes:
        count: Number of functions ``K``.
        inner: Where they begin, in Angstrom.
        cutoff: Where they end, in Angstrom.
    """

    count: int
    inner: float
    cutoff: float

    def __call__(self, distance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and derivatives (K, P) at distances (P,); the derivatives in 1/Angstrom."""
        r = np.clip(distance, self.inner, self.cutoff)
        top, end = 1.0 / self.inner**2, 1.0 / self.cutoff**2
        scale = 2.0 / (top - end)
        x = (1.0 / r**2 - end) * scale - 1.0
        dx = -2.0 * scale / r**3
        share = 1.0 - (r / self.cutoff) ** 2
        smooth, slope = share**3, -6.0 * r / self.cutoff**2 * share**2
        values, derivatives = np.empty((2, self.count, *np.shape(distance)))
        self._fill(values, derivatives, x, dx, (smooth, slope))
        below = distance < self.inner
        if below.any():
            values += np.where(below, distance - self.inner, 0.0) * derivatives
        return values, derivatives

    def _fill(
        self,
        values: FloatArray,
        derivatives: FloatArray,
        x: FloatArray,
        dx: FloatArray,
        cut: tuple[FloatArray, FloatArray],
    ) -> None:
        """Chebyshev's recursion, in place: ``T_k = 2 x T_(k-1) - T_(k-2)``, times the cut-off."""
        smooth, slope = cut
        values[0], derivatives[0] = smooth, slope
        if self.count == 1:
            return
        rise = dx * smooth
        np.multiply(x, smooth, out=values[1])
        derivatives[1] = x * slope + rise
        double, rise = 2.0 * x, 2.0 * dx
        spare = np.empty_like(x)
        for k in range(2, self.count):  # the cut-off is in the first two, and so in all
            np.multiply(double, values[k - 1], out=values[k])
            values[k] -= values[k - 2]
            np.multiply(double, derivatives[k - 1], out=derivatives[k])
            derivatives[k] -= derivatives[k - 2]
            np.multiply(rise, values[k - 1], out=spare)
            derivatives[k] += spare

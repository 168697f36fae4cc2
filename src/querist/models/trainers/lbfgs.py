"""L-BFGS (Nocedal & Wright 2006, algorithm 7.5) for smooth convex losses, in a few vectors.

SciPy's runs LAPACK in threads on matrices of twenty numbers a side: on two busy cores, two heads of
30 and 60 labels took 29.6 s in it, and 0.3 s where BLAS was told to use one thread, which a library
must not tell its host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Loss = Callable[[Vector], tuple[float, Vector]]

_MEMORY = 10
_ARMIJO, _LEAST_STEP = 1e-4, 1e-12


def minimise(
    loss: Loss, start: Vector, iterations: int, *, slope: float = 1e-6, change: float = 1e-12
) -> tuple[Vector, int]:
    """The least of a convex loss, and the iterations that it took.

    Args:
        loss: Gives value and gradient.
        start: ``(n,)``.
        iterations: At most so many.
        slope: It ends where no component of the gradient is larger.
        change: It ends where the value falls by less, relative to it.
    """
    x, (value, gradient) = start, loss(start)
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=_MEMORY)
    for iteration in range(iterations):
        if np.abs(gradient).max(initial=0.0) <= slope:
            return x, iteration
        direction = _direction(gradient, pairs)
        first = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        found = _step(loss, (x, value, gradient), direction, first)
        if found is None:  # rounding is all that is left
            return x, iteration
        moved, lower, other = found
        s, y = moved - x, other - gradient
        if (curvature := float(s @ y)) > 0.0:
            pairs.append((s, y, curvature))
        fell = value - lower
        x, value, gradient = moved, lower, other
        if fell <= change * max(abs(value), 1.0):
            return x, iteration + 1
    return x, iterations


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Minus the gradient times the inverse Hessian, as the last steps know it (algorithm 7.4)."""
    q, shares = -gradient, list[float]()
    for s, y, curvature in reversed(pairs):
        shares.append(float(s @ q) / curvature)
        q = q - shares[-1] * y
    if pairs:
        _, y, curvature = pairs[-1]
        q = q * (curvature / float(y @ y))
    for (s, y, curvature), share in zip(pairs, reversed(shares), strict=True):
        q = q + (share - float(y @ q) / curvature) * s
    return q


def _step(
    loss: Loss, here: tuple[Vector, float, Vector], direction: Vector, first: float
) -> tuple[Vector, float, Vector] | None:
    """The longest of the halved steps that the value falls enough on (Armijo's condition)."""
    x, value, gradient = here
    falls, length = float(gradient @ direction), first
    while length >= _LEAST_STEP:
        moved = x + length * direction
        lower, slope = loss(moved)
        if lower <= value + _ARMIJO * length * falls:
            return moved, lower, slope
        length /= 2
    return None

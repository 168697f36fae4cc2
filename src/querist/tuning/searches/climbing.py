"""From a candidate to the nearest maximum of its acquisition."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEP = 1e-6  # of forward differences, in units of a range
MOST = 50  # iterations
FAILED = 1e25


def climbed(
    start: Floats,
    columns: Sequence[int],
    score: Callable[[Floats], Floats],
    limits: Sequence[Mapping[str, Any]] = (),
) -> Floats:
    """``(f,)`` features at a maximum of the score near a start; only some columns move.

    L-BFGS-B within the unit cube (Byrd, Lu, Nocedal & Zhu 1995), as of BoTorch (Balandat et al.
    2020, arXiv 1910.06403, section 4). Gradients are differences: their points are scored together,
    which costs hardly more than one, and any score has them, with its limits, costs and draws.
    Where sums are bounded it is sequential quadratic programming (SLSQP, Kraft 1988).

    Args:
        start: ``(f,)`` features.
        columns: Those that move, in [0, 1].
        score: Of ``(k, f)`` features ``(k,)`` numbers, large is good.
        limits: What SciPy's SLSQP is told of the columns that move.
    """
    from scipy.optimize import minimize

    chosen = list(columns)
    moved = np.arange(1, len(chosen) + 1)

    def down(places: Floats) -> tuple[float, Floats]:
        points = np.tile(start, (len(chosen) + 1, 1))
        points[:, chosen] = places
        steps = np.where(places > 0.5, -STEP, STEP)
        points[moved, chosen] += steps
        values = score(points)
        if not np.isfinite(values).all():
            return FAILED, np.zeros(len(chosen))
        return -float(values[0]), -(values[1:] - values[0]) / steps

    first, bounds = start[chosen], [(0.0, 1.0)] * len(chosen)
    told: dict[str, Any] = {"method": "L-BFGS-B"}
    if limits:
        told = {"method": "SLSQP", "constraints": list(limits)}
    with warnings.catch_warnings():  # SLSQP warns of steps that it takes back into the cube
        warnings.simplefilter("ignore", RuntimeWarning)
        found = minimize(down, first, jac=True, bounds=bounds, options={"maxiter": MOST}, **told)
    end = start.copy()
    if not np.isfinite(found.x).all():
        return end
    end[chosen] = np.clip(found.x, 0.0, 1.0)
    return end

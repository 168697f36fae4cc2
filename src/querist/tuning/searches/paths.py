"""Functions drawn from the posterior of a Gaussian process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.models import kernels
from querist.models.gaussian_process import covariance
from querist.tuning.searches.beliefs import Process

Floats = NDArray[np.float64]
FEATURES = 1024


def drawn(
    process: Process, rng: np.random.Generator, features: int = FEATURES
) -> Callable[[Floats], Floats]:
    """A function of ``(k, f)`` features that is one draw from the posterior, everywhere consistent.

    Pathwise conditioning (Wilson et al. 2020, arXiv 2002.09309, eq. 13): a draw from the prior by
    random Fourier features (Rahimi & Recht 2007), corrected by the exact update.

    Args:
        process: It.
        rng: Of the draw.
        features: How many random features.
    """
    from scipy.linalg import cho_solve

    held = process.held
    theta, kernel = held.theta, process.kernel
    lengths, scale = np.exp(theta[1:-1]), np.sqrt(2.0 * np.exp(theta[0]) / features)
    waves = kernels.frequencies(kernel, (len(lengths), features), rng) / lengths[:, None]
    phases = rng.uniform(0.0, 2.0 * np.pi, features)
    weights = scale * rng.standard_normal(features)

    def prior(X: Floats) -> Floats:
        return np.asarray(np.cos(X @ waves + phases) @ weights)

    noise = np.sqrt(held.noise) * rng.standard_normal(len(held.X))
    update = held.alpha - cho_solve((held.chol, True), prior(held.X) + noise)

    def function(X: Floats) -> Floats:
        scaled = held.inputs(X)
        return held.output(prior(scaled) + covariance(kernel, scaled, held.X, theta) @ update)

    return function

"""Labels that are not exact: what their standard errors are in the units of the kernel.

The kernel has the variance 1 for energies, and labels are exact enough for most uses that this
never matters. Beside noise of known size it does: with ``s2`` the prior variance of the energy in
eV^2, the covariance of the labels is ``s2 K + D``, where ``D`` is diagonal and holds the squares of
the standard errors. ``s2`` is taken where the labels are most likely (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, equation 5.8); in the kernel's units the noise is
``D / s2``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

FloatArray = NDArray[np.float64]

_LEAST = 1e-4
"""No error is taken for smaller than this share of the labels' root mean square."""
_WITHIN = 20.0
"""How far, in powers of e, ``s2`` is looked for on either side of the plain estimate."""


def variances_of(bases: FloatArray, errors: FloatArray, labels: FloatArray) -> FloatArray:
    """Variances of the forces' components in internal bases.

    Args:
        bases: ``TrainingPoints.bases`` (T, 3 n, m).
        errors: Standard errors of Cartesian components (T, n, 3) in eV/Angstrom.
        labels: The forces (T m,) in the bases; no error is less than a small share of them.

    Returns:
        (T m,) in eV^2/Angstrom^2.
    """
    squares = np.square(errors).reshape(len(errors), -1)
    found = np.einsum("tcm,tc->tm", bases**2, squares).ravel()
    return np.asarray(np.maximum(found, _LEAST**2 * np.mean(labels**2)))


def prior_variance(gram: FloatArray, labels: FloatArray, variances: FloatArray) -> float:
    """The variance ``s2`` of the energy, in eV^2, with which noisy labels are most likely.

    Args:
        gram: Covariances of forces (k, k) by the kernel, of which the lower triangle is read.
        labels: Those forces (k,) in eV/Angstrom.
        variances: Of their noise (k,), positive, in eV^2/Angstrom^2.
    """
    root = np.sqrt(variances)
    values, vectors = eigh(gram / np.outer(root, root), lower=True)
    values = np.maximum(values, 0.0)
    squares = np.square(vectors.T @ (labels / root))

    def unlikely(log_s2: float) -> float:
        total = np.exp(log_s2) * values + 1.0
        return float((squares / total).sum() + np.log(total).sum())

    plain = np.log(np.mean(labels**2) / np.mean(np.diagonal(gram)))
    found = minimize_scalar(unlikely, bounds=(plain - _WITHIN, plain + _WITHIN), method="bounded")
    return float(np.exp(found.x))

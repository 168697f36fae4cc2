"""The inverse-distance descriptor of a molecule and its derivative.

A geometry of ``n`` atoms is described by its ``p = n (n - 1) / 2`` inverse distances
``D_ij = 1 / r_ij`` in 1/Angstrom (Chmiela et al., Sci. Adv. 2017, 3, e1603015), which no
translation, rotation or reflection changes. Pairs are in the order of ``numpy.triu_indices``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Descriptors of a batch of geometries, with what their derivative needs.

    Attributes:
        values: Inverse distances (..., p) in 1/Angstrom.
        gradients: Derivative of each by the position of its first atom (..., p, 3), in
            1/Angstrom^2; that by its second atom is the negative.
    """

    values: FloatArray
    gradients: FloatArray


@lru_cache(maxsize=64)
def atom_pairs(atoms: int) -> tuple[IntArray, IntArray]:
    """First and second atom of each pair, (p,) each; read-only because they are shared."""
    first, second = np.triu_indices(atoms, 1)
    first.flags.writeable = second.flags.writeable = False
    return first, second


@lru_cache(maxsize=64)
def _incidence(atoms: int) -> FloatArray:
    """Matrix (n, p): +1 where an atom is the first of a pair, -1 where it is the second."""
    first, second = atom_pairs(atoms)
    matrix = np.zeros((atoms, len(first)))
    matrix[first, np.arange(len(first))] = 1.0
    matrix[second, np.arange(len(first))] = -1.0
    matrix.flags.writeable = False
    return matrix


def describe(positions: FloatArray) -> Descriptors:
    """Describe geometries.

    Two atoms in the same place make that geometry's values non-finite, and nothing else: one
    walker that has exploded must not stop the others in its batch.

    Args:
        positions: Positions (..., n, 3) in Angstrom.

    Returns:
        Values (..., p) and gradients (..., p, 3).
    """
    first, second = atom_pairs(positions.shape[-2])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        difference = positions[..., first, :] - positions[..., second, :]
        values = 1.0 / np.sqrt(np.einsum("...i,...i->...", difference, difference))
        gradients = -(values**3)[..., None] * difference
    return Descriptors(values, gradients)


def pull_back(covector: FloatArray, gradients: FloatArray, atoms: int) -> FloatArray:
    """Carry a derivative by the descriptor to one by the positions: ``J^T covector``.

    Args:
        covector: Derivative by the descriptor (..., p).
        gradients: ``Descriptors.gradients``, broadcastable to (..., p, 3).
        atoms: Number of atoms ``n``.

    Returns:
        Derivative by the positions (..., n, 3).
    """
    return np.asarray(_incidence(atoms) @ (covector[..., None] * gradients))


def jacobian(gradients: FloatArray, atoms: int) -> FloatArray:
    """The full Jacobian ``dD / dx`` (..., p, 3 n) from ``Descriptors.gradients``."""
    dense = _incidence(atoms).T[:, :, None] * gradients[..., :, None, :]
    return dense.reshape(*gradients.shape[:-1], 3 * atoms)


def internal_basis(jacobians: FloatArray) -> FloatArray:
    """Orthonormal bases of the displacements that change the descriptor.

    Translations and rotations change no distance, so forces and kernel live in at most
    ``3 n - 6`` dimensions a geometry. Solving there is exact and, for nine atoms, halves the
    work of a Cholesky factorisation.

    Args:
        jacobians: Jacobians (T, p, 3 n).

    Returns:
        Bases (T, 3 n, m), columns orthonormal, ``m = min(p, 3 n - 6)`` and at least 1.
    """
    pairs, coordinates = jacobians.shape[-2:]
    dimension = max(1, min(pairs, coordinates - 6))
    _, _, rows = np.linalg.svd(jacobians, full_matrices=False)
    return np.ascontiguousarray(np.swapaxes(rows[:, :dimension, :], 1, 2))


def permute_pairs(permutations: IntArray) -> IntArray:
    """What permutations of atoms do to the descriptor.

    Args:
        permutations: Permutations of atoms (g, n).

    Returns:
        Indices (g, p) with ``describe(x[permutations[q]]).values ==
        describe(x).values[indices[q]]``.
    """
    atoms = permutations.shape[1]
    first, second = atom_pairs(atoms)
    lookup = np.zeros((atoms, atoms), dtype=np.int64)
    lookup[first, second] = lookup[second, first] = np.arange(len(first))
    return lookup[permutations[:, first], permutations[:, second]]

"""The kernel matrix of a training set: covariances of its forces, and of its energies.

The energy is a Gaussian process on symmetrised descriptors,
``cov(E, E') = sum_q k(D, P_q D')`` over the permutations ``q``. Forces are minus its derivative,
so, with ``d = D - P_q D'``, ``J`` the Jacobians and the kernel's functions ``first``, ``second``::

    cov(F, F') = sum_q J^T (first 1 - second d d^T) P_q J'
    cov(E, F') = sum_q -first d^T P_q J'

(Chmiela et al., Nat. Commun. 2018, 9, 3887). Forces are in the bases of
``descriptor.internal_basis``, ``m`` components a geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .descriptor import describe, internal_basis, jacobian, permute_pairs
from .kernel import Radial, RadialKernel, squared_distances
from .solve import ShouldStop, check_stop

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingPoints:
    """A training set as the kernel sees it.

    Attributes:
        descriptors: Descriptors less ``centre`` (T, p).
        jacobians: Jacobians in the internal bases (T, p, m).
        bases: Those bases (T, 3 n, m).
        pair_permutations: Permutations of the descriptor (g, p).
    """

    descriptors: FloatArray
    jacobians: FloatArray
    bases: FloatArray
    pair_permutations: IntArray

    @property
    def width(self) -> int:
        """Force components a geometry, ``m``."""
        return int(self.bases.shape[2])

    def take(self, rows: IntArray) -> TrainingPoints:
        """The points at some rows."""
        return TrainingPoints(
            self.descriptors[rows], self.jacobians[rows], self.bases[rows], self.pair_permutations
        )


def training_points(positions: FloatArray, permutations: IntArray) -> TrainingPoints:
    """Prepare geometries (T, n, 3) in Angstrom, with permutations of atoms (g, n)."""
    described = describe(positions)
    full = jacobian(described.gradients, positions.shape[1])
    bases = internal_basis(full)
    pairs = permute_pairs(permutations)
    # A centre that every permutation keeps, so that it cancels from all differences.
    centre = described.values.mean(axis=0)[pairs].mean(axis=0)
    return TrainingPoints(described.values - centre, full @ bases, bases, pairs)


def force_gram(
    points: TrainingPoints,
    kernel: RadialKernel,
    length: float,
    should_stop: ShouldStop | None = None,
) -> FloatArray:
    """Covariances of all forces.

    Args:
        points: ``T`` training points.
        kernel: The radial kernel.
        length: Its length scale in 1/Angstrom.
        should_stop: Asked once a geometry.

    Returns:
        Matrix (T m, T m), of which only the lower block triangle is set.

    Raises:
        FitInterruptedError: ``should_stop`` returned True.
    """
    count, width = len(points.descriptors), points.width
    gram = np.zeros((count * width, count * width))
    for pairs in points.pair_permutations:
        images = _Images.of(points, pairs)
        squared = squared_distances(points.descriptors, images.descriptors)
        radial = kernel(squared, np.asarray(length))
        for row in range(count):
            check_stop(should_stop)
            columns = (row + 1) * width
            out = gram[row * width : columns, :columns]
            _add_force_row(out, points, images, radial, row)
    return gram


@dataclass(frozen=True, slots=True)
class _Images:
    """Permuted training points, laid out so that one row of blocks is a few products.

    Columns run over (geometry, component), ``m`` a geometry.
    """

    descriptors: FloatArray  # (T, p)
    repeated: FloatArray  # (p, T m)
    jacobians: FloatArray  # (p, T m)
    own: FloatArray  # (T m,), each Jacobian column times its own descriptor

    @classmethod
    def of(cls, points: TrainingPoints, pairs: IntArray) -> _Images:
        descriptors = points.descriptors[:, pairs]
        blocks = points.jacobians[:, pairs, :]
        jacobians = np.ascontiguousarray(blocks.transpose(1, 0, 2)).reshape(len(pairs), -1)
        repeated = np.repeat(descriptors.T, points.width, axis=1)
        own = np.einsum("tp,tpm->tm", descriptors, blocks).ravel()
        return cls(descriptors, repeated, jacobians, own)


def _add_force_row(
    out: FloatArray, points: TrainingPoints, images: _Images, radial: Radial, row: int
) -> None:
    """Add one permutation's blocks (m, (row + 1) m) of one geometry against those up to it."""
    width, columns = out.shape
    descriptor, local = points.descriptors[row], points.jacobians[row].T
    block = local @ images.jacobians[:, :columns]
    block *= np.repeat(radial.first[row, : row + 1], width)
    right = descriptor @ images.jacobians[:, :columns] - images.own[:columns]
    right *= np.repeat(radial.second[row, : row + 1], width)
    left = local @ images.repeated[:, :columns]
    np.subtract((local @ descriptor)[:, None], left, out=left)
    left *= right
    block -= left
    out += block


def energy_gram(
    points: TrainingPoints, kernel: RadialKernel, length: float
) -> tuple[FloatArray, FloatArray]:
    """Covariances of the energies with all forces (T, T m), and among themselves (T, T)."""
    count, width = len(points.descriptors), points.width
    with_forces = np.zeros((count, count * width))
    among = np.zeros((count, count))
    for pairs in points.pair_permutations:
        images = _Images.of(points, pairs)
        squared = squared_distances(points.descriptors, images.descriptors)
        radial = kernel(squared, np.asarray(length))
        slope = points.descriptors @ images.jacobians - images.own
        with_forces -= np.repeat(radial.first, width, axis=1) * slope
        among += radial.value
    return with_forces, among

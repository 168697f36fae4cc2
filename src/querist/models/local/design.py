"""The linear equations that labels put to the weights of a potential.

Each sample gives one row for its energy, three for each atom's force, and six for its stress where
it has one (times the volume: the virial). Rows are divided by the noise that is allowed them, which
grows with forces: what is far above the minimum is learned less exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError

from .basis import Basis
from .pairs import IntArray, Pairs, Structures
from .surroundings import Surroundings, angular_slopes

FloatArray = NDArray[np.float64]
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, slots=True)
class Noise:
    """How exactly labels are to be met, relative to each other.

    Attributes:
        force: Of a force component, in eV/Angstrom.
        energy: Of an energy, in eV, for each square root of the number of atoms.
        virial: Of a virial (stress times volume), in eV, likewise.
        share: Beside that, this share of the largest force of the sample.
    """

    force: float = 0.01
    energy: float = 0.003
    virial: float = 0.01
    share: float = 0.02

    def __post_init__(self) -> None:
        if not (min(self.force, self.energy, self.virial) > 0.0 and self.share >= 0.0):
            raise ConfigError(f"noise is positive, but got {self}.")


def rows_of(
    basis: Basis, sample: Batch, labels: dict[str, Array], noise: Noise
) -> tuple[FloatArray, FloatArray]:
    """The weighted equations of one sample.

    Args:
        basis: Of the potential.
        sample: One sample.
        labels: Its ``energy``, with or without ``forces`` and ``stress``.
        noise: Allowed.

    Returns:
        Matrix (rows, weights) and right-hand side (rows,).
    """
    around = Surroundings.of(basis, Structures.of(sample, basis.reach))
    atoms = len(around.kinds)
    forces = np.asarray(labels["forces"], np.float64) if "forces" in labels else None
    largest = 0.0 if forces is None else float(np.linalg.norm(forces, axis=1).max(initial=0.0))
    more = noise.share * largest
    size = np.sqrt(atoms)
    allowed = np.hypot(noise.energy, more) * size
    matrix = [around.by_sample() / allowed]
    wanted = [np.array([float(labels["energy"])]) / allowed]
    volume = float(around.structures.volumes[0])
    stressed = "stress" in labels and np.isfinite(volume)
    if forces is None and not stressed:
        return matrix[0], wanted[0]
    by_atoms, by_strain = _derivatives(around, stressed)
    if forces is not None:
        allowed = float(np.hypot(noise.force, more))
        matrix.append(-by_atoms / allowed)
        wanted.append(forces.ravel() / allowed)
    if stressed:
        allowed = np.hypot(noise.virial, more) * size
        stress = np.asarray(labels["stress"], np.float64)
        matrix.append(by_strain / allowed)
        wanted.append(np.array([stress[a, b] for a, b in _VOIGT]) * volume / allowed)
    return np.concatenate(matrix), np.concatenate(wanted)


def _derivatives(around: Surroundings, stressed: bool) -> tuple[FloatArray, FloatArray]:
    """Of the features of one sample by positions (3 N, weights) and by strain (6, weights)."""
    basis, width = around.basis, around.basis.features
    by_atoms = np.zeros((3 * len(around.kinds), len(basis.elements), width))
    by_strain = np.zeros((6 if stressed else 0, len(basis.elements), width))
    first = basis.pairs * len(basis.elements)
    whole = around.structures.pairs
    for pairs, jacobian, columns in (
        (whole, _pair_jacobian(around), slice(0, first)),
        (around.near, _near_jacobian(around), slice(first, width - 1)),
    ):
        kinds = around.kinds[pairs.centre]
        for kind in range(len(basis.elements)):
            chosen = np.flatnonzero(kinds == kind)
            part = jacobian[chosen]
            by_atoms[:, kind, columns] = _scattered(pairs, chosen, part)
            for row, (a, b) in enumerate(_VOIGT if stressed else ()):
                vector = pairs.vector[chosen]
                turned = part[:, a].T @ vector[:, b] + part[:, b].T @ vector[:, a]
                by_strain[row, kind, columns] = 0.5 * turned
    return by_atoms.reshape(-1, basis.weights), by_strain.reshape(-1, basis.weights)


def _scattered(pairs: Pairs, chosen: IntArray, jacobian: FloatArray) -> FloatArray:
    """Derivatives by pairs' vectors (P, 3, f) to those by positions (3 N, f)."""
    count = len(chosen)
    signs = np.concatenate([np.ones(count), -np.ones(count)])
    atoms = np.concatenate([pairs.neighbour[chosen], pairs.centre[chosen]])
    columns = np.tile(np.arange(count), 2)
    incidence = csr_matrix((signs, (atoms, columns)), shape=(pairs.atoms, count))
    width = jacobian.shape[-1]  # told, because there may be no pair to infer it from
    spread = incidence @ jacobian.reshape(count, 3 * width)
    return np.asarray(spread).reshape(3 * pairs.atoms, width)


def _pair_jacobian(around: Surroundings) -> FloatArray:
    """Derivatives of the first atom's pair functions by the vectors of all pairs (P, 3, f)."""
    basis, pairs = around.basis, around.structures.pairs
    slopes = around.pair_slopes
    units = pairs.vector / pairs.distance[:, None]
    found = np.zeros((len(units), 3, len(basis.elements), basis.pairs))
    kinds = around.kinds[pairs.neighbour]
    found[np.arange(len(units)), :, kinds] = units[:, :, None] * slopes.T[:, None, :]
    return found.reshape(len(units), 3, len(basis.elements) * basis.pairs)


def _near_jacobian(around: Surroundings) -> FloatArray:
    """Derivatives of the first atom's products of moments by the vectors of ``near`` (Q, 3, f)."""
    table = around.basis.table
    at = (around.near.centre, around.slot)
    steps = _moment_slopes(around, at)
    moments = around.moments[at[0]]
    doubles = []
    for level in table.levels:
        weighted = moments[:, :, level] * table.weight[level]
        product = np.einsum("qbm,qkcm->qkbc", weighted, steps[..., level], optimize=True)
        one, two = table.first, table.second
        doubles.append(product[:, :, one, two] + product[:, :, two, one])
    double = np.concatenate(doubles, axis=2)
    one, two = table.one, table.two
    triple = steps[:, :, one, 0] * around.doubles[at[0]][:, None, two]
    triple += double[:, :, two] * moments[:, None, one, 0]
    return np.concatenate([double, triple], axis=2)


def _moment_slopes(around: Surroundings, at: tuple[IntArray, IntArray]) -> FloatArray:
    """Derivatives of what each pair adds to the moments of its first atom (Q, 3, C, M)."""
    units, lengths = around.units[at], around.lengths[at]
    radial, slopes, angular = around.radial[at], around.slopes[at], around.angular[at]
    turns = angular_slopes(around.basis, angular)
    turns -= units[:, :, None] * np.einsum("qk,qkm->qm", units, turns)[:, None]
    turns /= lengths[:, None, None]
    along = np.einsum("qc,qm->qcm", slopes, angular)
    found = units[:, :, None, None] * along[:, None]
    found += radial[:, None, :, None] * turns[:, :, None, :]
    return np.asarray(found)

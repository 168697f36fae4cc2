"""Energies and forces of a whole committee for a batch of geometries, by matrix products.

With ``a = J alpha`` the coefficients carried to the descriptor once, and ``d = D - X`` the
difference to a training point, a member's energy and forces are (Chmiela et al., Comput. Phys.
Commun. 2019, 240, 38, with energies' coefficients ``beta`` added)::

    E =     sum_t  -first (d . a_t) + (value - 1) beta_t  + offset
    F = J^T sum_t   first a_t - (second (d . a_t) - first beta_t) d

The ``beta`` of a member sum to zero, so the 1 changes nothing. The second line is minus the
derivative of the first, term by term, so forces conserve energy up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .descriptor import Descriptors, describe, jacobian, permute_pairs, pull_back
from .kernel import RadialKernel, kernel_named, squared_distances
from .state import Member, Species, read_members

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Kernel values held at once: enough to keep BLAS busy, few enough for the cache.
_BLOCK = 400_000


class UnrepresentableError(ValueError):
    """A system that this model was not fitted for."""


@dataclass(frozen=True, slots=True)
class CommitteePrediction:
    """What ``M`` members say of ``B`` geometries.

    Attributes:
        energies: (M, B) in eV.
        forces: (M, B, n, 3) in eV/Angstrom, each minus the gradient of its member's energy.
    """

    energies: FloatArray
    forces: FloatArray

    def mean(self) -> tuple[FloatArray, FloatArray]:
        """Mean energy (B,) and forces (B, n, 3); these forces too are an exact gradient."""
        return self.energies.mean(axis=0), self.forces.mean(axis=0)

    def disagreement(self) -> FloatArray:
        """Disagreement on forces (B,), see ``force_disagreement``."""
        return force_disagreement(self.forces)


def force_disagreement(forces: FloatArray) -> FloatArray:
    """Largest over the atoms of the norm of the standard deviation of the force vector.

    Args:
        forces: Forces (M, B, n, 3) of at least two members.

    Returns:
        Disagreement (B,) in eV/Angstrom, with ``M - 1`` degrees of freedom; not finite where a
        member's forces are not.

    Raises:
        ValueError: There are fewer than two members.
    """
    if len(forces) < 2:
        raise ValueError(f"wanted at least 2 members to compare, got {len(forces)}")
    with np.errstate(invalid="ignore", over="ignore"):
        variance = forces.var(axis=0, ddof=1).sum(axis=-1)
    return np.asarray(np.sqrt(variance).max(axis=-1))


@dataclass(frozen=True, slots=True)
class _Points:
    """Training points of all members times permutations, padded to ``S`` with zero weights."""

    centre: FloatArray  # (p,)
    descriptors: FloatArray  # (M, S, p), less the centre
    weights: FloatArray  # (M, S, p)
    own: FloatArray  # (M, 1, S), descriptors . weights
    energy_weights: FloatArray | None  # (M, 1, S)
    lengths: FloatArray  # (M, 1, 1)
    offsets: FloatArray  # (M, 1)


class Predictor:
    """A fitted committee, ready to predict.

    It holds no mutable state: threads may share it. Prediction costs
    ``O(M B T g p)`` operations, nearly all in BLAS.
    """

    def __init__(self, species: Species, members: list[Member]) -> None:
        """Precontract the members' coefficients.

        Args:
            species: What the members have in common.
            members: At least one member.
        """
        self._species = species
        self._kernel: RadialKernel = kernel_named(species.kernel)
        self._points = _stack(species, members)

    @classmethod
    def from_state(cls, arrays: Mapping[str, FloatArray], metadata: Mapping[str, Any]) -> Predictor:
        """Load what ``fit_committee`` returned, whole or merged from single members.

        Raises:
            ValueError: The state is of another format or incomplete.
        """
        species = Species.from_metadata(metadata)
        return cls(species, read_members(arrays, species))

    @property
    def species(self) -> Species:
        """Numbers, permutations and kernel."""
        return self._species

    @property
    def members(self) -> int:
        """Number of members ``M``."""
        return len(self._points.lengths)

    def check(self, numbers: ArrayLike, pbc: ArrayLike = False) -> None:
        """Refuse a system that this model cannot represent.

        Args:
            numbers: Atomic numbers (n,), in the order of the training set.
            pbc: Whether the system is periodic, along each direction or any.

        Raises:
            UnrepresentableError: It is periodic, or of other atoms than the training set.
        """
        check_molecule(self._species.numbers, numbers, pbc)

    def predict(self, positions: FloatArray) -> CommitteePrediction:
        """Predict for a batch.

        A geometry with coinciding or non-finite atoms gets non-finite values; the others of
        its batch are not affected.

        Args:
            positions: Positions (B, n, 3) in Angstrom, atoms ordered as in training.

        Returns:
            Energies (M, B) and forces (M, B, n, 3) of every member.

        Raises:
            UnrepresentableError: The number of atoms differs from the training set's.
        """
        atoms = len(self._species.numbers)
        positions = np.asarray(positions, dtype=np.float64)
        if positions.ndim != 3 or positions.shape[1:] != (atoms, 3):
            raise UnrepresentableError(
                f"wanted positions of shape (B, {atoms}, 3) as in training, got {positions.shape}"
            )
        members, count, _ = self._points.descriptors.shape
        step = max(1, _BLOCK // (members * count))
        energies = np.empty((members, len(positions)))
        forces = np.empty((members, *positions.shape))
        for start in range(0, len(positions), step):
            part = slice(start, start + step)
            energies[:, part], forces[:, part] = self._block(positions[part])
        return CommitteePrediction(energies, forces)

    def _block(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        described = describe(positions)
        with np.errstate(invalid="ignore", over="ignore"):
            energies, covector = self._evaluate(described)
            return energies, pull_back(covector, described.gradients, positions.shape[1])

    def _evaluate(self, described: Descriptors) -> tuple[FloatArray, FloatArray]:
        """Energies (M, B), and minus their derivative by the descriptor (M, B, p)."""
        points = self._points
        query = described.values - points.centre
        squared = squared_distances(query[None], points.descriptors)
        radial = self._kernel(squared, points.lengths)
        slope = query @ np.swapaxes(points.weights, 1, 2) - points.own
        energies = points.offsets - np.einsum("mbs,mbs->mb", radial.first, slope)
        pull = radial.second * slope
        if points.energy_weights is not None:
            energies += (radial.drop @ np.swapaxes(points.energy_weights, 1, 2))[..., 0]
            pull -= radial.first * points.energy_weights
        covector = radial.first @ points.weights + pull @ points.descriptors
        covector -= pull.sum(axis=-1)[..., None] * query
        return energies, covector


def check_molecule(expected: IntArray, numbers: ArrayLike, pbc: ArrayLike = False) -> None:
    """Refuse periodic systems, and atoms other than the expected ones in their order.

    Raises:
        UnrepresentableError: With what was wanted and what was got.
    """
    got = np.asarray(numbers, dtype=np.int64)
    if np.any(pbc):
        raise UnrepresentableError(
            "wanted an isolated molecule, got a periodic system; the inverse-distance descriptor"
            " knows no cell: use another model, or set pbc to false"
        )
    if got.shape != expected.shape or np.any(got != expected):
        raise UnrepresentableError(
            f"wanted the atoms {expected.tolist()} of the training set in that order, got"
            f" {got.tolist()}; fit one model for each molecule"
        )


def _stack(species: Species, members: list[Member]) -> _Points:
    pairs = permute_pairs(species.permutations)
    contracted = [_contract(member, pairs) for member in members]
    padded = max(len(values) for values, _, _ in contracted)
    values = np.stack([_pad(values, padded) for values, _, _ in contracted])
    weights = np.stack([_pad(weights, padded) for _, weights, _ in contracted])
    energies = np.stack([_pad(energies, padded) for _, _, energies in contracted])[:, None, :]
    centre = np.mean([values.mean(axis=0) for values, _, _ in contracted], axis=0)
    values -= centre
    return _Points(
        centre,
        values,
        weights,
        np.einsum("msp,msp->ms", values, weights)[:, None, :],
        energies if np.any(energies) else None,
        np.array([member.length_scale for member in members])[:, None, None],
        np.array([member.offset for member in members])[:, None],
    )


def _contract(member: Member, pairs: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Descriptors (T g, p), ``J alpha`` (T g, p) and ``beta`` (T g,) of all permutations."""
    count, atoms = member.positions.shape[:2]
    described = describe(member.positions)
    flat = member.force_coefficients.reshape(count, 3 * atoms, 1)
    weights = (jacobian(described.gradients, atoms) @ flat)[..., 0]
    width = pairs.shape[1]
    return (
        described.values[:, pairs].reshape(-1, width),
        weights[:, pairs].reshape(-1, width),
        np.repeat(member.energy_coefficients, len(pairs)),
    )


def _pad(array: FloatArray, length: int) -> FloatArray:
    """Append rows of zeros, which as weights count for nothing."""
    padding = [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, padding)

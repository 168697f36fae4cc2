"""Fitting one gradient-domain force field to energies and forces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .gram import (
    TrainingPoints,
    energy_gram,
    force_gram,
    training_points,
)
from .kernel import kernel_named
from .noise import prior_variance, variances_of
from .predictor import Predictor
from .solve import ShouldStop, factorise, solve_factorised
from .state import Member, Species
from .symmetry import check_group, identity_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows copied at once: few enough that the copied rows stay in the cache.
_COPY = 64
# Geometries at most by which the kernel's scale is found beside noise.
_JUDGED = 50


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Geometries of one molecule with their labels.

    Attributes:
        numbers: Atomic numbers (n,).
        positions: Geometries (T, n, 3) in Angstrom.
        energies: (T,) in eV; None where forces alone are known, as mean forces are. Then the
            constant of the energy is such that its mean over the set is zero.
        forces: (T, n, 3) in eV/Angstrom.
        permutations: Group of permutations of the atoms (g, n).
        errors: Standard error of each component of the forces (T, n, 3), in eV/Angstrom, where
            they are averages or otherwise noisy; None where they are exact.
    """

    numbers: IntArray
    positions: FloatArray
    energies: FloatArray | None
    forces: FloatArray
    permutations: IntArray
    errors: FloatArray | None = None

    @classmethod
    def of(
        cls,
        numbers: ArrayLike,
        positions: ArrayLike,
        energies: ArrayLike | None,
        forces: ArrayLike,
        permutations: ArrayLike | None = None,
        errors: ArrayLike | None = None,
    ) -> TrainingSet:
        """Check arrays and put them together; without permutations, only the identity.

        Raises:
            ValueError: Shapes do not fit together, a value is not finite, there is nothing to
                fit, or the permutations are no group of identical atoms.
        """
        elements = np.asarray(numbers, dtype=np.int64)
        group = identity_group(len(elements)) if permutations is None else permutations
        data = cls(
            elements,
            np.ascontiguousarray(positions, dtype=np.float64),
            None if energies is None else np.asarray(energies, dtype=np.float64),
            np.ascontiguousarray(forces, dtype=np.float64),
            np.asarray(group, dtype=np.int64),
            None if errors is None else np.ascontiguousarray(errors, dtype=np.float64),
        )
        _check(data)
        return data

    def __len__(self) -> int:
        """Number of geometries."""
        return len(self.positions)

    def take(self, rows: IntArray) -> TrainingSet:
        """The geometries at some rows."""
        return TrainingSet(
            self.numbers,
            self.positions[rows],
            None if self.energies is None else self.energies[rows],
            self.forces[rows],
            self.permutations,
            None if self.errors is None else self.errors[rows],
        )


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How one force field is fitted.

    Attributes:
        kernel: A name in ``kernel.KERNELS``. Measured on malonaldehyde with GFN2-xTB, 100
            geometries, the best length scale of each: error of forces 20.2 meV/A for
            ``inverse_quadratic``, 21.5 ``gaussian``, 21.8 ``matern72``, 34.9 ``matern52``.
        regularisation: Variance of the noise of a force component, relative to its mean prior
            variance. Labels of an electronic-structure code are nearly free of noise.
        energy_weight: 0 fits forces and then the constant of the energy. A positive value fits
            energies as well, as if the noise of an energy were that of a force component times
            (1 Angstrom / ``energy_weight``); it hardly changes forces, and in the same measurement
            brought the error of the barrier from 0.09 to 0.01 kcal/mol.
        max_bytes: Largest kernel matrix to accept.
    """

    kernel: str = "inverse_quadratic"
    regularisation: float = 1e-8
    energy_weight: float = 10.0
    max_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        kernel_named(self.kernel)
        if not self.regularisation > 0.0:
            raise ValueError(f"wanted a positive regularisation, got {self.regularisation}")
        if not self.energy_weight >= 0.0:
            raise ValueError(f"wanted an energy_weight of at least 0, got {self.energy_weight}")


def _check(data: TrainingSet) -> None:
    count, atoms = len(data), len(data.numbers)
    if atoms < 2 or count < 1:
        raise ValueError(f"wanted at least 2 atoms and 1 geometry, got {atoms} and {count}")
    by_atom = (count, atoms, 3)
    wanted = {"positions": by_atom, "forces": by_atom, "errors": by_atom, "energies": (count,)}
    for name, shape in wanted.items():
        values = getattr(data, name)
        if values is None:
            continue
        if values.shape != shape:
            raise ValueError(f"wanted {name} of shape {shape}, got {values.shape}")
        if not np.all(np.isfinite(values)):
            raise ValueError(f"wanted finite {name}, got some that are not; leave failures out")
    check_group(data.permutations, data.numbers)


@dataclass(frozen=True, slots=True)
class System:
    """The training equations of a set at one length scale, to be solved for any of its subsets.

    Attributes:
        data: The training set of ``T`` geometries.
        points: The same as the kernel sees it.
        length: Length scale in 1/Angstrom.
        settings: How to fit.
        forces: Covariances of forces (T m, T m), lower block triangle.
        energies: Covariances of energies with forces (T, T m) and among themselves (T, T), where
            energies are fitted too.
        noise: Of each force component (T m,), in the kernel's units; 0 where labels are exact.
    """

    data: TrainingSet
    points: TrainingPoints
    length: float
    settings: FitSettings
    forces: FloatArray
    energies: tuple[FloatArray, FloatArray] | None
    noise: FloatArray

    @classmethod
    def assemble(
        cls,
        data: TrainingSet,
        length: float,
        settings: FitSettings,
        should_stop: ShouldStop | None = None,
    ) -> System:
        """Compute all covariances once.

        Raises:
            FitInterruptedError: ``should_stop`` returned True.
            ValueError: The matrix would be larger than ``settings.max_bytes``.
        """
        kernel = kernel_named(settings.kernel)
        points = training_points(data.positions, data.permutations)
        needed = 8 * (len(data) * points.width) ** 2
        if needed > settings.max_bytes:
            raise ValueError(
                f"wanted a kernel matrix of at most {settings.max_bytes:,} bytes, got"
                f" {needed:,} for {len(data)} geometries; fit fewer, or raise max_bytes"
            )
        forces = force_gram(points, kernel, length, should_stop)
        weighed = settings.energy_weight and data.energies is not None
        energies = energy_gram(points, kernel, length) if weighed else None
        return cls(data, points, length, settings, forces, energies, _noise(data, points, forces))

    def fit(self, rows: IntArray, should_stop: ShouldStop | None = None) -> Member:
        """Solve for the geometries at some rows, ascending.

        Raises:
            IllConditionedError: The matrix is not positive definite.
            FitInterruptedError: ``should_stop`` returned True.
        """
        part, bases = self.data.take(rows), self.points.bases[rows]
        labels = _projected(bases, part.forces)
        matrix = self._matrix(rows)
        factorise(matrix, should_stop)
        if self.energies is None or part.energies is None:
            solution, weights, offset = solve_factorised(matrix, labels), np.zeros(len(rows)), 0.0
        else:
            solution, offset = _solve_with_constant(matrix, labels, part.energies)
            solution, weights = np.split(solution, [len(labels)])
        forces = np.einsum("tcm,tm->tc", bases, solution.reshape(len(rows), -1))
        member = Member(
            part.positions, forces.reshape(part.positions.shape), weights, self.length, offset
        )
        return member if self.energies is not None else _with_offset(member, part, self.settings)

    def _matrix(self, rows: IntArray) -> FloatArray:
        """The regularised matrix of a subset; only its lower triangle is meant."""
        index = (rows[:, None] * self.points.width + np.arange(self.points.width)).ravel()
        size, extra = len(index), 0 if self.energies is None else len(rows)
        matrix = np.empty((size + extra, size + extra))
        for start in range(0, size, _COPY):
            stop = min(start + _COPY, size)
            matrix[start:stop, :stop] = self.forces[index[start:stop]][:, index[:stop]]
        variance = float(np.mean(np.diagonal(matrix)[:size]))
        noise = np.full(size + extra, self.settings.regularisation * variance)
        noise[:size] += self.noise[index]
        if self.energies is not None:
            with_forces, among = self.energies
            matrix[size:, :size] = with_forces[np.ix_(rows, index)]
            matrix[size:, size:] = among[np.ix_(rows, rows)]
            noise[size:] /= self.settings.energy_weight**2
        matrix.ravel()[:: size + extra + 1] += noise
        return matrix


def _projected(bases: FloatArray, forces: FloatArray) -> FloatArray:
    """Forces (T, n, 3) in internal bases (T m,)."""
    return np.asarray(np.einsum("tcm,tc->tm", bases, forces.reshape(len(forces), -1)).ravel())


def _noise(data: TrainingSet, points: TrainingPoints, gram: FloatArray) -> FloatArray:
    """Of all force components, in the kernel's units."""
    if data.errors is None:
        return np.zeros(len(gram))
    labels = _projected(points.bases, data.forces)
    variances = variances_of(points.bases, data.errors, labels)
    every = -(-len(data) // _JUDGED)
    few = np.arange(len(gram)).reshape(len(data), -1)[::every].ravel()
    return variances / prior_variance(gram[np.ix_(few, few)], labels[few], variances[few])


def _solve_with_constant(
    factor: FloatArray, forces: FloatArray, energies: FloatArray
) -> tuple[FloatArray, float]:
    """Solve for coefficients with the energy's constant free, by generalised least squares.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.7.
    """
    mean = float(energies.mean())
    right = np.zeros((len(factor), 2))
    right[: len(forces), 0] = forces
    right[len(forces) :, 0] = energies - mean
    right[len(forces) :, 1] = 1.0
    solved = solve_factorised(factor, right)
    constant = float(solved[len(forces) :, 0].sum() / solved[len(forces) :, 1].sum())
    return solved[:, 0] - constant * solved[:, 1], mean + constant


def _with_offset(member: Member, part: TrainingSet, settings: FitSettings) -> Member:
    """Set the constant of the energy to the mean residual on the member's own energies, or to 0."""
    species = Species(part.numbers, part.permutations, settings.kernel)
    energies = Predictor(species, [member]).predict(part.positions).energies[0]
    wanted = np.zeros(len(part)) if part.energies is None else part.energies
    return replace(member, offset=float(np.mean(wanted - energies)))

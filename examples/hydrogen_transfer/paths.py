"""Surfaces, and relaxed paths of the hydrogen on them.

Positions are in Angstrom, energies in eV, forces in eV/Angstrom.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peptides import (
    ATOMS,
    HELD,
    KCAL_PER_MOL,
    FloatArray,
    coordinate_gradient,
    geometries,
    handed_over,
    transfer_coordinate,
)
from scipy.interpolate import CubicSpline

from querist.core.answers import Label
from querist.core.roles import Model, Oracle
from querist.generators.descent import Descent
from querist.testing.contexts import lone_context

Surface = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Positions (k, 25, 3) to energies (k,) and forces (k, 25, 3)."""

SPRING = 60.0
"""Of the spring that holds the transfer coordinate, in eV/A^2."""
TOLERANCE = 0.03
"""Largest force on a free atom at the end of a relaxation, in eV/A."""
END = 1.0
"""Transfer coordinate, in A, at which ends are held before they are relaxed freely."""
MAX_STEP, STIFFNESS = 0.08, 40.0
"""Largest displacement of an atom in one step (A), and the first guess of curvature (eV/A^2)."""


class OracleSurface:
    """Asks an oracle, here and now, and counts how often.

    Attributes:
        oracle: What is asked.
        calls: Geometries asked so far.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.calls = oracle, 0
        self._context = lone_context(Path(tempfile.gettempdir()))

    def __call__(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energies (k,) and forces (k, 25, 3).

        Raises:
            RuntimeError: If the oracle has no answer; the sentence is its own.
        """
        self.calls += len(positions)
        energies, forces = np.zeros(len(positions)), np.zeros((len(positions), ATOMS, 3))
        outcomes = self.oracle.answer(geometries(positions), self._context)
        for row, outcome in enumerate(outcomes):
            if not isinstance(outcome, Label):
                raise RuntimeError(f"the oracle gave no label: {outcome.message}")
            energies[row] = float(outcome.outputs["energy"])
            forces[row] = np.asarray(outcome.outputs["forces"], np.float64)
        return energies, forces


@dataclass(frozen=True, slots=True)
class CommitteeSurface:
    """The mean of a trained committee.

    Attributes:
        model: Loaded.
    """

    model: Model

    def __call__(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energies (k,) and forces (k, 25, 3)."""
        mean = self.model.predict(geometries(positions)).mean
        return np.asarray(mean["energy"], np.float64), np.asarray(mean["forces"], np.float64)

    def disagreement(self, positions: FloatArray) -> FloatArray:
        """Of the members on the force of the worst atom (k,): what the gate compares."""
        return self.model.predict(geometries(positions)).uncertainty("forces")


def pulled(
    positions: FloatArray, energies: FloatArray, forces: FloatArray, wanted: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Energies (k,) and forces (k, 25, 3) with a spring at ``wanted`` (k,) and held atoms.

    Where ``wanted`` is NaN there is no spring.
    """
    away = np.nan_to_num(transfer_coordinate(positions) - wanted, nan=0.0)
    pull = -SPRING * away[:, None, None] * coordinate_gradient(positions)
    made = forces + pull
    made[:, HELD] = 0.0
    return energies + 0.5 * SPRING * away**2, made


def relaxed(
    surface: Surface, positions: FloatArray, wanted: FloatArray, most: int = 120
) -> tuple[FloatArray, FloatArray]:
    """Relax the free atoms of many geometries side by side.

    Args:
        surface: What gives energies and forces.
        positions: Where to begin (k, 25, 3).
        wanted: Transfer coordinates to hold (k,), NaN for none.
        most: Evaluations of each at most.

    Returns:
        Positions (k, 25, 3), and the surface's own energies there (k,), without springs.
    """
    descent = Descent(len(positions), ATOMS, TOLERANCE, MAX_STEP, STIFFNESS)
    rows = np.arange(len(positions))
    descent.start(rows, positions)
    plain = np.full(len(positions), np.nan)
    for _ in range(most):
        if not len(rows):
            break
        trial = descent.trial[rows].copy()
        energies, forces = surface(trial)
        before = descent.steps[rows], descent.energy[rows].copy()
        said = pulled(trial, energies, forces, wanted[rows])
        arrived = descent.tell(rows, *said)
        taken = descent.energy[rows] != before[1]
        plain[rows[taken]] = energies[taken]
        rows = rows[~arrived]
    return descent.place, plain


@dataclass(frozen=True, slots=True)
class Transfer:
    """The relaxed path from donor to acceptor at one site.

    Attributes:
        coordinate: (points,), ascending.
        energies: (points,).
        positions: (points, 25, 3).
    """

    coordinate: FloatArray
    energies: FloatArray
    positions: FloatArray

    @property
    def forward(self) -> float:
        """Barrier from the donor's side, in kcal/mol: highest point of a spline through all.

        NaN where the path is not whole.
        """
        return (self._top() - float(self.energies[0])) / KCAL_PER_MOL

    @property
    def backward(self) -> float:
        """From the acceptor's side, in kcal/mol."""
        return (self._top() - float(self.energies[-1])) / KCAL_PER_MOL

    @property
    def is_whole(self) -> bool:
        """Whether it leads from one minimum over a barrier to another, step by step."""
        inner = float(self.energies[1:-1].max())
        steps = np.diff(self.coordinate)
        return bool((steps > 0.02).all() and inner > float(self.energies[[0, -1]].max()))

    def _top(self) -> float:
        if not self.is_whole:
            return float("nan")
        fine = np.linspace(self.coordinate[0], self.coordinate[-1], 400)
        return float(CubicSpline(self.coordinate, self.energies)(fine).max())


def _end(surface: Surface, start: FloatArray, side: float) -> tuple[FloatArray, FloatArray]:
    """Relax one end (-1 is the donor's): first held there, for the carbons to follow, then free."""
    held, _ = relaxed(surface, start, np.full(len(start), side * END), 30)
    return relaxed(surface, held, np.full(len(start), np.nan))


def transfers(
    surface: Surface, placed: FloatArray, points: int = 9, near: list[Transfer] | None = None
) -> list[Transfer]:
    """The relaxed path at each of some sites.

    Both ends are relaxed freely. Between them, geometries are relaxed at equally spaced transfer
    coordinates.

    Args:
        surface: What gives energies and forces.
        placed: Sites (k, 25, 3), as of ``peptides.sites``.
        points: Of each path, both ends counted.
        near: Paths of another surface, from which relaxations begin; None begins where the
            fragments were put, and between the ends with a mixture of them.
    """
    share = np.linspace(0.0, 1.0, points)[1:-1]
    starts = [placed, handed_over(placed)]
    if near is not None:
        starts = [np.stack([path.positions[end] for path in near]) for end in (0, -1)]
    ends = [_end(surface, start, side) for start, side in zip(starts, (-1.0, 1.0), strict=True)]
    (left, low), (right, high) = ends
    between = left[:, None] + share[:, None, None] * (right - left)[:, None]
    if near is not None:
        between = np.stack([path.positions[1:-1] for path in near])
    first, last = transfer_coordinate(left), transfer_coordinate(right)
    wanted = first[:, None] + share * (last - first)[:, None]
    inner, energies = relaxed(surface, between.reshape(-1, ATOMS, 3), wanted.ravel())
    positions = np.concatenate(
        [left[:, None], inner.reshape(between.shape), right[:, None]], axis=1
    )
    along = np.concatenate([low[:, None], energies.reshape(len(placed), -1), high[:, None]], axis=1)
    return [
        Transfer(transfer_coordinate(there), energy, there)
        for there, energy in zip(positions, along, strict=True)
    ]

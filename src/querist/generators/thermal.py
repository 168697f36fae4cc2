"""Thermally displaced geometries without any model, forces or normal modes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.generators.elements import RADII

Floats = NDArray[np.float64]

BOLTZMANN = 8.617333262e-5
"""eV/K (CODATA 2018)."""

BOND = 40.0
"""Force constant of a bond between atoms at the sum of their covalent radii, eV/A^2."""

DECAY = 1.3
"""How fast force constants fall with the squared distance in units of that sum."""

FLOOR = 3.0
"""Force constant that holds every atom where it is, eV/A^2: for all that is soft."""


def model_hessian(numbers: NDArray[np.int64], positions: Floats, cell: Floats | None) -> Floats:
    """A Hessian that knows bonded from distant atoms, and nothing else.

    Springs along all pairs, ``k = BOND exp(-DECAY (r^2 / r0^2 - 1))`` with ``r0`` the sum of the
    covalent radii, in the manner of Lindh et al., Chem. Phys. Lett. 241, 423 (1995), and ``FLOOR``
    on the diagonal, which bounds what springs between pairs leave free (out-of-plane motion).

    Args:
        numbers: ``(atoms,)``.
        positions: ``(atoms, 3)`` in Angstrom.
        cell: ``(3, 3)`` for nearest images, or None.

    Returns:
        ``(3 atoms, 3 atoms)`` positive definite, eV/A^2.
    """
    count = len(numbers)
    between = positions[:, None] - positions[None]
    if cell is not None:
        turns = np.round(between @ np.linalg.inv(cell))
        between = between - turns @ cell
    squared = (between**2).sum(-1) + np.eye(count)
    radii = RADII[numbers]
    stiff = BOND * np.exp(-DECAY * (squared / (radii[:, None] + radii[None]) ** 2 - 1.0))
    stiff *= 1.0 - np.eye(count)
    blocks = (stiff / squared)[:, :, None, None] * between[..., :, None] * between[..., None, :]
    hessian = -blocks
    hessian[np.arange(count), np.arange(count)] = blocks.sum(axis=1)
    square = hessian.transpose(0, 2, 1, 3).reshape(3 * count, 3 * count)
    return np.asarray(square + FLOOR * np.eye(3 * count))


class ThermalCloud:
    """Geometries around one, distributed as at a temperature on the model's harmonic surface.

    A draw is ``x ~ N(x0, kT H^-1)``: bonds change little (0.03 A at 300 K), soft motions more; no
    atom's standard deviation exceeds ``sqrt(kT / FLOOR)`` a direction, 0.09 A at 300 K.

    Args:
        numbers: ``(atoms,)``.
        positions: ``(atoms, 3)`` in Angstrom.
        cell: ``(3, 3)``, or None.
    """

    def __init__(
        self, numbers: NDArray[np.int64], positions: Floats, cell: Floats | None = None
    ) -> None:
        self.positions = positions
        self._upper = np.linalg.cholesky(model_hessian(numbers, positions, cell)).T

    def draw(self, kelvin: float, rng: np.random.Generator) -> Floats:
        """One geometry ``(atoms, 3)`` in Angstrom."""
        noise = rng.normal(size=self.positions.size)
        moves = np.linalg.solve(self._upper, noise) * np.sqrt(BOLTZMANN * kelvin)
        return np.asarray(self.positions + moves.reshape(self.positions.shape))

"""Malonaldehyde, the molecule of this example: its geometries and how to find them again.

The enol form of malonaldehyde, ``O=CH-CH=CH-OH``, has two mirror minima between which the
proton of the intramolecular O-H...O bond moves, and a planar C2v transition state between
them. Positions are in Angstrom, energies in eV, forces in eV/Angstrom.

The stored geometries are stationary points of GFN2-xTB (Bannwarth, Ehlert and Grimme,
J. Chem. Theory Comput. 2019, 15, 1652), found by the two functions at the end of this file. With
that method the barrier is 3.758 kcal/mol and the O-O distance at the transition state 2.419 A.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
EnergyAndForces = Callable[[FloatArray], tuple[float, FloatArray]]
"""Positions (9, 3) in Angstrom to an energy in eV and forces (9, 3) in eV/Angstrom."""

KCAL_PER_MOL = 0.0433641153
"""One kcal/mol in eV."""

STIFFNESS = 50.0
"""Of a typical bond or angle, with which an optimisation begins, in eV/A^2."""

# Along the chain from one oxygen to the other, then the moving proton, then the H of each C.
NUMBERS = np.array([8, 6, 6, 6, 8, 1, 1, 1, 1])
"""Atomic numbers (9,)."""

LEFT_OXYGEN, RIGHT_OXYGEN, PROTON = 0, 4, 5

SWAP = np.array([4, 3, 2, 1, 0, 5, 8, 7, 6])
"""The mirror exchange of the two ends: atom ``i`` of the mirror image is atom ``SWAP[i]``."""

PERMUTATIONS = np.stack([np.arange(9), SWAP])
"""The permutation group of the proton transfer (2, 9)."""

MINIMUM = np.array(
    [
        [-1.27135, -1.22369, 0.0],
        [-1.17585, 0.08353, 0.0],
        [-0.00261, 0.76551, 0.0],
        [1.23851, 0.04598, 0.0],
        [1.32682, -1.17628, 0.0],
        [-0.34162, -1.59043, 0.0],
        [-2.13456, 0.59215, 0.0],
        [0.00893, 1.84043, 0.0],
        [2.15174, 0.66279, 0.0],
    ]
)
"""The minimum with the proton on the left oxygen (9, 3)."""

TRANSITION_STATE = np.array(
    [
        [-1.20950, -1.20964, 0.0],
        [-1.18606, 0.05588, 0.0],
        [0.0, 0.78527, 0.0],
        [1.18606, 0.05588, 0.0],
        [1.20950, -1.20964, 0.0],
        [0.0, -1.48898, 0.0],
        [-2.14671, 0.57623, 0.0],
        [0.0, 1.85877, 0.0],
        [2.14671, 0.57623, 0.0],
    ]
)
"""The C2v saddle point; the mirror plane is x = 0 (9, 3)."""


def mirror(positions: FloatArray) -> FloatArray:
    """The mirror image at x = 0 with the two ends exchanged: an equal energy, atom for atom.

    Args:
        positions: Positions (..., 9, 3).

    Returns:
        Positions (..., 9, 3), the same chemical species atom for atom.
    """
    return np.asarray(positions[..., SWAP, :] * np.array([-1.0, 1.0, 1.0]))


MIRROR_MINIMUM = mirror(MINIMUM)
"""The minimum with the proton on the right oxygen (9, 3)."""


def transfer_coordinate(positions: FloatArray) -> FloatArray:
    """Distance of the proton to the left minus that to the right oxygen (...,), in Angstrom.

    It is negative in ``MINIMUM``, zero at the transition state, positive in ``MIRROR_MINIMUM``.
    """
    proton = positions[..., PROTON, :]
    left = np.linalg.norm(positions[..., LEFT_OXYGEN, :] - proton, axis=-1)
    right = np.linalg.norm(positions[..., RIGHT_OXYGEN, :] - proton, axis=-1)
    return np.asarray(left - right)


def oxygen_distance(positions: FloatArray) -> FloatArray:
    """Distance between the two oxygens (...,), in Angstrom."""
    difference = positions[..., LEFT_OXYGEN, :] - positions[..., RIGHT_OXYGEN, :]
    return np.asarray(np.linalg.norm(difference, axis=-1))


def find_minimum(surface: EnergyAndForces, start: FloatArray) -> tuple[float, FloatArray]:
    """Relax a geometry to the nearest minimum.

    Args:
        surface: Energy and forces, of an oracle or of a surrogate.
        start: Positions (9, 3).

    Returns:
        The energy in eV and the positions (9, 3).
    """
    return _relax(surface, start, lambda array: array)


def find_transition_state(
    surface: EnergyAndForces, start: FloatArray = TRANSITION_STATE
) -> tuple[float, FloatArray]:
    """Minimise the energy among mirror-symmetric geometries, which ends at the saddle point.

    The energy falls to both sides of the saddle only along the transfer, which breaks the
    mirror symmetry; within the symmetric geometries the saddle point is a minimum.

    Args:
        surface: Energy and forces, of an oracle or of a surrogate.
        start: Positions (9, 3), oriented as ``TRANSITION_STATE``.

    Returns:
        The energy in eV and the positions (9, 3).
    """
    return _relax(surface, start, lambda array: 0.5 * (array + mirror(array)))


def _relax(
    surface: EnergyAndForces, start: FloatArray, project: Callable[[FloatArray], FloatArray]
) -> tuple[float, FloatArray]:
    """BFGS on the projected coordinates; converged to 1 meV/A unless the surface is noisier."""
    reference = surface(project(start))[0]

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        energy, forces = surface(project(flat.reshape(start.shape)))
        return energy - reference, -project(forces).ravel()

    # Without a first guess of the stiffness, BFGS begins with a step of 1 A.
    options: Any = {"gtol": 1e-3, "hess_inv0": np.eye(start.size) / STIFFNESS}
    found = minimize(objective, start.ravel(), jac=True, method="BFGS", options=options)
    positions = project(np.asarray(found.x).reshape(start.shape))
    return surface(positions)[0], positions

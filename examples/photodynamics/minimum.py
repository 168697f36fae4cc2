"""Makes ``reference.npz``: the ground state's minimum of CH2NH2+ and its second derivatives.

``python minimum.py [FILE]``; some 60 calls of the oracle's ground state, two minutes of one core. A
planar guess is relaxed on the lower state of ``casscf.py`` (BFGS, Nocedal and Wright 2006, chapter
6), laid along z in the plane x = 0, and its gradients are differentiated centrally. It says how far
what is found is from the committed file, and writes FILE where one is named.

Units: Angstrom, eV.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from casscf import lowest
from methaniminium import MASSES, Reference, modes, reference
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

GUESS = np.array(
    [
        [0.0, 0.0, -0.64],
        [0.0, 0.0, 0.64],
        [0.0, 0.94, -1.18],
        [0.0, -0.94, -1.18],
        [0.0, 0.87, 1.16],
        [0.0, -0.87, 1.16],
    ]
)
"""C, N and four hydrogen atoms: planar, with a C=N bond of 1.28 A."""
STEP = 0.005
"""Of the differences, in Angstrom."""
WAVENUMBER = 33356.40952 / (2 * np.pi)
"""Of one radian a femtosecond, in 1/cm."""


def relaxed() -> Floats:
    """``(6, 3)`` the minimum, its middle of mass at the origin."""

    def energy_and_slope(flat: Floats) -> tuple[float, Floats]:
        energy, slope = lowest(flat.reshape(6, 3))
        return energy, slope.ravel()

    found = minimize(energy_and_slope, GUESS.ravel(), jac=True, options={"gtol": 2e-4})
    place: Floats = np.asarray(found.x).reshape(6, 3)
    return place - (MASSES[:, None] * place).sum(0) / MASSES.sum()


def column(place: Floats, number: int) -> Floats:
    """``(18,)`` change of the lower state's gradient along one coordinate, in eV/A^2."""
    moved = np.zeros(18)
    moved[number] = STEP
    both = [lowest(place + sign * moved.reshape(6, 3)) for sign in (1, -1)]
    high, low = (slope.ravel() for _, slope in both)
    change: Floats = (high - low) / (2 * STEP)
    return change


def curvature(place: Floats) -> Floats:
    """``(18, 18)`` second derivatives of the lower state, in eV/A^2, made symmetric."""
    rows = np.array([column(place, number) for number in range(18)])
    return 0.5 * (rows + rows.T)


def main() -> None:
    """Make, compare, write."""
    place = relaxed()
    made, known = Reference(place, curvature(place)), reference()

    def distances(places: Floats) -> Floats:
        return np.linalg.norm(places[:, None] - places[None], axis=-1)

    away = abs(distances(made.positions) - distances(known.positions)).max()
    ours, theirs = (modes(one).frequencies * WAVENUMBER for one in (made, known))
    print(f"largest difference of a distance from the committed minimum: {away:.5f} A")
    print("frequencies, 1/cm:", *(f"{value:.0f}" for value in ours))
    print(f"largest difference from those committed: {abs(ours - theirs).max():.1f} 1/cm")
    if sys.argv[1:]:
        np.savez(Path(sys.argv[1]), positions=made.positions, curvature=made.curvature)


if __name__ == "__main__":
    main()

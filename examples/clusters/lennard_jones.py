"""Lennard-Jones clusters in reduced units: the oracle, and the known global minima.

Energies are in units of the depth of the pair's well (epsilon), lengths in units of the distance at
which a pair's energy is zero (sigma), as everywhere in the literature on these clusters. The atoms
schema of the library speaks of eV and Angstrom: read epsilon for eV and sigma for Angstrom. The
atoms are called argon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.generators.descent import Descent

FloatArray = NDArray[np.float64]

ARGON = 18
DISTANCE = 2.0 ** (1.0 / 6.0)
"""Of the minimum of the pair energy, in sigma."""

MINIMA = {13: -44.326801, 19: -72.659782, 26: -108.315616, 31: -133.586422, 38: -173.928427}
"""Energies of the known global minima by the number of atoms, in epsilon: Wales and Doye, J. Phys.
Chem. A 101, 5111, 1997, table 1; the Cambridge Cluster Database. Those of 13 to 31 atoms are
icosahedral; that of 38 is an fcc truncated octahedron, at the bottom of a funnel narrower than the
icosahedral one (Doye, Miller and Wales, J. Chem. Phys. 110, 6896, 1999)."""


def energy_and_forces(positions: FloatArray) -> tuple[float, FloatArray]:
    """``4 sum_(i<j) (r^-12 - r^-6)`` and minus its gradient.

    Lennard-Jones, Proc. R. Soc. A 106, 463, 1924; without a cutoff.

    Args:
        positions: (n, 3) in sigma.

    Returns:
        Energy in epsilon, forces (n, 3) in epsilon/sigma.
    """
    vectors = positions[:, None] - positions[None]
    squared = np.einsum("ijk,ijk->ij", vectors, vectors)
    np.fill_diagonal(squared, np.inf)
    sixth = squared**-3
    energy = 2.0 * float((sixth * sixth - sixth).sum())
    slope = 24.0 * (2.0 * sixth * sixth - sixth) / squared
    return energy, np.einsum("ij,ijk->ik", slope, vectors)


def relaxed(positions: FloatArray, tolerance: float = 1e-6) -> tuple[float, FloatArray, int]:
    """Relax on the oracle itself, until no force is larger than ``tolerance`` epsilon/sigma.

    Returns:
        The energy in epsilon, the positions (n, 3) in sigma, and the oracle calls that it took.
    """
    descent = Descent(1, len(positions), tolerance, max_step=0.15, stiffness=50.0)
    one = np.zeros(1, np.int64)
    descent.start(one, np.asarray(positions, np.float64)[None])
    for _ in range(2000):
        energy, forces = energy_and_forces(descent.trial[0])
        if descent.tell(one, np.array([energy]), forces[None])[0]:
            break
    return float(descent.energy[0]), descent.place[0].copy(), int(descent.steps[0])

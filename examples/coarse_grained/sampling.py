"""Dynamics of beads on a learned potential, and the torsion map that they give.

Units: Angstrom, eV, eV/Angstrom, fs, u, K; angles in degrees; free energies of maps in kJ/mol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from peptide import KELVIN, KT, NUMBERS, PHI, PSI, FloatArray, torsions
from scipy.ndimage import gaussian_filter, map_coordinates

from querist.generators.elements import MASSES
from querist.generators.langevin import ACCELERATION

Forces = Callable[[FloatArray], FloatArray]
"""Positions ``(n, 6, 3)`` to forces."""

BINS = 36
WIDTH = 360.0 / BINS
CENTRES = -180.0 + WIDTH * (np.arange(BINS) + 0.5)
KJ = 0.00831446 * KELVIN
"""kT in kJ/mol."""
HIGHEST = 30.0
"""Free energies above that are not told apart by a bias, in kJ/mol."""


def torsion_forces(positions: FloatArray, four: tuple[int, int, int, int]) -> FloatArray:
    """Minus the derivative of a dihedral angle in radians by positions ``(n, 6, 3)``, likewise.

    Blondel and Karplus, J. Comput. Chem. 17, 1132, 1996, equation 27.
    """
    a, b, c, d = (positions[:, i] for i in four)
    f, g, h = a - b, b - c, d - c
    left, right = np.cross(f, g), np.cross(h, g)
    length = np.linalg.norm(g, axis=1, keepdims=True)
    of_a = left / np.square(left).sum(axis=1, keepdims=True)
    of_d = right / np.square(right).sum(axis=1, keepdims=True)
    along_f = (f * g).sum(axis=1, keepdims=True) / length
    along_h = (h * g).sum(axis=1, keepdims=True) / length
    found = np.zeros_like(positions)
    middle = along_f * of_a - along_h * of_d
    found[:, four[0]] = length * of_a
    found[:, four[1]] = -length * of_a - middle
    found[:, four[2]] = length * of_d + middle
    found[:, four[3]] = -length * of_d
    return found


@dataclass(frozen=True, slots=True)
class Bias:
    """A periodic function of phi and psi, by cubic splines.

    Attributes:
        values: At ``CENTRES`` of both ``(BINS, BINS)``, in kJ/mol.
    """

    values: FloatArray

    @classmethod
    def against(cls, free_energy: FloatArray) -> Bias:
        """What makes a free energy flat, up to ``HIGHEST``."""
        return cls(-gaussian_filter(np.minimum(free_energy, HIGHEST), 0.7, mode="wrap"))

    def __call__(self, angles: FloatArray) -> FloatArray:
        """Of phi and psi ``(n, 2)`` in degrees, ``(n,)`` in kJ/mol."""
        places = (angles.T + 180.0) / WIDTH - 0.5
        return np.asarray(map_coordinates(self.values, places, order=3, mode="grid-wrap"))

    def forces(self, positions: FloatArray) -> FloatArray:
        """On beads ``(n, 6, 3)``, in eV/Angstrom."""
        angles, step = torsions(positions), 0.5
        found = np.zeros_like(positions)
        for column, four in enumerate((PHI, PSI)):
            moved = np.zeros(2)
            moved[column] = step
            slope = (self(angles + moved) - self(angles - moved)) / (2 * np.radians(step))
            scale = (slope * KT / KJ)[:, None, None]
            found += scale * torsion_forces(positions, four)
        return found


@dataclass(frozen=True, slots=True)
class Walked:
    """What walkers visited.

    Attributes:
        angles: Phi and psi in degrees ``(times, walkers, 2)``.
        lost: How often a walker left for where no molecule is, and was put back.
    """

    angles: FloatArray
    lost: int


def walk(
    forces: Forces, starts: FloatArray, steps: int, rng: np.random.Generator, bias: Bias
) -> Walked:
    """Langevin dynamics (BAOAB) of 2 fs at 300 K; angles are kept every 20 steps.

    Args:
        forces: The potential's, in eV/Angstrom.
        starts: ``(walkers, 6, 3)`` in Angstrom.
        steps: How many.
        rng: Of the noise.
        bias: Its forces are added.
    """
    time_step, kept = 2.0, np.exp(-0.01 * 2.0)
    masses = MASSES[NUMBERS][:, None]
    thermal = np.sqrt(KT * ACCELERATION / masses)
    x, v = starts.copy(), thermal * rng.normal(size=starts.shape)
    kick = 0.5 * time_step * ACCELERATION / masses
    f, angles, lost = forces(x) + bias.forces(x), [], 0
    for step in range(steps):
        v += kick * f
        x += 0.5 * time_step * v
        v = kept * v + np.sqrt(1.0 - kept**2) * thermal * rng.normal(size=x.shape)
        x += 0.5 * time_step * v
        away = np.flatnonzero(~whole(x, starts[0]))
        x[away], v[away] = starts[away], 0.0
        lost += len(away)
        f = forces(x) + bias.forces(x)
        v += kick * f
        if step % 20 == 19:
            angles.append(torsions(x))
    return Walked(np.array(angles), lost)


def whole(positions: FloatArray, like: FloatArray) -> NDArray[np.bool_]:
    """Whether all bonds ``(n,)`` are within 0.5 Angstrom of those of a geometry."""
    bonds = ([0, 1, 2, 2, 4], [1, 2, 3, 4, 5])
    lengths = np.linalg.norm(positions[:, bonds[0]] - positions[:, bonds[1]], axis=-1)
    known = np.linalg.norm(like[bonds[0]] - like[bonds[1]], axis=-1)
    return np.asarray((np.abs(lengths - known) < 0.5).all(axis=1))


def density(angles: FloatArray, bias: FloatArray) -> FloatArray:
    """Map ``(BINS, BINS)`` of phi and psi ``(n, 2)``, freed of a bias ``(n,)`` in kJ/mol."""
    edges = np.linspace(-180.0, 180.0, BINS + 1)
    weights = np.exp((bias - bias.max()) / KJ)
    counts = np.histogram2d(angles[:, 0], angles[:, 1], bins=(edges, edges), weights=weights)[0]
    return np.asarray(counts / counts.sum())


def free_energy(probability: FloatArray) -> FloatArray:
    """Of a map, in kJ/mol, 0 at its lowest; infinite where nothing was."""
    with np.errstate(divide="ignore"):
        found = -KJ * np.log(probability)
    return np.asarray(found - found.min())

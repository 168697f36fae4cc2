"""What this example asks, and what walks: mean forces on beads, and beads on the committee."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from peptide import (
    BEADS,
    PHI,
    PSI,
    FloatArray,
    IntArray,
    beads_sample,
    extended,
    mean_force,
    torsions,
)
from sampling import torsion_forces

from querist.core.batch import Sample

PULL = 0.4
"""Of the umbrella, in eV: its largest torque is as steep as the flanks of barriers are."""
TARGETS = np.array([(phi, psi) for phi in range(-150, 180, 60) for psi in range(-150, 180, 60)])
"""Degrees, one for each of 36 walkers."""
FIRM = np.array([(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (0, 2), (1, 3), (1, 4), (3, 4), (2, 5)])
"""Pairs of beads over a bond, and over an angle."""
_ends = extended()[BEADS][FIRM]
LENGTHS = np.linalg.norm(_ends[:, 0] - _ends[:, 1], axis=1)
FREE = np.where(np.arange(len(FIRM)) < 5, 0.1, 0.3)
"""Angstrom"""
STIFF = 30.0
"""eV/Angstrom^2"""


def held_beads(positions: FloatArray) -> dict[str, FloatArray]:
    """The oracle: the mean force on held beads, and its standard error.

    Args:
        positions: Of beads ``(6, 3)``, in Angstrom.

    Returns:
        ``forces`` and ``forces_error`` ``(6, 3)``, in eV/Angstrom.
    """
    beads = np.ascontiguousarray(positions, np.float64)
    found = mean_force(beads, seed=crc32(beads.tobytes()))
    return {"forces": found.forces, "forces_error": found.errors}


def extended_beads() -> list[Sample]:
    """The one geometry that is known beforehand: beads of the extended molecule."""
    return [beads_sample(extended()[BEADS])]


def umbrella(positions: FloatArray, walkers: IntArray) -> FloatArray:
    """What pulls each walker to torsions of its own: ``PULL (2 - cos dphi - cos dpsi)``.

    Beside that there are walls for bonds and for distances over an angle, so that a young
    committee's wrong forces do not tear beads apart, where nothing is to be learned.

    Args:
        positions: ``(k, 6, 3)`` in Angstrom.
        walkers: Their numbers ``(k,)``.

    Returns:
        Forces ``(k, 6, 3)`` in eV/Angstrom.
    """
    away = np.radians(torsions(positions) - TARGETS[walkers % len(TARGETS)])
    slopes = PULL * np.sin(away)
    found = np.zeros_like(positions)
    for slope, four in zip(slopes.T, (PHI, PSI), strict=True):
        found += slope[:, None, None] * torsion_forces(positions, four)
    return found + walls(positions)


def walls(positions: FloatArray) -> FloatArray:
    """Forces ``(k, 6, 3)`` in eV/Angstrom that begin ``FREE`` from the lengths when extended."""
    first, second = FIRM.T
    between = positions[:, first] - positions[:, second]
    lengths = np.linalg.norm(between, axis=-1)
    over = lengths - LENGTHS
    over -= np.clip(over, -FREE, FREE)
    pull = (-STIFF * over / lengths)[..., None] * between
    found = np.zeros_like(positions)
    np.add.at(found, (slice(None), first), pull)
    np.add.at(found, (slice(None), second), -pull)
    return found

"""A small Monte Carlo for where LAMMPS is not: hard ions, hard walls, nearest images.

Single ions are moved and kept by Metropolis' rule. Coulomb energies are those to the nearest image
along the walls, without what lies beyond the box: good for a demonstration, not for science.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from slit import BINS, BJERRUM, Counted, Slit, starting

Floats = NDArray[np.float64]


def run(slit: Slit, seed: int, sweeps: int = 2400) -> Counted:
    """Count ions in bins; a fifth of the sweeps settle."""
    rng = np.random.default_rng(seed)
    places, charges = starting(slit, rng), slit.charges
    count, halves = len(places), [np.zeros((2, BINS)), np.zeros((2, BINS))]
    settle, taken = sweeps // 5, [0, 0]
    step = 0.35 * slit.length
    for sweep in range(sweeps):
        moves = rng.uniform(-1.0, 1.0, (count, 3)) * step
        far = rng.random(count) < 0.3  # now and then anywhere: profiles mix faster
        moves[far] = rng.uniform(0.0, 1.0, (int(far.sum()), 3)) * [
            slit.side,
            slit.side,
            slit.length,
        ]
        luck = rng.random(count)
        for ion in range(count):
            new = moves[ion] if far[ion] else places[ion] + moves[ion]
            if allowed(slit, places, charges, ion, new, luck[ion]):
                places[ion] = new
                places[ion, :2] %= slit.side
        if sweep >= settle:
            half = int(2 * (sweep - settle) >= sweeps - settle)
            count_into(halves[half], slit, places)
            taken[half] += 1
    return Counted(halves[0] / taken[0], halves[1] / taken[1], sum(taken))


def allowed(
    slit: Slit, places: Floats, charges: Floats, ion: int, new: Floats, luck: float
) -> bool:
    """Whether a move is kept."""
    edge = slit.diameter / 2.0
    if not edge <= new[2] <= slit.length - edge:
        return False
    after = distances(slit, places, ion, new)
    if after.min() < slit.diameter:
        return False
    before = distances(slit, places, ion, places[ion])
    others = np.delete(charges, ion)
    change = BJERRUM * charges[ion] * float((others * (1.0 / after - 1.0 / before)).sum())
    return change <= 0.0 or luck < np.exp(-change)


def distances(slit: Slit, places: Floats, ion: int, at: Floats) -> Floats:
    """``(n - 1,)`` to all others."""
    away = np.delete(places, ion, axis=0) - at
    away[:, :2] -= slit.side * np.round(away[:, :2] / slit.side)
    return np.sqrt((away**2).sum(axis=1))


def count_into(counted: Floats, slit: Slit, places: Floats) -> None:
    """Add the ions of this moment."""
    cations = slit.counts[0]
    for row, part in enumerate((places[:cations], places[cations:])):
        counted[row] += np.histogram(part[:, 2], BINS, (0.0, slit.length))[0]

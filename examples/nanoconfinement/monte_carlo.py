"""A small Monte Carlo for where LAMMPS is not, with the same ions and walls, and nearest images.

Many copies of the box are sampled side by side: single ions are moved and kept by Metropolis' rule,
the same ion in all copies at a time, which is what makes it quick in NumPy. Coulomb energies are
those to the nearest image along the walls, without what lies beyond the box: good for a
demonstration, not for science.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from slit import BINS, BJERRUM, Counted, Halves, Slit, starting

Floats = NDArray[np.float64]
REACH = 2.0 ** (1.0 / 6.0)  # of the soft repulsion, in diameters
STEP, ANYWHERE = 0.5, 0.3  # nm a move at most; share of moves to anywhere: profiles mix faster


def run(slit: Slit, seed: int, copies: int = 32, sweeps: int = 180) -> Halves:
    """Count ions in bins, and the forces on them; a third of the sweeps settle."""
    rng = np.random.default_rng(seed)
    boxes = Boxes(slit, np.stack([starting(slit, rng) for _ in range(copies)]))
    settle, found = sweeps // 3, []
    for sweep in range(sweeps):
        boxes.move_all(rng)
        if sweep >= settle:
            found.append(boxes.counted())
    half = len(found) // 2
    return _mean(found[:half]), _mean(found[half:])


def _mean(found: list[Counted]) -> Counted:
    numbers = np.mean([one.numbers for one in found], axis=0)
    return Counted(numbers, np.mean([one.pulls for one in found], axis=0))


@dataclass(eq=False)
class Boxes:
    """Copies of a box.

    Attributes:
        slit: The question.
        places: ``(c, n, 3)`` nm.
        pairs: ``(c, n, n)`` energies of pairs, kT.
    """

    slit: Slit
    places: Floats
    pairs: Floats = field(init=False)

    def __post_init__(self) -> None:
        count = self.places.shape[1]
        self.pairs = np.stack([self.energies(i, self.places[:, i]) for i in range(count)], axis=1)

    def away(self, at: Floats) -> Floats:
        """``(c, n, 3)`` from a place in each copy to the nearest images of all ions."""
        found: Floats = self.places - at[:, None]
        found[..., :2] -= self.slit.side * np.round(found[..., :2] / self.slit.side)
        return found

    def energies(self, ion: int, at: Floats) -> Floats:
        """``(c, n)`` energies of an ion with each other one, were it at ``(c, 3)``."""
        squared = (self.away(at) ** 2).sum(axis=-1)
        squared[:, ion] = np.inf
        charges = self.slit.charges
        found: Floats = BJERRUM * charges[ion] * charges / np.sqrt(squared)
        found += repulsion(squared / self.slit.diameter**2)
        return found

    def wall(self, height: Floats) -> Floats:
        """Energies with both walls; infinite outside."""
        inside = (height > 0.0) & (height < self.slit.length)
        near = np.where(inside, np.minimum(height, self.slit.length - height), 1e-3)
        return np.where(inside, repulsion((near / (self.slit.diameter / 2.0)) ** 2), np.inf)

    def move_all(self, rng: np.random.Generator) -> None:
        """Try to move each ion once, in all copies at a time."""
        copies, count, _ = self.places.shape
        box = np.array([self.slit.side, self.slit.side, self.slit.length])
        moves = rng.uniform(-STEP, STEP, (count, copies, 3))
        far = rng.random((count, copies)) < ANYWHERE
        luck = rng.exponential(size=(count, copies))
        goals = rng.uniform(0.0, 1.0, (count, copies, 3)) * box
        for ion in range(count):
            old = self.places[:, ion]
            new = np.where(far[ion][:, None], goals[ion], old + moves[ion])
            with_new = self.energies(ion, new)
            change = with_new.sum(axis=1) - self.pairs[:, ion].sum(axis=1)
            change += self.wall(new[:, 2]) - self.wall(old[:, 2])
            kept = np.flatnonzero(change < luck[ion])
            self.places[kept, ion] = new[kept]
            self.places[kept, ion, :2] %= self.slit.side
            self.pairs[kept, ion] = self.pairs[kept, :, ion] = with_new[kept]

    def pulls(self) -> Floats:
        """``(c, n)`` forces across the gap, kT/nm."""
        length, size, charges = self.slit.length, self.slit.diameter, self.slit.charges
        away = self.places[:, :, None] - self.places[:, None]
        away[..., :2] -= self.slit.side * np.round(away[..., :2] / self.slit.side)
        squared = (away**2).sum(axis=-1)
        np.einsum("cii->ci", squared)[:] = np.inf
        each = BJERRUM * np.outer(charges, charges) * squared**-1.5
        each += steepness(squared / size**2) / size**2
        height = self.places[..., 2]
        found: Floats = (each * away[..., 2]).sum(axis=-1)
        for distance, sign in ((height, 1.0), (length - height, -1.0)):
            scaled = distance / (size / 2.0)
            found += sign * steepness(scaled**2) * scaled / (size / 2.0)
        return found

    def counted(self) -> Counted:
        """Means over the copies, of this moment."""
        copies, count, _ = self.places.shape
        at = np.minimum((self.places[..., 2] / self.slit.length * BINS).astype(int), BINS - 1)
        kind = np.repeat([0, 1], self.slit.counts)
        place = (kind * BINS + at).ravel()
        weights = (np.ones((copies, count)), self.pulls())
        sums = [np.bincount(place, w.ravel(), 2 * BINS).reshape(2, BINS) for w in weights]
        return Counted(sums[0] / copies, sums[1] / copies)


def repulsion(squared: Floats) -> Floats:
    """Truncated and shifted Lennard-Jones of 1 kT, by the squared distance in diameters."""
    sixth = np.maximum(squared, 1e-3) ** -3
    return np.where(squared < REACH**2, 4.0 * sixth * (sixth - 1.0) + 1.0, 0.0)


def steepness(squared: Floats) -> Floats:
    """Its force over the distance, likewise: what a vector of distance is multiplied with."""
    sixth = np.maximum(squared, 1e-3) ** -3
    return np.where(squared < REACH**2, 24.0 * sixth * (2.0 * sixth - 1.0) / squared, 0.0)

"""Many local minimisations at once, one evaluation of each at a time: limited-memory BFGS.

Liu and Nocedal, Math. Program. 45, 503, 1989, with what is usual for atoms in place of their line
search: steps have a largest length, and a step that raises the energy is shortened. Lengths are in
Angstrom, energies in eV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_HELD = ("place", "trial", "energy", "force", "steps", "tries", "moves", "turns", "curved")


@dataclass(slots=True, eq=False)
class Descent:
    """Minimisations of ``walkers`` systems of ``atoms`` atoms.

    Attributes:
        walkers, atoms: How many.
        tolerance: Largest force on an atom at a minimum, in eV/Angstrom.
        max_step: Largest displacement of an atom in a step, in Angstrom.
        stiffness: With which the first step is guessed, in eV/Angstrom^2.
        memory: Steps that are remembered.
        place: Best geometry of each (walkers, atoms, 3).
        trial: What is to be evaluated next, likewise.
        energy: At ``place`` (walkers,); NaN before the first evaluation.
        force: At ``place``, likewise.
        steps: Evaluations since the start (walkers,).
    """

    walkers: int
    atoms: int
    tolerance: float
    max_step: float
    stiffness: float
    memory: int = 6
    place: FloatArray = field(init=False, repr=False)
    trial: FloatArray = field(init=False, repr=False)
    energy: FloatArray = field(init=False, repr=False)
    force: FloatArray = field(init=False, repr=False)
    steps: IntArray = field(init=False, repr=False)
    tries: IntArray = field(init=False, repr=False)
    moves: FloatArray = field(init=False, repr=False)
    turns: FloatArray = field(init=False, repr=False)
    curved: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = (self.walkers, self.atoms, 3)
        self.place, self.trial, self.force = np.zeros((3, *shape))
        self.energy = np.full(self.walkers, np.nan)
        self.steps, self.tries = np.zeros((2, self.walkers), np.int64)
        self.moves, self.turns = np.zeros((2, self.memory, *shape))
        self.curved = np.zeros((self.memory, self.walkers))  # 1 / (move . turn); 0 where unused

    def start(self, rows: IntArray, positions: FloatArray) -> None:
        """Begin anew at positions (k, atoms, 3)."""
        self.place[rows] = self.trial[rows] = positions
        self.energy[rows], self.steps[rows], self.tries[rows] = np.nan, 0, 0
        self.forget(rows)

    def forget(self, rows: IntArray) -> None:
        """Forget the curvature, as when the surface has changed."""
        self.curved[:, rows] = 0.0

    def tell(self, rows: IntArray, energy: FloatArray, force: FloatArray) -> NDArray[np.bool_]:
        """Take in what was found at the trials of some walkers, and choose their next trials.

        Args:
            rows: Walkers (k,).
            energy: (k,); infinite where the trial made no sense.
            force: (k, atoms, 3).

        Returns:
            (k,) whether each has arrived at a minimum, which is its ``place``.
        """
        self.steps[rows] += 1
        rises = energy > self.energy[rows] + 1e-9 * np.abs(energy)  # no: nothing was known before
        bad = (rises & (self.tries[rows] < 4)) | ~np.isfinite(energy)
        self.tries[rows] = np.where(bad, self.tries[rows] + 1, 0)
        self._shorten(rows[bad])
        good = rows[~bad]
        self._accept(good, energy[~bad], force[~bad])
        largest = np.linalg.norm(self.force[rows], axis=2).max(axis=1)
        return np.asarray(~bad & (largest < self.tolerance))

    def _shorten(self, rows: IntArray) -> None:
        step = self.trial[rows] - self.place[rows]
        self.trial[rows] = self.place[rows] + 0.25 * step
        self.forget(rows[self.tries[rows] > 1])

    def _accept(self, rows: IntArray, energy: FloatArray, force: FloatArray) -> None:
        fresh = np.isnan(self.energy[rows])
        move, turn = self.trial[rows] - self.place[rows], self.force[rows] - force
        product = np.einsum("wak,wak->w", move, turn)
        kept = ~fresh & (product > 1e-12)
        here = rows[kept]
        for held, new in ((self.moves, move), (self.turns, turn)):
            held[:-1, here] = held[1:, here]
            held[-1, here] = new[kept]
        self.curved[:-1, here] = self.curved[1:, here]
        self.curved[-1, here] = 1.0 / product[kept]
        self.place[rows] = self.trial[rows]
        self.energy[rows], self.force[rows] = energy, force
        self.trial[rows] = self.place[rows] + self._step(rows)

    def _step(self, rows: IntArray) -> FloatArray:
        """The two-loop recursion, all walkers side by side; a slot without a step does nothing."""
        direction = self.force[rows].copy()
        shares = []
        for slot in range(self.memory - 1, -1, -1):
            move, turn = self.moves[slot, rows], self.turns[slot, rows]
            share = self.curved[slot, rows] * np.einsum("wak,wak->w", move, direction)
            direction -= share[:, None, None] * turn
            shares.append(share)
        last = self.turns[-1, rows]
        squared = np.einsum("wak,wak->w", last, last) * self.curved[-1, rows]
        known = squared > 0.0
        direction /= np.where(known, squared, self.stiffness)[:, None, None]
        for slot, share in zip(range(self.memory), reversed(shares), strict=True):
            move, turn = self.moves[slot, rows], self.turns[slot, rows]
            back = self.curved[slot, rows] * np.einsum("wak,wak->w", turn, direction)
            direction += (share - back)[:, None, None] * move
        length = np.linalg.norm(direction, axis=2).max(axis=1)
        direction *= np.minimum(1.0, self.max_step / np.maximum(length, 1e-300))[:, None, None]
        return np.asarray(direction)

    def state(self) -> dict[str, Array]:
        """Everything that :meth:`restore` needs."""
        return {name: getattr(self, name).copy() for name in _HELD}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Continue where :meth:`state` was taken."""
        for name in _HELD:
            setattr(self, name, np.array(arrays[name], getattr(self, name).dtype))

"""A genetic search of clusters: children of two low-energy parents, relaxed, displace the worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.batch import Array
from querist.core.errors import ConfigError
from querist.generators.cluster_moves import kicked, random_cluster, resurfaced, spliced
from querist.generators.searching import FloatArray, Search


@dataclass(eq=False)
class CutAndSplice(Search):
    """One population of relaxed clusters, from which all walkers breed.

    Deaven and Ho, Phys. Rev. Lett. 75, 288, 1995; the fitness is that of Johnston, Dalton Trans.
    4193, 2003: ``(1 - tanh(2 x - 1)) / 2`` with ``x`` the energy between the best (0) and the worst
    (1) of the population. Energies closer than ``distinct`` count as one structure. A population
    that took in nothing new for ``patience`` landings begins anew. Atoms are of one element.

    Attributes:
        population: How many minima are kept.
        mutation: Chance that a child is a kicked member instead of a spliced pair.
        surface: Chance that it is a member whose loose atoms are put elsewhere on the surface
            (:func:`~querist.generators.cluster_moves.resurfaced`).
        distinct: In eV.
        patience: In landings.
        margin: A relaxation that is nearly at its end, and so much above the worst member, is given
            up; in eV.
    """

    population: int = 12
    mutation: float = 0.2
    surface: float = 0.0
    distinct: float = 0.02
    patience: int = 400
    margin: float = 0.5
    _members: FloatArray = field(init=False, repr=False)
    _energies: FloatArray = field(init=False, repr=False)
    _idle: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.numbers.tolist())) > 1:
            raise ConfigError("cut and splice wants atoms of one element.")
        self._members = np.zeros((0, len(self.numbers), 3))
        self._energies = np.zeros(0)

    def _landed(self, walker: int, energy: float, positions: FloatArray) -> None:
        self._idle += 1
        if np.isfinite(energy):
            self._take(energy, positions)
        if self._idle >= self.patience:
            self._members, self._energies, self._idle = self._members[:0], self._energies[:0], 0

    def _ceiling(self, walker: int) -> float:
        if len(self._energies) < self.population:
            return np.inf
        return float(self._energies.max() + self.margin)

    def _take(self, energy: float, positions: FloatArray) -> None:
        same = np.flatnonzero(np.abs(self._energies - energy) < self.distinct)
        if len(same):
            if energy < self._energies[same].min():
                self._members[same[0]], self._energies[same[0]] = positions, energy
            return
        if len(self._energies) >= self.population:
            worst = int(self._energies.argmax())
            if energy >= self._energies[worst]:
                return
            self._members = np.delete(self._members, worst, axis=0)
            self._energies = np.delete(self._energies, worst)
        self._members = np.concatenate([self._members, positions[None]])
        self._energies = np.append(self._energies, energy)
        self._idle = 0

    def _next(self, walker: int) -> FloatArray:
        rng, count = self.rng, len(self._energies)
        if count < max(2, self.population // 2) or rng.random() < 0.02:
            return random_cluster(rng, len(self.numbers), self.distance)
        height = self._energies - self._energies.min()
        fitness = 0.5 * (1.0 - np.tanh(2.0 * height / max(height.max(), 1e-12) - 1.0))
        one, other = rng.choice(count, 2, replace=False, p=fitness / fitness.sum())
        chance = rng.random()
        if chance < self.mutation:
            return kicked(rng, self._members[one], 0.36 * self.distance, self.distance)
        if chance < self.mutation + self.surface:
            return resurfaced(rng, self._members[one], self.distance)
        return spliced(rng, self._members[one], self._members[other], self.distance)

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Relaxations under way, the population, and the randomness."""
        arrays, data = super().state()
        held = {"members": self._members.copy(), "energies": self._energies.copy()}
        return {**arrays, **held}, {**data, "idle": self._idle}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        super().restore(arrays, data)
        self._members = np.array(arrays["members"], np.float64)
        self._energies = np.array(arrays["energies"], np.float64)
        self._idle = int(data["idle"])

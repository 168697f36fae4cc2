"""Basin hopping: kick, relax, and accept by Metropolis' rule on the energies of the minima."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.batch import Array
from querist.generators.cluster_moves import kicked, random_cluster, resurfaced
from querist.generators.searching import FloatArray, IntArray, Search


@dataclass(eq=False)
class BasinHopping(Search):
    """Walkers hop from minimum to minimum.

    Wales and Doye, J. Phys. Chem. A 101, 5111, 1997. A hop from a minimum of energy ``a`` to one of
    energy ``b`` is accepted with the probability ``min(1, exp((a - b) / temperature))``.

    Attributes:
        step: Largest displacement of a coordinate in a kick, in units of ``distance``.
        temperature: Times Boltzmann's constant, in eV.
        patience: A walker that found nothing lower in so many hops begins anew at random.
        surface: Chance that a hop puts loose atoms elsewhere on the surface instead of a kick
            (:func:`~querist.generators.cluster_moves.resurfaced`); for atoms of one element.
    """

    step: float = 0.36
    temperature: float = 0.8
    patience: int = 300
    surface: float = 0.0
    _here: FloatArray = field(init=False, repr=False)
    _energy: FloatArray = field(init=False, repr=False)
    _lowest: FloatArray = field(init=False, repr=False)
    _idle: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._here = np.full((self.walkers, len(self.numbers), 3), np.nan)
        self._energy, self._lowest = np.full((2, self.walkers), np.inf)
        self._idle = np.zeros(self.walkers, np.int64)

    def _landed(self, walker: int, energy: float, positions: FloatArray) -> None:
        self._idle[walker] += 1
        if energy < self._lowest[walker] - 1e-6:
            self._lowest[walker], self._idle[walker] = energy, 0
        if np.isfinite(energy) and self._accepts(energy, float(self._energy[walker])):
            self._here[walker], self._energy[walker] = positions, energy
        if self._idle[walker] >= self.patience:
            self._energy[walker] = self._lowest[walker] = np.inf
            self._idle[walker] = 0

    def _accepts(self, energy: float, here: float) -> bool:
        rise = (energy - here) / self.temperature
        return rise <= 0.0 or bool(self.rng.random() < np.exp(-rise))

    def _ceiling(self, walker: int) -> float:
        # Accepted once in some ten thousand times.
        return float(self._energy[walker] + 10.0 * self.temperature)

    def _next(self, walker: int) -> FloatArray:
        if not np.isfinite(self._energy[walker]):
            return random_cluster(self.rng, len(self.numbers), self.distance)
        if self.surface and self.rng.random() < self.surface:
            return resurfaced(self.rng, self._here[walker], self.distance)
        return kicked(self.rng, self._here[walker], self.step * self.distance, self.distance)

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Relaxations under way, the minima that walkers are in, and the randomness."""
        arrays, data = super().state()
        own = {"here": self._here, "energy": self._energy, "lowest": self._lowest}
        copies = {name: value.copy() for name, value in {**own, "idle": self._idle}.items()}
        return {**arrays, **copies}, data

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        super().restore(arrays, data)
        self._here = np.array(arrays["here"], np.float64)
        self._energy = np.array(arrays["energy"], np.float64)
        self._lowest = np.array(arrays["lowest"], np.float64)
        self._idle = np.array(arrays["idle"], np.int64)

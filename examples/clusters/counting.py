"""The Lennard-Jones oracle that counts its calls, and stops a search that has found the minimum.

It serves ``compare.py`` on the engine "inline", where oracle and policy are in one process. A real
search does not know the answer, and so ends by its budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lennard_jones import MINIMA, FloatArray, energy_and_forces, relaxed

from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.rules import View
from querist.control.stop import WallTime

NEAR = 0.3
"""A label so little above the known energy, in epsilon, is relaxed: it may be of that minimum."""
SAME = 1e-5
"""Energies of one minimum agree to this, in epsilon."""


@dataclass
class Counter:
    """The oracle, which counts its calls and notices when the minimum was found.

    Attributes:
        atoms: Of the cluster.
        calls: Asked so far, relaxations of what is near the known energy included.
        found: Whether one of these ended in it.
    """

    atoms: int
    calls: int = 0
    found: bool = False
    tried: set[float] = field(default_factory=set)

    def __call__(self, positions: FloatArray) -> dict[str, Any]:
        """Energy and forces, in units of epsilon and sigma."""
        energy, forces = energy_and_forces(positions)
        self.calls += 1
        if not self.found and self._is_near(energy, forces):
            self.tried.add(round(energy, 3))
            low, _, calls = relaxed(positions)
            self.calls += calls
            self.found = low < MINIMA[self.atoms] + SAME
        return {"energy": energy, "forces": forces}

    def _is_near(self, energy: float, forces: FloatArray) -> bool:
        is_new = round(energy, 3) not in self.tried
        slope = float(np.linalg.norm(forces, axis=1).max())
        return is_new and energy < MINIMA[self.atoms] + NEAR and slope < 1.0


ORACLE = Counter(0)
"""Of the campaign under way."""


def begin(atoms: int) -> Counter:
    """Count anew, for a cluster of so many atoms."""
    global ORACLE
    ORACLE = Counter(atoms)
    return ORACLE


def ask(positions: FloatArray) -> dict[str, Any]:
    """What the campaign's oracle calls."""
    return ORACLE(np.asarray(positions, np.float64))


class UntilFound(StandardPolicy):
    """The standard policy, which stops when the minimum has been found."""

    def should_stop(self, view: View) -> str | None:
        """Because it was found, or as the rule says."""
        return "the known minimum was found" if ORACLE.found else super().should_stop(view)


def until_found(seconds: float, every: int = 4) -> UntilFound:
    """The policy: train after so many labels, stop when it was found or time is up."""
    return UntilFound(EveryLabels(every), WallTime(seconds))

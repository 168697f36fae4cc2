"""Crystals and surfaces with strained cells and displaced atoms, drawn anew for each proposal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.atoms import atoms_sample
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import Feedback, Proposal
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.generators.starts import load_batch

FloatArray = NDArray[np.float64]


@dataclass(eq=False)
class StrainedCells(Seeded):
    """Proposes periodic geometries around some starts, taken in turns; they need no model.

    A cell is multiplied by ``1 + e``. The strain ``e`` is symmetric: uniform components up to
    ``strain``, and on the diagonal a common one up to ``volume`` (a third of the relative change of
    the volume); both are scaled by a factor drawn from 0 to 1, so that small ones occur as well.
    Only periodic directions are strained. Atoms move along, and are then displaced by normal
    deviates whose standard deviation is uniform up to ``displacement``.

    Attributes:
        starts: Geometries of the atoms schema with cells, of any numbers of atoms: what
            :func:`~querist.generators.starts.load_batch` takes.
        walkers: Proposals at a time.
        strain: Largest component of the strain.
        volume: Largest strain that all periodic directions have in common.
        displacement: Largest standard deviation of a coordinate, in Angstrom.
        seed: The worker's randomness when None.
    """

    starts: Any
    walkers: int = 4
    strain: float = 0.03
    volume: float = 0.03
    displacement: float = 0.15
    seed: int | None = None
    _samples: list[Sample] = field(init=False, repr=False)
    _next: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.walkers < 1 or min(self.strain, self.volume, self.displacement) < 0.0:
            raise ConfigError(
                "strained cells want walkers >= 1 and strain, volume and displacement >= 0, but "
                f"got {self.walkers}, {self.strain}, {self.volume} and {self.displacement}."
            )
        if max(self.strain, self.volume) >= 0.3:
            raise ConfigError(
                f"strains are fractions below 0.3, but got {self.strain} and {self.volume}."
            )
        self._samples = list(load_batch(self.starts).samples())
        wanted = {"numbers", "positions", "cell", "pbc"}
        if not self._samples or not all(wanted <= set(one.arrays) for one in self._samples):
            got = sorted(self._samples[0].arrays) if self._samples else "none"
            raise ShapeError(f"strained cells want starts with {sorted(wanted)}, but got {got}.")

    def propose(self) -> Proposal:
        """New geometries, one for each walker."""
        return Proposal(self.initial(self.walkers), np.arange(self.walkers))

    def observe(self, feedback: Feedback) -> None:
        """Geometries do not depend on what is thought of them."""

    def initial(self, count: int) -> Batch:
        """The next ``count`` geometries."""
        return Batch.from_samples([self._drawn() for _ in range(count)])

    def _drawn(self) -> Sample:
        start = self._samples[self._next % len(self._samples)]
        self._next += 1
        cell, pbc = np.asarray(start["cell"], np.float64), np.asarray(start["pbc"], np.bool_)
        turn = np.eye(3) + self._strain(cell, pbc)
        positions = np.asarray(start["positions"], np.float64) @ turn
        spread = self.rng.uniform(0.0, self.displacement)
        positions = positions + spread * self.rng.standard_normal(positions.shape)
        return atoms_sample(start["numbers"], positions, cell @ turn, pbc)

    def _strain(self, cell: FloatArray, pbc: NDArray[np.bool_]) -> FloatArray:
        """A symmetric strain (3, 3) of the space that the periodic directions span."""
        drawn = self.rng.uniform(-self.strain, self.strain, (3, 3))
        common = self.rng.uniform(-self.volume, self.volume)
        size = self.rng.uniform()
        whole = size * (np.triu(drawn) + np.triu(drawn, 1).T + common * np.eye(3))
        periodic = cell[pbc]
        within = np.linalg.pinv(periodic) @ periodic
        return np.asarray(within @ whole @ within)

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Whose turn it is, and the randomness."""
        return {}, {"next": self._next, "rng": rng_state(self.rng)}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        self._next, self._rng = int(data["next"]), rng_from(data["rng"])

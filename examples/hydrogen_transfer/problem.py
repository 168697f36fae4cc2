"""What the campaigns' files need of their own: what explores, the committee, the level of theory.

Positions are in Angstrom, energies in eV, forces in eV/Angstrom, temperatures in Kelvin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from paths import MAX_STEP, STIFFNESS, TOLERANCE, pulled
from peptides import (
    ACCEPTOR,
    ATOMS,
    DONOR,
    HELD,
    PERMUTATIONS,
    FloatArray,
    IntArray,
    geometries,
    handed_over,
    sites,
    transfer_coordinate,
)

from querist.core.batch import Array, Batch
from querist.core.prediction import Feedback, Proposal, Verdict
from querist.generators.descent import Descent
from querist.generators.langevin import LangevinWalkers
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.models.gradient_domain.model import GradientDomain

TETHER = 20.0
"""Of the springs that hold the ends of walkers' fragments, in eV/A^2."""
TEMPERATURES = (150.0, 300.0)
"""Of the walkers, in Kelvin."""
NEAR = 2.75
"""Of the alpha carbons where the hydrogen is halfway, in Angstrom."""
SPREAD = 0.02
"""Of the displacements of atoms before there is a model, in Angstrom."""


def mixed(placed: FloatArray, share: FloatArray) -> FloatArray:
    """Sites (k, 25, 3), all atoms a share (k,) of the way from donor to acceptor.

    Halfway the alpha carbons are brought to ``NEAR`` of each other, with their other hydrogens.
    """
    made = placed + share[:, None, None] * (handed_over(placed) - placed)
    line = made[:, ACCEPTOR] - made[:, DONOR]
    length = np.linalg.norm(line, axis=1)
    wanted = length - 4.0 * share * (1.0 - share) * np.maximum(length - NEAR, 0.0)
    step = 0.5 * (1.0 - wanted / length)[:, None] * line
    for carbon, sign in ((DONOR, 1.0), (ACCEPTOR, -1.0)):
        for atom in (carbon, carbon + 6):  # its hydrogen is six places on
            made[:, atom] += sign * step
    return np.asarray(made)


@dataclass(eq=False)
class Scans(Seeded):
    """Constrained scans: geometries that relax on the model at a held transfer coordinate.

    Each scan is at a new site. It holds the ends of both fragments, draws a transfer coordinate
    from all that lie between donor and acceptor, or none (an end), and relaxes the alpha carbons
    and the hydrogens, one step of limited-memory BFGS an observation. It ends where it arrived,
    where the model is too doubtful to be followed, or after ``patience`` steps, and the next one
    begins.

    Attributes:
        scans: How many side by side.
        patience: Most steps of each.
        ends: Share of scans without a held coordinate.
        follow: Largest doubt (of what the gate looks at, forces in eV/A) with which a step is made;
            a scan that meets more ends there, whether or not the oracle is asked.
        seed: The worker's randomness when None.
    """

    scans: int = 8
    patience: int = 60
    ends: float = 0.4
    follow: float = 0.4
    seed: int | None = None
    _descent: Descent = field(init=False, repr=False)
    _wanted: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._descent = Descent(self.scans, ATOMS, TOLERANCE, MAX_STEP, STIFFNESS)
        self._wanted = np.full(self.scans, np.nan)
        self._begun = False

    def propose(self) -> Proposal:
        """Where each scan wants to know the forces."""
        if not self._begun:
            self._begin(np.arange(self.scans))
            self._begun = True
        return Proposal(geometries(self._descent.trial.copy()), np.arange(self.scans))

    def observe(self, feedback: Feedback) -> None:
        """One step further; scans that ended begin at new sites."""
        rows = np.asarray(feedback.walkers, np.int64)
        if feedback.prediction is None:
            self._begin(rows)
            return
        mean = feedback.prediction.mean
        energies = np.asarray(mean["energy"], np.float64).ravel()
        forces = np.asarray(mean["forces"], np.float64)
        bad = feedback.verdicts.verdict == Verdict.REJECT
        bad |= ~np.isfinite(forces).all(axis=(1, 2))
        bad |= feedback.verdicts.score > self.follow
        self._begin(rows[bad])
        rows, energies, forces = rows[~bad], energies[~bad], forces[~bad]
        trial = self._descent.trial[rows]
        said = pulled(trial, energies, forces, self._wanted[rows])
        arrived = self._descent.tell(rows, *said)
        self._begin(rows[arrived | (self._descent.steps[rows] >= self.patience)])

    def _begin(self, rows: IntArray) -> None:
        placed = sites(len(rows), self.rng)
        share = self.rng.uniform(0.0, 1.0, len(rows))
        free = self.rng.random(len(rows)) < self.ends
        start = mixed(placed, np.where(free, share.round(), share))
        self._descent.start(rows, start)
        self._wanted[rows] = np.where(free, np.nan, transfer_coordinate(start))

    def initial(self, count: int) -> Batch:
        """Sites with the hydrogen anywhere between, the free atoms displaced at random."""
        start = mixed(sites(count, self.rng), self.rng.uniform(0.0, 1.0, count))
        return geometries(start + SPREAD * self.rng.standard_normal(start.shape))

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Scans under way, and the randomness."""
        arrays = {**self._descent.state(), "wanted": self._wanted.copy()}
        return arrays, {"rng": rng_state(self.rng), "begun": self._begun}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        self._descent.restore(arrays)
        self._wanted = np.array(arrays["wanted"], np.float64)
        self._rng, self._begun = rng_from(data["rng"]), bool(data["begun"])


class TetheredWalkers(LangevinWalkers):
    """Langevin walkers whose fragments are held by springs, the hydrogen anywhere between.

    The springs pull held atoms to where the walker's site has them, and the transfer coordinate to
    where the walker began (umbrella sampling: Torrie and Valleau, J. Comput. Phys. 23, 187, 1977).
    They are added to what the model says, so that labels are of the molecules alone.
    """

    def __post_init__(self) -> None:
        self.bias = self._springs
        super().__post_init__()

    def _springs(self, here: FloatArray, walkers: IntArray) -> FloatArray:
        home = np.asarray(self._starts["positions"], np.float64)[self._home(walkers)]
        nothing = np.zeros_like(here)
        _, forces = pulled(here, np.zeros(len(here)), nothing, transfer_coordinate(home))
        forces[:, HELD] = TETHER * (home - here)[:, HELD]
        return np.asarray(forces)


def walkers(count: int = 8, places: int = 64, seed: int = 5, **options: Any) -> TetheredWalkers:
    """Langevin walkers at ``TEMPERATURES``, at sites and transfer coordinates drawn by a seed.

    Args:
        count: How many walkers.
        places: Sites, taken in turns.
        seed: Of the sites.
        options: Of :class:`~querist.generators.langevin.LangevinWalkers`.
    """
    rng = np.random.default_rng(seed)
    starts = mixed(sites(places, rng), rng.uniform(0.0, 1.0, places))
    return TetheredWalkers(
        geometries(starts), count, **{"temperature": TEMPERATURES, "farthest": 0.3, **options}
    )


def force_field(members: int = 4, **options: Any) -> GradientDomain:
    """The kernel committee, which knows that the two fragments are alike."""
    return GradientDomain(members, permutations=PERMUTATIONS.tolist(), **options)

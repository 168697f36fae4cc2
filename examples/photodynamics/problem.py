"""What `campaign.yaml` needs of its own: the oracle, where trajectories begin, the committee.

Units: Angstrom, A/fs, eV, fs; momenta in atomic units as in Tully's paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from diabatic import DiabaticCommittee
from tully import ATOMIC_TIME, BOHR, MASS, SIDE, adiabatic

from querist.core.batch import Batch
from querist.generators.surface_hopping import SurfaceHopping

MOMENTA = {
    "single": (8.0, 12.0, 16.0, 20.0, 25.0, 30.0),
    "double": (16.0, 20.0, 25.0, 30.0, 40.0, 50.0),
    "extended": (8.0, 12.0, 16.0, 20.0, 25.0, 30.0),
}
"""Of the trajectories, in atomic units; Tully's figures have these ranges."""

STEP = 0.04 * BOHR
"""Way of a particle in one step, before it meets the crossing, in Angstrom."""


class Surfaces:
    """The oracle: adiabatic energies, gradients and coupling of one of Tully's models.

    As a program for electronic structure would, it gives the coupling with an arbitrary sign.
    """

    def __init__(self, model: str) -> None:
        self.model = model

    def __call__(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """For the place ``(1,)`` in Angstrom."""
        there = adiabatic(self.model, positions)
        sign = 1.0 if int(abs(positions[0]) * 1e6) % 2 else -1.0
        return {
            "energies": there.energies[0],
            "gradients": there.gradients[0],
            "couplings": sign * there.couplings[0],
        }


def speed(momentum: float) -> float:
    """In A/fs, of a momentum in atomic units."""
    return momentum / 2000.0 * BOHR / ATOMIC_TIME


def trajectories(
    model: str, momenta: Sequence[float] = (), walkers: int = 30, **options: Any
) -> SurfaceHopping:
    """Particles that come from the left on the lower surface, with these momenta in turns.

    Each is advanced by the time step of the slowest; the path of the fastest in it is short all
    the same. While there is no model, places between the two sides are scouted.
    """
    speeds = np.array([speed(k) for k in momenta or MOMENTA[model]])
    starts = {
        "positions": np.full((len(speeds), 1), -SIDE * BOHR),
        "velocities": speeds[:, None],
        "state": np.zeros(len(speeds), np.int64),
    }
    scouts = np.linspace(-SIDE, SIDE, 41)[:, None] * BOHR
    limit = (SIDE + 0.2) * BOHR
    chosen = {"low": -limit, "high": limit, "duration": 60 * SIDE * BOHR / speeds.min(), **options}
    return SurfaceHopping(
        Batch.stack(**starts),
        [MASS],
        walkers,
        STEP / speeds.max(),
        scouts=Batch.stack(positions=np.random.default_rng(2).permutation(scouts)),
        **chosen,
    )


def committee(**options: Any) -> DiabaticCommittee:
    """Of smooth diabatic matrices."""
    return DiabaticCommittee(**options)


single, double, extended = Surfaces("single"), Surfaces("double"), Surfaces("extended")

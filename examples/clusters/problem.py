"""What the campaigns of this example need of their own: the oracle, searches of several sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lennard_jones import ARGON, DISTANCE, energy_and_forces
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.generators.basin_hopping import BasinHopping
from querist.generators.cut_and_splice import CutAndSplice


def lennard_jones(positions: NDArray[np.float64]) -> dict[str, Any]:
    """The oracle: ``energy`` in epsilon and ``forces`` (n, 3) in epsilon/sigma."""
    energy, forces = energy_and_forces(np.asarray(positions, np.float64))
    return {"energy": energy, "forces": forces}


def hopping(atoms: int, walkers: int = 6, **options: Any) -> BasinHopping:
    """Basin hopping of ``atoms`` Lennard-Jones atoms, at 0.8 epsilon as Wales and Doye 1997.

    Two hops of five put loose atoms elsewhere on the surface. A walker begins anew after 25 hops
    that found nothing lower: it sits at the bottom of a funnel, for 38 atoms mostly the wrong one.
    """
    chosen = {"temperature": 0.8, "surface": 0.4, "patience": 25, **options}
    return BasinHopping([ARGON] * atoms, DISTANCE, walkers, **chosen)


def breeding(atoms: int, walkers: int = 6, **options: Any) -> CutAndSplice:
    """The genetic search of ``atoms`` Lennard-Jones atoms; half the children are resurfaced."""
    chosen = {"surface": 0.5, "patience": 100, **options}
    return CutAndSplice([ARGON] * atoms, DISTANCE, walkers, **chosen)


def sensible(batch: Batch) -> NDArray[np.bool_]:
    """Whether no two atoms are closer than 0.7 sigma, and none is 2 sigma from all others (k,)."""
    keep = np.ones(len(batch), np.bool_)
    for row, item in enumerate(batch.columns["positions"].items()):
        x = np.asarray(item, np.float64)
        squared = ((x[:, None] - x[None]) ** 2).sum(axis=-1)
        np.fill_diagonal(squared, np.inf)
        nearest = squared.min(axis=1)
        keep[row] = nearest.min() > 0.7**2 and nearest.max() < 2.0**2
    return keep


def make_filter() -> Any:
    """The filter :func:`sensible`, as a campaign file wants it."""
    return sensible

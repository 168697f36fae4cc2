"""What the campaign of a metal cluster needs of its own: aluminium, loose and tight.

GFN2-xTB (Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 15, 1652, 2019) does not converge
for many clusters whose atoms are far apart: there levels lie close, and occupations change from
iteration to iteration. Lengths are in Angstrom, energies in eV.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.generators.basin_hopping import BasinHopping
from querist.generators.cluster_moves import random_cluster

ALUMINIUM = 13
DISTANCE = 2.7
"""Of neighbours in small clusters, in Angstrom."""
LOOSE = (1.05, 1.6)
"""Range of the factors by which random clusters are drawn together or apart."""


def looked_at(atoms: int = 6, seed: int = 1) -> Iterator[Sample]:
    """Random clusters, tight and loose, without end."""
    rng = np.random.default_rng(seed)
    while True:
        positions = rng.uniform(*LOOSE) * random_cluster(rng, atoms, DISTANCE)
        yield atoms_sample([ALUMINIUM] * atoms, positions)


def hopping(atoms: int = 6, walkers: int = 3, **options: Any) -> BasinHopping:
    """Basin hopping on the model; 0.3 eV is what a bond of this metal costs, nearly."""
    chosen = {"temperature": 0.3, "tolerance": 0.05, "stiffness": 8.0, **options}
    return BasinHopping([ALUMINIUM] * atoms, DISTANCE, walkers, **chosen)


def sensible(batch: Batch) -> NDArray[np.bool_]:
    """Whether no two atoms are nearer than 1.7, and none is 5 Angstrom from all others (k,)."""
    keep = np.ones(len(batch), np.bool_)
    for row, item in enumerate(batch.columns["positions"].items()):
        x = np.asarray(item, np.float64)
        away = np.linalg.norm(x[:, None] - x[None], axis=2)
        np.fill_diagonal(away, np.inf)
        nearest = away.min(axis=1)
        keep[row] = nearest.min() > 1.7 and nearest.max() < 5.0
    return keep


def make_filter() -> Any:
    """The filter :func:`sensible`, as a campaign file wants it."""
    return sensible

"""A structure in a few numbers, which no rotation, translation or exchange of atoms changes."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch

from .pairs import Structures
from .radial import Radial

FloatArray = NDArray[np.float64]
CLOSEST = 1.0  # where radial functions begin, in Angstrom
EXTRA = {"charge": 0.0, "multiplicity": 1.0}
"""What samples may have beside, and what it is where they have not."""


def summarise(batch: Batch, reach: float = 5.0, functions: int = 6) -> FloatArray:
    """Describe samples of the atoms schema, of any sizes.

    Each atom is described by sums of radial functions over its neighbours, once each neighbour
    counting 1 and once its atomic number. Mean, standard deviation, least and largest over the
    atoms describe the structure, with the number of atoms, atomic numbers, charge and multiplicity.

    Args:
        batch: ``n`` samples, with or without cells.
        reach: Of the functions, in Angstrom.
        functions: How many.

    Returns:
        ``(n, d)``.

    Raises:
        UnsupportedSample: If samples are not of the atoms schema, or have no atoms.
    """
    structures = Structures.of(batch, reach)
    pairs, offsets = structures.pairs, structures.offsets
    values, _ = Radial(functions, CLOSEST, reach)(pairs.distance)
    weights = np.stack([np.ones(len(pairs.neighbour)), structures.numbers[pairs.neighbour]])
    sums = [
        np.bincount(pairs.centre, value * weight, minlength=pairs.atoms)
        for weight in weights
        for value in values
    ]
    atoms = np.stack([*sums, structures.numbers], axis=1).astype(np.float64)
    rows = []
    for start, stop in itertools.pairwise(offsets.tolist()):
        own = atoms[start:stop]
        parts = [own.mean(axis=0), own.std(axis=0), own.min(axis=0), own.max(axis=0)]
        rows.append(np.concatenate([*parts, [len(own)]]))
    count = len(batch)
    more = [
        np.asarray(batch[name] if name in batch else np.full(count, usual), np.float64)[:, None]
        for name, usual in EXTRA.items()
    ]
    whole = np.array(rows).reshape(count, -1)
    return np.concatenate([whole, *more], axis=1)

"""Filters for geometries that make no sense; each returns ``(n,)`` True for sensible samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch

# Covalent radii in Angstrom by atomic number, Cordero et al., Dalton Trans. 2008, 2832
# (H to Xe; low-spin values for Mn, Fe, Co; index 0 unused).
COVALENT_RADII = np.array(
    [
        0.2, 0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11,
        1.07, 1.05, 1.02, 1.06, 2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32,
        1.22, 1.22, 1.20, 1.19, 1.20, 1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46,
        1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39, 1.38, 1.39, 1.40,
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finite:
    """All floating-point fields are finite."""

    def __call__(self, batch: Batch) -> NDArray[np.bool_]:
        """``(n,)`` sensible or not."""
        keep = np.ones(len(batch), np.bool_)
        for column in batch.columns.values():
            if column.data.dtype.kind in "fc" and not np.isfinite(column.data).all():
                keep &= [bool(np.isfinite(item).all()) for item in column.items()]
        return keep


@dataclass(frozen=True, slots=True)
class MinDistance:
    """No two atoms closer than ``scale`` times the sum of their covalent radii.

    For non-periodic samples of the atoms schema. Radii: Cordero et al. 2008; unknown elements
    count as 1.4 Angstrom.
    """

    scale: float = 0.6

    def __call__(self, batch: Batch) -> NDArray[np.bool_]:
        """``(n,)`` sensible or not."""
        numbers, positions = batch.columns["numbers"], batch.columns["positions"]
        pairs = zip(numbers.items(), positions.items(), strict=True)
        return np.array([_apart(n, x, self.scale) for n, x in pairs], np.bool_)


@dataclass(frozen=True, slots=True)
class MaxDistance:
    """No atom farther than ``distance`` Angstrom from its nearest neighbour (not fallen apart)."""

    distance: float = 3.0

    def __call__(self, batch: Batch) -> NDArray[np.bool_]:
        """``(n,)`` sensible or not."""
        return np.array(
            [_together(x, self.distance) for x in batch.columns["positions"].items()], np.bool_
        )


@dataclass(frozen=True, slots=True)
class Within:
    """A field stays within ``low`` and ``high``, element by element."""

    field: str
    low: float
    high: float

    def __call__(self, batch: Batch) -> NDArray[np.bool_]:
        """``(n,)`` sensible or not."""
        items = (np.asarray(item, np.float64) for item in batch.columns[self.field].items())
        return np.array([bool(((x >= self.low) & (x <= self.high)).all()) for x in items], np.bool_)


def _distances(positions: NDArray[np.generic]) -> NDArray[np.float64]:
    x = np.asarray(positions, np.float64)
    distances: NDArray[np.float64] = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(distances, np.inf)
    return distances


def _apart(numbers: NDArray[np.generic], positions: NDArray[np.generic], scale: float) -> bool:
    index = np.asarray(numbers, np.int64)
    known = index < len(COVALENT_RADII)
    radii = np.where(known, COVALENT_RADII[np.where(known, index, 0)], 1.4)
    return bool((_distances(positions) > scale * (radii[:, None] + radii[None])).all())


def _together(positions: NDArray[np.generic], distance: float) -> bool:
    return len(positions) < 2 or bool((_distances(positions).min(axis=1) <= distance).all())

"""What explores in this example: strained cells, hot crystals and hot surfaces of copper."""

from __future__ import annotations

from typing import Any

from crystal import SPACING, bulk, slab

from querist.core.batch import Sample
from querist.generators.langevin import LangevinWalkers
from querist.generators.strained_cells import StrainedCells


def crystals() -> list[Sample]:
    """Cells of 4 and of 32 atoms."""
    return [bulk(), bulk(repeat=2)]


def slabs() -> list[Sample]:
    """Both surfaces; smallest cells of 7 layers, and 2 by 2 cells of 5."""
    return [slab(face, layers, SPACING, n) for layers, n in ((7, 1), (5, 2)) for face in FACES]


FACES = ("100", "111")


def strained_crystals(walkers: int = 4, **options: Any) -> StrainedCells:
    """The bulk, strained and compressed or expanded, its atoms displaced."""
    return StrainedCells(crystals(), walkers, **{"volume": 0.05, **options})


def strained_slabs(walkers: int = 4, **options: Any) -> StrainedCells:
    """Surfaces, strained in their plane, their atoms displaced."""
    return StrainedCells(slabs(), walkers, **{"volume": 0.02, **options})


def hot_crystal(walkers: int = 3, **options: Any) -> LangevinWalkers:
    """Molecular dynamics of 32 atoms on the model, from 300 to 1200 K."""
    starts = [bulk(SPACING * size, 2) for size in (0.99, 1.0, 1.02)]
    return LangevinWalkers(starts, walkers, [300.0, 700.0, 1200.0], 2.0, **options)


def hot_slab(face: str, walkers: int = 2, **options: Any) -> LangevinWalkers:
    """Molecular dynamics of a surface on the model, at 300 and 800 K."""
    return LangevinWalkers([slab(face, 5, SPACING, 2)], walkers, [300.0, 800.0], 2.0, **options)

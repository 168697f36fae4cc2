"""What the campaign's file needs of its own: the oracle (a segment of dynamics) and the models.

A question is where a walker begins. The answer is what it saw. A model knows all that was seen, and
its doubt of a frame is how much one would like to begin there: the larger, the less was seen. Each
strategy is an uncertainty of its own, named in ``gate: {output: ...}``.
"""

from __future__ import annotations

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from dynamics import Segments  # noqa: E402
from molecules import dihedrals, molecule  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from querist.core.answers import Dataset  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.prediction import Prediction  # noqa: E402
from querist.core.roles import FitRequest, FitResult, ModelState  # noqa: E402
from querist.oracles.function import FunctionOracle  # noqa: E402

CELL = 30.0  # degrees


def simulation(
    system: str = "alanine", picoseconds: float = 20.0, every: float = 1.0
) -> FunctionOracle:
    """The oracle: a segment from ``positions`` with ``seed``; answers ``frames`` in Angstrom."""
    return FunctionOracle(
        Segments(system, picoseconds, every), level=f"amber99sbildn+obc/{picoseconds:g} ps"
    )


def seen(dataset: Dataset) -> NDArray[np.float32]:
    """All frames of all answers (m, n, 3), in the order of answers."""
    frames = np.asarray(dataset.outputs["frames"], np.float32)
    return frames.reshape(-1, *frames.shape[2:])


def chance(batch: Batch) -> NDArray[np.float64]:
    """A number in [0, 1) of each question that tells nothing of it: the strategy ``random``."""
    seeds = np.asarray(batch["seed"], np.int64).ravel()
    return np.array([np.random.default_rng(seed).random() for seed in seeds])


def cells_of(torsions: NDArray[np.float64], cell: float = CELL) -> NDArray[np.int16]:
    """Which cell of a grid each row of angles (k, t) in degrees is in."""
    return np.floor((torsions + 180.0) / cell).astype(np.int16)


class TorsionCells:
    """Counts visits of cells of phi and psi: what one can do who knows the coordinates.

    ``least_visited`` is one over the visits of the frame's cell.

    Args:
        system: Name of the molecule.
        cell: Edge of a cell, in degrees.
    """

    def __init__(self, system: str = "alanine", cell: float = CELL) -> None:
        self._torsions = molecule(system).torsions
        self._cell = cell
        self._counts: dict[tuple[int, ...], int] = {}

    def _cells(self, positions: NDArray[np.float32]) -> NDArray[np.int16]:
        return cells_of(dihedrals(positions, self._torsions), self._cell)

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Count the cells of all frames."""
        cells, counts = np.unique(self._cells(seen(dataset)), axis=0, return_counts=True)
        state = ModelState({"cells": cells, "counts": counts}, {"format": "torsion_cells/1"})
        return FitResult(state, {"cells": float(len(cells))})

    def load(self, state: ModelState) -> None:
        """Use these counts."""
        cells, counts = state.arrays["cells"].tolist(), state.arrays["counts"].tolist()
        self._counts = {tuple(cell): count for cell, count in zip(cells, counts, strict=True)}

    def predict(self, batch: Batch) -> Prediction:
        """Torsions in degrees, and how much one would like to begin at each."""
        positions = np.asarray(batch["positions"], np.float32)
        cells = self._cells(positions).tolist()
        visits = np.array([self._counts.get(tuple(cell), 0) for cell in cells])
        doubt = Batch.stack(least_visited=1.0 / (1.0 + visits), random=chance(batch))
        return Prediction(Batch.stack(torsions=dihedrals(positions, self._torsions)), doubt)

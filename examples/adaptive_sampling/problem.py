"""What the campaign's file needs of its own: the oracle (a segment of dynamics) and the models.

A question is where a walker begins. The answer is what it saw. A model knows all that was seen, and
its doubt of a frame is how much one would like to begin there: the larger, the less was seen. Each
strategy is an uncertainty of its own, named in ``gate: {output: ...}``.
"""

from __future__ import annotations

import os
from typing import Any

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
    system: str = "alanine", picoseconds: float = 4.0, every: float = 0.2
) -> FunctionOracle:
    """The oracle: a segment from ``positions`` with ``seed``; answers ``frames`` in Angstrom."""
    return FunctionOracle(
        Segments(system, picoseconds, every), level=f"amber99sbildn+obc/{picoseconds:g} ps"
    )


def seen(dataset: Dataset) -> NDArray[np.float32]:
    """All frames of all answers (m, n, 3), in the order of answers."""
    frames = np.asarray(dataset.outputs["frames"], np.float32)
    return frames.reshape(-1, *frames.shape[2:])


def drawn(weights: NDArray[np.float64], batch: Batch) -> NDArray[np.float64]:
    """Keys whose largest are a draw without replacement in proportion to positive weights (k,).

    So the questions of a batch differ, and do not all begin at one rare frame. Chance comes from
    the seed of each question (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181, 2006).
    """
    seeds = np.asarray(batch["seed"], np.uint64).ravel()
    mixed = (seeds * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)  # Knuth's hash
    uniform = (mixed.astype(np.float64) + 0.5) / 2.0**53
    return np.asarray(weights / -np.log(uniform))


def rarely(visits: NDArray[Any], batch: Batch) -> NDArray[np.float64]:
    """Keys that draw cells in proportion to one over their visits, and any frame of a cell alike.

    A cell's frames are offered as often as it was visited, hence the square.
    """
    return drawn(1.0 / (1.0 + np.asarray(visits, np.float64)) ** 2, batch)


def cells_of(torsions: NDArray[np.float64], cell: float = CELL) -> NDArray[np.int16]:
    """Which cell of a grid each row of angles (k, t) in degrees is in."""
    return np.floor((torsions + 180.0) / cell).astype(np.int16)


class TorsionCells:
    """Counts visits of cells of phi and psi: what one can do who knows the coordinates.

    ``least_visited`` draws cells in proportion to one over their visits.

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
        doubt = Batch.stack(
            least_visited=rarely(visits, batch), random=drawn(np.ones(len(batch)), batch)
        )
        return Prediction(Batch.stack(torsions=dihedrals(positions, self._torsions)), doubt)

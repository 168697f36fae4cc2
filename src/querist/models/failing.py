"""Where a simulation fails: the share of failures among the nearest inputs that were tried.

Nothing is assumed of the region (a step is no smooth function), and whether it may be acted upon is
not for this to say: the audits of a surrogate judge it as they judge the model, and in a campaign
:class:`~querist.models.avoiding.Avoiding` does what it was told. Cover & Hart, Nearest neighbor
pattern classification, IEEE Trans. Inf. Theory 13, 21 (1967).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.core.roles import ModelState
from querist.models.table import Fields, Scaler

FORMAT = "querist.surrogate.failing/1"
WHO = "the classifier of failures"
NEIGHBOURS = 5
MAJORITY = 0.5
FEWEST_FAILURES = 5  # before anything is learned of where the simulation fails
Vector = NDArray[np.float64]


def fit_failing(inputs: Batch, failed: NDArray[np.bool_]) -> ModelState:
    """Keep ``n`` inputs that were tried, and whether each failed.

    Raises:
        ShapeError: If inputs are no numbers, or their shape changes.
        UnsupportedSample: If one is not finite.
    """
    fields = Fields.of(inputs, None, WHO)
    X = fields.matrix(inputs, WHO)
    scaler = Scaler.of(X, fields)
    arrays = {"X": scaler.apply(X), "failed": failed.astype(np.float64), **scaler.arrays("x_")}
    return ModelState(arrays, {"format": FORMAT, "inputs": fields.metadata()})


class Failing:
    """Says how likely inputs fail.

    Args:
        state: What :func:`fit_failing` gave.
    """

    def __init__(self, state: ModelState) -> None:
        from scipy.spatial import cKDTree

        held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
        self._fields = Fields.from_metadata(state.data["inputs"])
        self._scaler = Scaler.from_arrays(held, "x_")
        self._failed = held["failed"]
        self._tree: Any = cKDTree(held["X"])

    def probability(self, batch: Batch) -> Vector:
        """``(n,)`` share of failures among the nearest inputs.

        Raises:
            ShapeError: If a field is missing or has another shape.
            UnsupportedSample: If a value is not finite.
        """
        X = self._scaler.apply(self._fields.matrix(batch, WHO))
        count = min(NEIGHBOURS, len(self._failed))
        _, near = self._tree.query(X, k=list(range(1, count + 1)))
        share: Vector = self._failed[near].mean(axis=1)
        return share

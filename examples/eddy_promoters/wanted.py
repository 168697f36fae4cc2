"""A model for several searches at once: what promises to be better than the best is to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch, Column
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.around import Around

WHO = "Wanted"
_PREFIX = "wanted/"


def worths(gains: Any, price: float) -> NDArray[np.float64]:
    """``(n,)`` worths of gains ``(n, 2)``, see ``problem.worth``."""
    log_drag, heat = np.asarray(gains, np.float64).reshape(-1, 2).T
    return np.asarray(heat - price * (np.exp(log_drag) - 1.0))


@dataclass(eq=False)
class Wanted(Around):
    """A committee with one more uncertainty, ``wanted``, for the gate.

    It is the larger of the standard deviations of both gains, and of what a design is said to be
    worth more than the best label, at the price where that is most, times ``weight``. So a swarm
    can only go on where the committee neither doubts nor promises anything new.

    Attributes:
        model: The committee, or its import path.
        prices: Of drag, one for each search.
        weight: Of a gain in worth beside a standard deviation.
        options: Of an import path.
    """

    model: Any
    prices: Sequence[float]
    weight: float = 2.0
    options: Mapping[str, Any] = field(default_factory=dict)
    _best: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._make(WHO)

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit the committee, and note the best label at each price."""
        found = self.model.fit(dataset, request)
        gains = dataset.only(Purpose.TRAIN).outputs["gains"]
        best = [float(worths(gains, price).max()) for price in self.prices]
        state = ModelState(found.state.arrays, {**found.state.data, f"{_PREFIX}best": best})
        return FitResult(state, found.metrics)

    def load(self, state: ModelState) -> None:
        """Predict with this state from now on."""
        own = {name: value for name, value in state.data.items() if not name.startswith(_PREFIX)}
        self.model.load(ModelState(state.arrays, own))
        self._best = np.array(state.data[f"{_PREFIX}best"], np.float64)

    def predict(self, batch: Batch) -> Prediction:
        """What the committee says, with ``wanted`` among the standard deviations."""
        said = self.model.predict(batch)
        each = [worths(said.mean["gains"], price) for price in self.prices]
        more = np.max(np.stack(each) - self._best[:, None], axis=0)
        wanted = np.maximum(np.asarray(said.std["gains"]).max(axis=1), self.weight * more)
        means = Batch({**said.mean.columns, "wanted": Column.stack(more)})
        stds = Batch({**said.std.columns, "wanted": Column.stack(wanted)})
        return Prediction(means, stds, said.members)

"""What a search should ask: what is uncertain and low enough to matter, or better than the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch, Column
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction, largest
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.around import Around

WHO = "Promising"
_PREFIX = "promising/"


@dataclass(eq=False)
class Promising(Around):
    """A model with one more uncertainty, ``<output>.promise``, for the gate of a search.

    A search for the lowest value of an output needs its model to be right only where values are
    low. With mean ``m`` and standard deviation ``s`` of the output, and ``b`` the lowest training
    label of the same kind (samples whose field ``by`` holds equal values: clusters of one
    composition), the promise is the larger of

    * the doubt ``s exp(-max(0, m - 2 s - b) / window)``: an uncertainty, which counts the less the
      higher its lower confidence bound (Cox and John 1992) lies above the best;
    * where the search has arrived, the improvement ``b - m``, so many times as ``weight`` says:
      what is said to be better than the best is to be shown to be. It has arrived where the model's
      ``slope`` (forces) is nowhere larger than ``settled``; on its way down, everything would be
      better than the best.

    The mean of ``<output>.promise`` is the improvement ``b - m`` itself (0 where ``b`` is unknown).

    With ``gate.output: energy.promise``, what is uncertain or promising is asked, and a search on
    the model goes on where it is neither. Means, and other uncertainties, are the model's own.

    Attributes:
        model: The model, or its import path.
        output: The scalar output that is searched for its lowest value.
        window: In units of the output.
        weight: Of an improvement beside a doubt.
        slope: The output whose size tells whether a search has arrived; None where every sample
            is an end of its own.
        settled: In units of ``slope``.
        by: The field that tells kinds apart.
        options: Options for an import path.
    """

    model: Any
    output: str = "energy"
    window: float = 1.0
    weight: float = 10.0
    slope: str | None = "forces"
    settled: float = 0.02
    by: str = "numbers"
    options: Mapping[str, Any] = field(default_factory=dict)
    _lowest: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._make(WHO)
        if not self.window > 0.0:
            raise ConfigError(f"{WHO} wants a positive window, but got {self.window}.")

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit the model, and note the lowest training label of each kind."""
        found = self.model.fit(dataset, request)
        rows = dataset.only(Purpose.TRAIN)
        lowest: dict[str, float] = {}
        values = np.asarray(rows.outputs[self.output], np.float64)
        for kind, value in zip(_kinds(rows.inputs, self.by), values.tolist(), strict=True):
            lowest[kind] = min(value, lowest.get(kind, np.inf))
        state = ModelState(found.state.arrays, {**found.state.data, f"{_PREFIX}lowest": lowest})
        return FitResult(state, found.metrics)

    def load(self, state: ModelState) -> None:
        """Predict with this state from now on."""
        own = {name: value for name, value in state.data.items() if not name.startswith(_PREFIX)}
        self.model.load(ModelState(state.arrays, own))
        self._lowest = dict(state.data[f"{_PREFIX}lowest"])

    def predict(self, batch: Batch) -> Prediction:
        """What the model says, with the promise among the standard deviations."""
        said = self.model.predict(batch)
        mean = np.asarray(said.mean[self.output], np.float64).reshape(-1)
        std = said.uncertainty(self.output)
        best = np.array([self._lowest.get(kind, np.nan) for kind in _kinds(batch, self.by)])
        gain = np.where(np.isfinite(best), best - mean, 0.0)
        arrived = np.ones(len(batch), np.bool_)
        if self.slope is not None:
            arrived = largest(said.mean, self.slope) <= self.settled
        doubt = doubt_of(mean, std, best, self.window)
        promise = np.maximum(doubt, np.where(arrived, self.weight * gain, 0.0))
        name = f"{self.output}.promise"
        means = Batch({**said.mean.columns, name: Column.stack(gain)})
        return Prediction(
            means, Batch({**said.std.columns, name: Column.stack(promise)}), said.members
        )


def doubt_of(
    mean: NDArray[np.float64], std: NDArray[np.float64], best: NDArray[np.float64], window: float
) -> NDArray[np.float64]:
    """The doubt (n,); all in units of the output, ``best`` NaN where there is no label yet."""
    height = mean - 2.0 * std - np.where(np.isfinite(best), best, mean)
    return np.asarray(std * np.exp(-np.maximum(0.0, height) / window))


def _kinds(batch: Batch, by: str) -> list[str]:
    """What tells the kind of each sample: the sorted values of a field, with their counts."""
    names = []
    for item in batch.columns[by].items() if len(batch) else ():
        values, counts = np.unique(item, return_counts=True)
        pairs = zip(values.tolist(), counts.tolist(), strict=True)
        names.append(" ".join(f"{value}:{count}" for value, count in pairs))
    return names

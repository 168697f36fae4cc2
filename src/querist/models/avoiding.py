"""A model that also learns where the oracle fails, so that a campaign asks elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch, Column
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.core.tasks import resolve
from querist.models.around import Around
from querist.models.failing import FEWEST_FAILURES, MAJORITY, Failing, fit_failing
from querist.models.local.summary import summarise

WHO = "Avoiding"
FAILS = "fails"
_PREFIX = "avoiding/"
Describe = Callable[[Batch], NDArray[np.float64]]


@dataclass(eq=False)
class Avoiding(Around):
    """A model whose doubt has no bounds where the oracle would rather fail to answer.

    From the inputs of training labels and those of questions that failed for good
    (:attr:`~querist.core.roles.FitRequest.failed`) it learns how likely an input fails: the share
    of failures among the nearest inputs that were tried (:meth:`fails`). Where it is ``at_most`` or
    more, every standard deviation is infinite. So a gate rejects the sample: nobody asks it, a
    walker turns back, a search looks elsewhere. Before five questions failed, nothing is avoided.

    Attributes:
        model: The model, or its import path.
        at_most: From which probability of a failure on an input is avoided.
        describe: Makes ``(n, d)`` numbers of a batch, in which near inputs fail alike; a function
            or its "package.module:attribute". By default samples of the atoms schema are described
            by :func:`~querist.models.local.summary.summarise`, and others are taken as they are.
        options: Options for an import path.
    """

    model: Any
    at_most: float = MAJORITY
    describe: Describe | str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    _describe: Describe = field(init=False, repr=False)
    _failing: Failing | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._make(WHO)
        if not 0.0 < self.at_most <= 1.0:
            raise ConfigError(f"{WHO} wants at_most above 0 and up to 1, but got {self.at_most}.")
        found = resolve(self.describe) if isinstance(self.describe, str) else self.describe
        self._describe = found or _numbers

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit the model, and note which inputs were tried and which of them failed.

        Raises:
            QueristError: Whatever the model raises, and where inputs cannot be described.
        """
        found = self.model.fit(dataset, request)
        arrays, data = dict(found.state.arrays), dict(found.state.data)
        failed = request.failed if request.failed is not None else Batch({})
        if len(failed) >= FEWEST_FAILURES:
            good = self._describe(dataset.only(Purpose.TRAIN).inputs)
            bad = self._describe(failed)
            bad = bad[np.isfinite(bad).all(axis=1)]
            is_bad = np.arange(len(good) + len(bad)) >= len(good)
            learned = fit_failing(Batch.stack(x=np.concatenate([good, bad])), is_bad)
            arrays |= {_PREFIX + name: array for name, array in learned.arrays.items()}
            data[_PREFIX + FAILS] = dict(learned.data)
        return FitResult(ModelState(arrays, data), {**found.metrics, FAILS: float(len(failed))})

    def load(self, state: ModelState) -> None:
        """Predict with this state from now on."""
        arrays, data = dict(state.arrays), dict(state.data)
        own = {n.removeprefix(_PREFIX): arrays.pop(n) for n in list(arrays) if _is_own(n)}
        told = data.pop(_PREFIX + FAILS, None)
        self.model.load(ModelState(arrays, data))
        self._failing = None if told is None else Failing(ModelState(own, told))

    def predict(self, batch: Batch) -> Prediction:
        """What the model says, but without bounds to its doubt where failures are expected."""
        said: Prediction = self.model.predict(batch)
        avoided = self.fails(batch) >= self.at_most
        if not avoided.any():
            return said
        doubted = {name: _unbounded(c, avoided) for name, c in said.std.columns.items()}
        return Prediction(said.mean, Batch(doubted, said.std.keys, said.std.uris), said.members)

    def fails(self, batch: Batch) -> NDArray[np.float64]:
        """How likely each of ``n`` samples fails (n,); 0 while too little is known."""
        if self._failing is None or not len(batch):
            return np.zeros(len(batch))
        return self._failing.probability(Batch.stack(x=self._describe(batch)))


def _is_own(name: str) -> bool:
    return name.startswith(_PREFIX)


def _unbounded(column: Column, rows: NDArray[np.bool_]) -> Column:
    each = np.repeat(rows, np.diff(column.offsets))
    values = np.where(each, np.inf, np.asarray(column.data, np.float64))
    return Column(values, column.offsets, column.shapes)


def _numbers(batch: Batch) -> NDArray[np.float64]:
    if {"numbers", "positions"} <= set(batch.columns):
        return summarise(batch)
    columns = [np.asarray(batch[name], np.float64) for name in sorted(batch.columns)]
    return np.concatenate([column.reshape(len(batch), -1) for column in columns], axis=1)

"""The one calibrator: makes any model's uncertainty agree with the errors it is seen to make.

A prediction has one number for its uncertainty (``Prediction.uncertainty``: for forces the maximum
over atoms) and, once labelled, one number for its error (the same maximum of the difference). A map
from the first to the second is fitted to labels that the model was not trained on:

=============  ==================================================================================
method         calibrated standard deviation
=============  ==================================================================================
``isotonic``   a non-decreasing function of the uncertainty: isotonic regression of the error on
               it (Kuleshov et al. 2018), scaled to the root mean square of the errors
``scale``      the uncertainty times one factor, the root mean square of error over uncertainty
               (Laves et al. 2020); right for a handful of labels
``conformal``  the uncertainty times one factor, the conformal quantile of error over uncertainty
               divided by that of a normal variable, so that mean -+ z std covers
``temperature``  classes: mean probabilities to the power 1/T, normalised (Guo et al. 2017)
=============  ==================================================================================

Intervals (:meth:`Calibrated.interval`) are split-conformal in every regression method: the
half-width is the ``ceil((n + 1) coverage)``-th smallest of the ``n`` ratios of error to calibrated
standard deviation (Vovk et al. 2005; Lei et al. 2018; Angelopoulos & Bates 2023). Only with
``conformal`` have the same labels not been used before, and coverage of at least ``coverage`` holds
for any model, for new samples drawn as the calibration labels were. Samples that a campaign chose
because they are uncertain are not: ask for labels of purpose "calibration", drawn at random.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ContractError, RunError, ShapeError
from querist.core.prediction import Prediction, largest
from querist.core.roles import FitRequest, FitResult, ModelState

from .around import Around
from .members import check_format, not_loaded
from .reliability import (
    Map,
    Vector,
    fit_map,
    fit_temperature,
    likelihood_loss,
    measured_coverage,
    temper,
)
from .table import refuse_not_finite

FORMAT = "querist.calibrated/1"
WHO = "Calibrated"
METHODS = ("isotonic", "scale", "conformal", "temperature")
MINIMUM = 5


@runtime_checkable
class SupportsClasses(Protocol):
    """A classifier that tells which class each probability is of."""

    @property
    def classes(self) -> Array:
        """``(classes,)`` of the loaded state, in the order of the probabilities."""


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Lower and upper bounds of an output, for ``n`` samples.

    Attributes:
        lower, upper: Same field and shapes as the prediction's mean; infinite where too few labels
            were there for the coverage.
        radius: ``(n,)`` half-width. All numbers of a sample lie within at once; for vectors by
            atom it bounds the Euclidean norm of the error of each.
    """

    lower: Batch
    upper: Batch
    radius: Vector


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """``inner`` is the model's own state; the rest is by output."""

    inner: ModelState
    maps: Mapping[str, Map]
    temperatures: Mapping[str, float]


@dataclass(slots=True, eq=False)
class _Found:
    """What a calibration leaves: arrays and data of the state, and metrics."""

    arrays: dict[str, Array] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(eq=False)
class Calibrated(Around):
    """A model whose uncertainty is calibrated; a model itself.

    It fits the model to the rows of purpose "train" and the calibration to those of purpose
    "calibration". Where there are none, the share ``split`` of the training rows, chosen by the
    digest of their content, is held back from the model instead: nothing is charged, the choice
    stays the same from fit to fit, and coverage holds for samples like the training rows only.
    With fewer than 5 labels to calibrate by, the model's own uncertainty is passed on and the
    metric "calibration.n" is 0.

    Members cannot be fitted apart through it: fit those of :attr:`model`, merge their states and
    call :meth:`calibrate`.

    Attributes:
        model: The model, or its import path.
        method: "isotonic", "scale", "conformal" or (for classes) "temperature".
        coverage: Of intervals, between 0 and 1.
        outputs: Which outputs to calibrate; None for all that have an uncertainty.
        split: Share of training rows to hold back where no label is meant for calibration.
        options: Options for an import path.
    """

    model: Any
    method: str = "isotonic"
    coverage: float = 0.9
    outputs: Sequence[str] | None = None
    split: float = 0.2
    options: Mapping[str, Any] = field(default_factory=dict)
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._make(WHO)
        if self.method not in METHODS:
            raise ConfigError(f"{WHO} wants a method of {list(METHODS)}, but got {self.method!r}.")
        if not (0.0 < self.coverage < 1.0 and 0.0 < self.split < 1.0):
            raise ConfigError(
                f"{WHO} wants a coverage and a split between 0 and 1, but got {self.coverage} and "
                f"{self.split}."
            )

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit the model, then the calibration.

        Raises:
            RunError: If only some members are asked for.
            QueristError: Whatever the model raises.
        """
        if request.members is not None:
            raise RunError(
                f"{WHO} needs the whole committee: fit the members of its model apart, merge the "
                "states, and call calibrate(state, dataset)."
            )
        train, judge, divided = self._divide(dataset)
        inner = replace(request, previous=_previous(request.previous, divided))
        return self._finish(self.model.fit(train, inner), judge, divided)

    def calibrate(self, state: ModelState, dataset: Dataset) -> FitResult:
        """Calibrate a fitted state of the model; the result holds a state of this calibrator.

        Args:
            state: Of :attr:`model`, which must not have been fitted to the labels to calibrate by.
            dataset: With rows of purpose "calibration".
        """
        return self._finish(FitResult(state), dataset.only(Purpose.CALIBRATION), "purpose")

    def _divide(self, dataset: Dataset) -> tuple[Dataset, Dataset, str]:
        """What the model sees, what the calibration sees, and how that was decided."""
        judge = dataset.only(Purpose.CALIBRATION)
        if len(judge):
            return dataset, judge, "purpose"
        train = dataset.only(Purpose.TRAIN)
        aside = np.array([_draw(one) < self.split for one in train.inputs.ids], np.bool_)
        if aside.sum() < MINIMUM or aside.all():
            return dataset, judge, "none"
        rows = np.arange(len(train))
        return train.take(rows[~aside]), train.take(rows[aside]), "split"

    def _finish(self, fitted: FitResult, judge: Dataset, divided: str) -> FitResult:
        found, count = _Found(), len(judge) if len(judge) >= MINIMUM else 0
        if count:
            predicted, classes = self._try(fitted.state, judge.inputs)
            for name in self._chosen(predicted, judge.outputs):
                if self.method == "temperature":
                    self._fit_temperature(found, predicted, classes, judge, name)
                else:
                    self._fit_map(found, predicted, judge, name)
        covered = [v for k, v in found.metrics.items() if k.startswith("calibration.coverage.")]
        overall = {"calibration.coverage": min(covered)} if covered else {}
        metrics = {**fitted.metrics, **found.metrics, **overall, "calibration.n": float(count)}
        arrays = {f"model/{name}": array for name, array in fitted.state.arrays.items()}
        data = {
            "format": FORMAT,
            "method": self.method,
            "divided": divided,
            "model": dict(fitted.state.data),
            "calibration": found.data,
        }
        return FitResult(ModelState({**arrays, **found.arrays}, data), metrics)

    def _try(self, state: ModelState, inputs: Batch) -> tuple[Prediction, Array | None]:
        """Predict with a state, and go back to the loaded one whatever happens."""
        try:
            self.model.load(state)
            told = self.method == "temperature" and isinstance(self.model, SupportsClasses)
            return self.model.predict(inputs), self.model.classes if told else None
        finally:
            if self._loaded is not None:
                self.model.load(self._loaded.inner)

    def _chosen(self, predicted: Prediction, labels: Batch) -> list[str]:
        """The outputs to calibrate."""
        known = [name for name in predicted.std.columns if name in labels]
        names = known if self.outputs is None else list(self.outputs)
        if missing := [name for name in names if name not in known]:
            raise ShapeError(
                f"{WHO} cannot calibrate {missing}: the model gives uncertainties of "
                f"{sorted(predicted.std.columns)}, the labels are {sorted(labels.columns)}."
            )
        for name in names:
            if (f"{name}.proba" in predicted.mean) != (self.method == "temperature"):
                raise ShapeError(
                    f"the method 'temperature' is for classes and the others for numbers; "
                    f"{self.method!r} cannot calibrate {name!r}."
                )
        return names

    def _fit_map(self, found: _Found, predicted: Prediction, judge: Dataset, name: str) -> None:
        score, error = predicted.uncertainty(name), true_errors(predicted.mean, judge.outputs, name)
        refuse_not_finite(np.stack([score, error], axis=1), name, judge.inputs, WHO)
        fitted = fit_map(self.method, score, error, self.coverage)
        found.arrays[f"calibration/{name}.x"] = fitted.x
        found.arrays[f"calibration/{name}.y"] = fitted.y
        found.arrays[f"calibration/{name}.quantile"] = np.array([fitted.quantile])
        found.data[name] = {"coverage": self.coverage}
        rate = measured_coverage(self.method, score, error, self.coverage)
        found.metrics[f"calibration.coverage.{name}"] = rate

    def _fit_temperature(
        self,
        found: _Found,
        predicted: Prediction,
        classes: Array | None,
        judge: Dataset,
        name: str,
    ) -> None:
        labels = judge.outputs
        if classes is None:
            raise ContractError(
                f"{WHO} wants a classifier with the property 'classes'; {self.model!r} has none."
            )
        # A class that the model never saw has no probability; temperature cannot help there.
        seen = np.isin(labels[name], classes)
        proba = np.asarray(predicted.mean[f"{name}.proba"], np.float64)[seen]
        codes = np.searchsorted(classes, labels[name][seen]).astype(np.int64)
        temperature = fit_temperature(proba, codes) if len(codes) else 1.0
        found.data[name] = {"temperature": temperature}
        found.metrics[f"calibration.temperature.{name}"] = temperature
        if len(codes):
            found.metrics[f"calibration.nll_before.{name}"] = likelihood_loss(proba, codes)
            after = likelihood_loss(temper(proba, temperature), codes)
            found.metrics[f"calibration.nll.{name}"] = after

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on, the model's own included.

        Raises:
            RunError: If it is of another kind or method.
        """
        check_format(state, FORMAT, WHO)
        if state.data["method"] != self.method:
            raise RunError(
                f"this {WHO} has the method {self.method!r}, but the state is of "
                f"{state.data['method']!r}."
            )
        inner, told = _inner(state), state.data["calibration"]
        self.model.load(inner)
        maps = {name: _read_map(state, name) for name in told if "temperature" not in told[name]}
        hot = {name: float(one["temperature"]) for name, one in told.items() if name not in maps}
        self._loaded = _Loaded(inner, maps, hot)

    def predict(self, batch: Batch) -> Prediction:
        """The model's prediction with calibrated uncertainty; members are left as they are.

        Raises:
            RunError: Before :meth:`load`.
            QueristError: Whatever the model raises.
        """
        if self._loaded is None:
            raise not_loaded(WHO)
        return self._calibrated(self.model.predict(batch), self._loaded)

    @property
    def loaded_members(self) -> int:
        """How many members of the model predict."""
        return int(self.model.loaded_members)

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of some members of the model."""
        outputs: tuple[Batch, ...] = self.model.predict_members(batch, members)
        return outputs

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The calibrated prediction from the outputs of all members of the model."""
        if self._loaded is None:
            raise not_loaded(WHO)
        return self._calibrated(self.model.combine(batch, outputs), self._loaded)

    def _calibrated(self, raw: Prediction, held: _Loaded) -> Prediction:
        if not len(raw):
            return raw
        mean, std = dict(raw.mean.columns), dict(raw.std.columns)
        for name, fitted in held.maps.items():
            std[name] = rescaled(raw.std, name, fitted(raw.uncertainty(name)))
        for name, temperature in held.temperatures.items():
            proba = temper(np.asarray(raw.mean[f"{name}.proba"], np.float64), temperature)
            mean[f"{name}.proba"] = Column.stack(proba, name)
            std[name] = Column.stack(1.0 - proba.max(axis=1), name)
        return Prediction(Batch(mean), Batch(std), raw.members)

    def interval(self, prediction: Prediction, output: str) -> Interval:
        """The interval in which an output lies with a probability of ``coverage``.

        Args:
            prediction: Of this model with the state that is loaded now.
            output: A calibrated output of numbers.

        Raises:
            RunError: If this output is not calibrated.
        """
        if self._loaded is None or output not in self._loaded.maps:
            raise RunError(
                f"there is no calibration of {output!r}: load a state that was calibrated by at "
                f"least {MINIMUM} labels, by a method for numbers."
            )
        radius = prediction.uncertainty(output) * self._loaded.maps[output].quantile
        column = prediction.mean.columns[output]
        wide = np.repeat(radius, np.diff(column.offsets))
        centre = np.asarray(column.data, np.float64)
        lower, upper = (
            Batch({output: Column(centre + sign * wide, column.offsets, column.shapes)})
            for sign in (-1.0, 1.0)
        )
        return Interval(lower, upper, radius)


def true_errors(mean: Batch, labels: Batch, name: str) -> Vector:
    """``(n,)`` largest error within each item, by the same maximum as the uncertainty.

    Raises:
        ShapeError: If a label has another shape than its prediction.
    """
    said, true = mean.columns[name], labels.columns[name]
    if not np.array_equal(said.shapes, true.shapes):
        raise ShapeError(f"labels of {name!r} have other shapes than their predictions.")
    difference = np.asarray(said.data, np.float64) - np.asarray(true.data, np.float64)
    return largest(Batch({name: Column(difference, said.offsets, said.shapes)}), name)


def rescaled(std: Batch, name: str, wanted: Vector) -> Column:
    """The uncertainties of an output, scaled by sample so that their largest is as wanted."""
    column = std.columns[name]
    now = largest(std, name)
    ones = Column(np.ones(len(column.data)), column.offsets, column.shapes)
    # Where a model is certain of all numbers of a sample, they share what is wanted equally.
    alike = wanted / np.maximum(largest(Batch({name: ones}), name), 1.0)
    sizes, certain = np.diff(column.offsets), now <= 0.0
    factor = np.divide(wanted, now, out=np.zeros(len(now)), where=~certain)
    data = np.asarray(column.data, np.float64) * np.repeat(factor, sizes)
    return Column(
        data + np.repeat(np.where(certain, alike, 0.0), sizes), column.offsets, column.shapes
    )


def _draw(key: str) -> float:
    """A number between 0 and 1 that belongs to an id, whatever the dataset around it."""
    digest = hashlib.blake2b(key.encode(), digest_size=6, person=b"calibration").digest()
    return int.from_bytes(digest, "big") / 2.0**48


def _inner(state: ModelState) -> ModelState:
    prefix = "model/"
    held = state.arrays.items()
    arrays = {name[len(prefix) :]: array for name, array in held if name.startswith(prefix)}
    return ModelState(arrays, state.data["model"])


def _previous(previous: ModelState | None, divided: str) -> ModelState | None:
    """The model's own previous state, unless it has seen the rows that are held back now."""
    if previous is None or previous.data.get("format") != FORMAT:
        return previous if divided != "split" else None
    fresh = divided == "split" and previous.data["divided"] != "split"
    return None if fresh else _inner(previous)


def _read_map(state: ModelState, name: str) -> Map:
    x, y, quantile = (
        np.asarray(state.arrays[f"calibration/{name}.{part}"], np.float64)
        for part in ("x", "y", "quantile")
    )
    return Map(x, y, float(quantile[0]))

"""A fitted model with what it is judged by: scores, errors, and inputs expected to fail."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ContractError, RunError, ShapeError, UnsupportedSample
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, Model, ModelState
from querist.core.tasks import Factory
from querist.models.calibration import true_errors
from querist.models.failing import MAJORITY, Failing, fit_failing
from querist.models.gaussian_process import GaussianProcess
from querist.models.random_features import RandomFeatures
from querist.surrogate.fixed import Fixed, fixed_of
from querist.surrogate.onnx_model import OnnxModel
from querist.surrogate.state import Form, form_of_batch

Vector = NDArray[np.float64]
AUTO = "auto"
FEW = 8  # numbers of an output for which there is a Gaussian process each
ROWS = 1500  # that a Gaussian process takes
GIVEN, FILE = "given", "onnx"
_PROCESS, _FEATURES = "gaussian_process", "random_features"


def choose(model: Factory | None, dataset: Dataset) -> str:
    """Which model is fitted: the one given, or the default for these labels."""
    if model is not None:
        return GIVEN
    columns = dataset.outputs.columns.values()
    width = sum(len(c.data) // max(1, len(c)) for c in columns)
    return _PROCESS if width <= FEW and len(dataset) <= ROWS else _FEATURES


def make(name: str, model: Factory | None) -> Model:
    """The model that :func:`choose` named."""
    if name == GIVEN:
        if model is None:
            raise RunError(
                "this surrogate's model was given as a live Python object; give it again as model=."
            )
        made: Model = model.create()
        return copy.deepcopy(made) if model.is_live else made  # each version has its own weights
    if name == FILE:
        return OnnxModel()
    # Errors are measured against new answers, noise included.
    return GaussianProcess(noisy=True, max_rows=ROWS) if name == _PROCESS else RandomFeatures()


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a voice says of ``n`` inputs.

    Attributes:
        mean: Predicted outputs; None where the model cannot represent one of the inputs.
        score: ``(n,)`` uncertainty in units of the tolerance, the largest over outputs.
        fails: ``(n,)`` expected probability that the simulation fails.
        prediction: All that the model said.
    """

    mean: Batch | None
    score: Vector
    fails: Vector
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Errors and uncertainties in units of what is allowed.

    Attributes:
        by: Output to its largest error, or one number for all outputs.
    """

    by: float | Mapping[str, float]

    def _pairs(self, outputs: Batch) -> list[tuple[str, float]]:
        if isinstance(self.by, Mapping):
            return [(name, float(allowed)) for name, allowed in self.by.items()]
        numeric = (n for n, c in outputs.columns.items() if c.data.dtype.kind in "biuf")
        return [(name, float(self.by)) for name in numeric]

    def scores(self, prediction: Prediction) -> Vector:
        """``(n,)`` largest uncertainty over outputs.

        Raises:
            ContractError: If the model gives none for a judged output.
        """
        pairs = self._pairs(prediction.mean)
        silent = [name for name, _ in pairs if name not in prediction.std]
        if silent or not pairs:
            raise ContractError(
                f"a surrogate's model has to give the uncertainty of each judged output, but gives "
                f"none of {silent or 'any number'}; use a committee or a Gaussian process."
            )
        return _worst([prediction.uncertainty(name) / allowed for name, allowed in pairs])

    def errors(self, mean: Batch, labels: Batch) -> Vector:
        """``(n,)`` largest error over outputs: beyond 1 it is not within the tolerance.

        Where a label has another shape than its prediction, the error is infinite.
        """
        pairs = self._pairs(labels)
        try:
            return _worst([true_errors(mean, labels, name) / allowed for name, allowed in pairs])
        except (ShapeError, KeyError):
            if len(labels) == 1:
                return np.full(1, np.inf)
            each = [self.errors(mean.take([i]), labels.take([i])) for i in range(len(labels))]
            return np.concatenate(each)

    def lacking(self, outputs: Mapping[str, Any]) -> str:
        """Why an answer cannot be judged, a sentence; "" where it can."""
        numeric = {n for n, value in outputs.items() if np.asarray(value).dtype.kind in "biuf"}
        wanted = set(self.by) if isinstance(self.by, Mapping) else set()
        if wanted <= numeric and numeric:
            return ""
        missing = ", ".join(sorted(wanted - numeric)) or "number"
        return (
            f"the simulation gave no {missing}, which there is a tolerance for; its outputs are "
            f"{sorted(outputs)}."
        )


def _worst(found: list[Vector]) -> Vector:
    """``(n,)`` largest of several; what is no number is worse than any."""
    largest: Vector = found[0] if len(found) == 1 else np.maximum.reduce(found)
    return np.where(np.isnan(largest), np.inf, largest)


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A loaded model, and the one of failures where there is one.

    Attributes:
        model: It.
        failing: Says where the simulation fails.
        tolerance: Of errors.
        form: Of inputs that it learned from; a model might pass over a field that it never saw.
        fixed: What was the same in all of them; None if nothing was, or it is not known.
    """

    model: Model
    failing: Failing | None
    tolerance: Tolerance
    form: Form | None = None
    fixed: Fixed | None = None

    def say(self, batch: Batch) -> Said:
        """Predict ``n`` inputs; what cannot be represented has an infinite score."""
        fails = np.zeros(len(batch))
        if self.form is not None and len(batch) and form_of_batch(batch) != self.form:
            return Said(None, np.full(len(batch), np.inf), fails)
        try:
            if self.failing is not None:
                fails = self.failing.probability(batch)
            prediction = self.model.predict(batch)
        except (UnsupportedSample, ShapeError):
            return self._speechless(batch, fails)
        # Where a model breaks down (numbers that overflow), there is the simulation to ask.
        # Isolation boundary: an audit that it breaks down for must not end all calls after it.
        except Exception as error:  # noqa: BLE001
            if len(batch) == 1:
                told = f"{type(error).__name__}: {error}"
                warnings.warn(f"a surrogate's model could not predict: {told}", stacklevel=2)
            return self._speechless(batch, fails)
        # Where it rather fails, there is no answer to stand in for.
        score = np.where(fails < MAJORITY, self.tolerance.scores(prediction), np.inf)
        if self.fixed is not None and (moved := self.fixed.moved(batch)).any():
            score, fails = np.where(moved, np.inf, score), np.where(moved, 0.0, fails)
        return Said(prediction.mean, score, fails, prediction)

    def _speechless(self, batch: Batch, fails: Vector) -> Said:
        """What it says where the model has no answer for one of ``n`` inputs at least."""
        if len(batch) > 1:
            return self._one_by_one(batch)
        return Said(None, np.full(len(batch), np.inf), fails)

    def _one_by_one(self, batch: Batch) -> Said:
        said = [self.say(batch.take([i])) for i in range(len(batch))]
        blank = next((s.mean for s in said if s.mean is not None), None)
        means = [s.mean if s.mean is not None else blank for s in said]
        mean = None if blank is None else Batch.concatenate([m for m in means if m is not None])
        score, fails = (np.concatenate([getattr(s, k) for s in said]) for k in ("score", "fails"))
        return Said(mean, score, fails)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a fit is given.

    Attributes:
        dataset: Labels to learn from.
        tried: All inputs, and ``(m,)`` whether each failed; None where too few did.
        seed: Of the fit.
        previous: The state before, and which model it is of.
    """

    dataset: Dataset
    tried: tuple[Batch, NDArray[np.bool_]] | None
    seed: int
    previous: tuple[str, ModelState] | None = None


def _of_one_shape(dataset: Dataset) -> Dataset:
    """The labels whose arrays have the shapes that most of them have."""
    columns = [*dataset.inputs.columns.values(), *dataset.outputs.columns.values()]
    shapes = np.concatenate([column.shapes for column in columns], axis=1)
    _, which, counts = np.unique(shapes, axis=0, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(which.reshape(-1) == int(counts.argmax()))
    return Dataset(dataset.inputs.take(rows), dataset.outputs.take(rows))


def learn(model: Factory | None, lesson: Lesson) -> dict[str, Any]:
    """Fit: ``model`` (which one), ``state``, ``failing`` and ``fixed`` (or None), ``metrics``."""
    name = choose(model, lesson.dataset)
    known = lesson.previous if lesson.previous and lesson.previous[0] == name else None
    failed = None if lesson.tried is None else lesson.tried[0].take(lesson.tried[1])
    request = FitRequest(lesson.seed, known[1] if known else None, failed=failed)
    try:
        fitted: FitResult = make(name, model).fit(lesson.dataset, request)
    except ShapeError:
        most = _of_one_shape(lesson.dataset)
        if len(most) in (0, len(lesson.dataset)):
            raise
        fitted = make(name, model).fit(most, request)
    failing = None
    if lesson.tried is not None:
        # Inputs of changing shape have no neighbours in this sense: nothing is refused then.
        with suppress(ShapeError, UnsupportedSample):
            failing = fit_failing(*lesson.tried)
    metrics = {k: float(v) for k, v in fitted.metrics.items() if np.isfinite(v)}
    told = {"model": name, "state": fitted.state, "failing": failing, "metrics": metrics}
    return {**told, "fixed": fixed_of(lesson.dataset.inputs)}

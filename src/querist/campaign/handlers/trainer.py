"""Fits, evaluates, re-scores and selects, in the trainer's worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from querist.campaign.handlers.choosing import chooser
from querist.campaign.handlers.contracts import fitted, numbers, predicted
from querist.campaign.handlers.joining import gathered
from querist.campaign.handlers.parts import (
    LoadedModel,
    close_role,
    load_state,
    open_role,
    run_folder,
)
from querist.campaign.handlers.selecting import Selector
from querist.campaign.handlers.stability import is_class, signals
from querist.campaign.labels import LabelReader
from querist.control.gate import BandGate
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch
from querist.core.errors import RunError, ShapeError
from querist.core.prediction import Prediction, Verdict, largest
from querist.core.roles import FitRequest, Limits, TaskContext, WorkerContext
from querist.core.tasks import Factory, Task
from querist.store.versions import Versions

PAIRS = 10_000  # of uncertainty and error that the record of one evaluation holds


class Trainer:
    """Runs "fit", "evaluate", "score" and "select" tasks.

    Args:
        model: Makes the model.
        gate: The campaign's gate; its output's error is what evaluations report.
        strategy: What the campaign says of its query strategy, where it has one.
    """

    def __init__(
        self, model: Factory, gate: BandGate, strategy: Mapping[str, Any] | None = None
    ) -> None:
        self._factory, self._gate, self._strategy = model, gate, strategy

    def open(self, context: WorkerContext) -> None:
        """Make the model, once to fit and once to judge."""
        self._run, self._context = run_folder(context), context
        self._branch: LoadedModel | None = None
        self._fitted = open_role(self._factory, context)
        self._judged = LoadedModel(self._factory, context)
        self._labels = LabelReader(self._run / "journal")
        self._weights = Versions(self._run / "weights")
        self._before: dict[int, Prediction] = {}  # of the hold-out, by version
        if self._strategy is not None:
            spec = self._strategy
            self._selector = Selector(self._gate, spec["embeddings"], spec["costs"], self._labels)
            self._chooser = chooser(spec, self._branches)

    def close(self) -> None:
        """Close both."""
        close_role(self._fitted)
        close_role(self._judged.model)
        if self._branch is not None:
            close_role(self._branch.model)

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Do one task."""
        return _KINDS[task.kind](self, task.payload, context)

    def _fit(self, payload: Mapping[str, Any], context: TaskContext) -> Mapping[str, Any]:
        dataset = self._labels.at(payload["dataset"].version)
        previous = payload["previous"]
        request = FitRequest(
            seed=payload["seed"],
            previous=None if previous is None else load_state(self._run, previous),
            previous_version=payload["previous_dataset"],
            members=payload["members"],
            should_stop=context.should_stop,
            failed=self._labels.failed(payload["dataset"].version),
        )
        seen = without_files(dataset.only(Purpose.TRAIN, Purpose.CALIBRATION))  # never the hold-out
        made = fitted(self._fitted, seen, request)
        if context.should_stop():
            # What it returned may be half trained: the weights before it are better.
            raise RunError("the fit was stopped before its end")
        version, part = payload["version"], f"part{payload['part']}"
        digest = self._weights.save(version, part, made.state.arrays, made.state.data)
        file = self._weights.path(version, part).name
        return {"file": file, "digest": digest, "metrics": _finite(numbers(made.metrics))}

    def _evaluate(self, payload: Mapping[str, Any], context: TaskContext) -> Mapping[str, Any]:
        dataset = self._labels.at(payload["dataset"].version)
        if payload["on"] == "recent":
            rows = dataset.rows(Purpose.TRAIN)
            chosen = dataset.take(rows[rows >= payload["since"]])
        else:
            chosen = dataset.only(Purpose.HOLDOUT)
        result = {"version": payload["model"].version, "on": payload["on"], "n": len(chosen)}
        if not len(chosen):
            return result
        model = self._judged.use(payload["model"])
        prediction = predicted(model, chosen.inputs)
        result |= _recorded(judge(prediction, chosen, self._gate.output))
        if payload["on"] == "holdout":
            result["signals"] = self._moved(result["version"], prediction)
        return result

    def _moved(self, version: int, now: Prediction) -> Mapping[str, float | None]:
        """Signals of the hold-out, which only grows at its end, since the model before."""
        before = max((known for known in self._before if known < version), default=0)
        found = signals(now, self._before.get(before), self._gate.output)
        self._before = {version: Prediction(now.mean, now.std)}
        return found

    def _score(self, payload: Mapping[str, Any], context: TaskContext) -> Mapping[str, Any]:
        samples = payload["samples"]
        batch = gathered(samples)
        model = self._judged.use(payload["model"])
        verdicts = self._gate.decide(batch, predicted(model, batch), Limits(np.inf, np.inf))
        scores = np.where(verdicts.verdict == Verdict.REJECT, np.nan, verdicts.score)
        return {
            "version": payload["model"].version,
            "samples": [sample.id for sample in samples],
            "scores": scores.tolist(),
        }

    def _select(self, payload: Mapping[str, Any], context: TaskContext) -> Mapping[str, Any]:
        samples, ref = payload["samples"], payload["model"]
        model = self._judged.use(ref)
        dataset = self._labels.at(payload["dataset"].version)
        scores, sight = self._selector.look(model, samples, dataset, payload)
        told = {**payload, "dataset": dataset, "should_stop": context.should_stop}
        return {
            **{name: payload[name] for name in ("oracle", "selection")},
            "version": ref.version,
            "samples": [sample.id for sample in samples],
            "scores": scores.tolist(),
            "order": self._chooser.order(self._selector, model, sight, told),
        }

    def _branches(self, dataset: Dataset, request: FitRequest) -> Any:
        """A model of other rows than the campaign's, to compare strategies by."""
        if self._branch is None:
            self._branch = LoadedModel(self._factory, self._context)
        self._branch.model.load(self._fitted.fit(without_files(dataset), request).state)
        return self._branch.model


def without_files(dataset: Dataset) -> Dataset:
    """The dataset without outputs that are URIs of files: where something lies is not learned."""
    columns = dataset.outputs.columns
    kept = {name: column for name, column in columns.items() if not _names_files(column.data)}
    if len(kept) == len(columns):
        return dataset
    outputs = Batch(kept, dataset.outputs.keys, dataset.outputs.uris)
    return replace(dataset, outputs=outputs)


def _names_files(texts: Array) -> bool:
    return texts.dtype.kind == "U" and all(str(text).startswith("file://") for text in texts.flat)


def judge(prediction: Prediction, truth: Dataset, output: str) -> dict[str, Any]:
    """Errors of a prediction against labels.

    Args:
        prediction: Of ``n`` samples.
        truth: Their labels.
        output: The gated output.

    Returns:
        ``metrics`` by name ("forces.mae", "forces.rmse", "label.accuracy" ...), ``score`` ``(n,)``
        predicted uncertainty of the gated output, and ``error`` ``(n,)`` its largest true error.
    """
    metrics: dict[str, float] = {}
    by_rank = sorted(truth.outputs.columns.items(), key=lambda item: item[0] != output)
    for name, column in by_rank:  # reports lead with the metric named first
        if name not in prediction.mean:
            continue
        mean = prediction.mean.columns[name].data
        if mean.shape != column.data.shape and name == output:
            shapes = (prediction.mean.columns[name].item_shape, column.item_shape)
            said, known = ("differing shapes" if s is None else f"the shape {s}" for s in shapes)
            raise ShapeError(f"the model predicts {name!r} with {said}, but labels have {known}.")
        if mean.shape != column.data.shape:
            continue
        if column.data.dtype.kind in "fiu" and not is_class(prediction, name):
            difference = np.asarray(mean, np.float64) - np.asarray(column.data, np.float64)
            metrics[f"{name}.mae"] = float(np.abs(difference).mean())
            metrics[f"{name}.rmse"] = float(np.sqrt((difference**2).mean()))
        else:
            metrics[f"{name}.accuracy"] = float((mean == column.data).mean())
            metrics[f"{name}.error"] = 1.0 - metrics[f"{name}.accuracy"]
    score = prediction.uncertainty(output)
    return {
        "metrics": _finite(metrics),
        "score": score,
        "error": true_error(prediction, truth, output),
    }


def _recorded(judged: dict[str, Any]) -> dict[str, Any]:
    """A judgement with at most :data:`PAIRS` of its pairs, evenly chosen by place.

    Each model has a record of its own, and the hold-out grows with the labels: all pairs of all
    models would grow with the square of these.
    """
    count = len(judged["score"])
    if count <= PAIRS:
        return judged
    kept = np.linspace(0, count - 1, PAIRS).astype(np.int64)
    return judged | {name: judged[name][kept] for name in ("score", "error")}


def true_error(prediction: Prediction, truth: Dataset, output: str) -> np.ndarray[Any, Any]:
    """``(n,)`` largest error within the gated output; 0 or 1 where the output is a class."""
    if output not in truth.outputs or output not in prediction.mean:
        return np.full(len(truth), np.nan)
    said, known = prediction.mean.columns[output], truth.outputs.columns[output]
    pairs = list(zip(said.items(), known.items(), strict=True))
    if known.data.dtype.kind not in "fiu" or is_class(prediction, output):
        return np.array([float((a != b).any()) for a, b in pairs])
    away = [np.asarray(a, np.float64) - np.asarray(b, np.float64) for a, b in pairs]
    return largest(Batch.of([{output: difference} for difference in away]), output)


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in metrics.items()}


_KINDS = {
    "fit": Trainer._fit,
    "evaluate": Trainer._evaluate,
    "score": Trainer._score,
    "select": Trainer._select,
}

"""What strategies need, taken from a model and its predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch
from querist.core.errors import ShapeError
from querist.core.prediction import Prediction
from querist.core.tasks import resolve
from querist.models.calibration import Calibrated
from querist.strategies.errors import NeedError

CHUNK = 1024
TARGETS = 256  # rows that stand for what the explorers meet
INPUTS = "inputs"
Floats = NDArray[np.float64]
Describe = Callable[[Batch], Array]


def innermost(model: Any) -> Any:
    """The model inside the calibrator."""
    while isinstance(model, Calibrated):
        model = model.model
    return model


def describer(model: Any, how: str) -> Describe | None:
    """What gives the ``(n, d)`` embeddings of a batch; None where nothing does.

    Args:
        model: Its ``embed(batch)`` is used unless told otherwise.
        how: "" for the model's, "inputs" for the numbers of the samples themselves, or the import
            path of a function of a batch.
    """
    if how == INPUTS:
        return table
    if how:
        found: Describe = resolve(how)
        return found
    embed: Describe | None = getattr(innermost(model), "embed", None)
    return embed


def table(batch: Batch) -> Floats:
    """``(n, d)`` numbers of all numeric fields of one shape, side by side.

    Raises:
        ShapeError: If there is none.
    """
    columns = [batch.columns[name] for name in sorted(batch.columns)]
    numeric = [c.uniform for c in columns if c.data.dtype.kind in "biuf" and c.is_uniform]
    if not numeric:
        raise ShapeError(
            "strategy.embeddings: inputs wants samples with numbers of one shape; name a function "
            "of a batch that describes them."
        )
    return np.concatenate([np.asarray(c, float).reshape(len(batch), -1) for c in numeric], axis=1)


def differentiable(model: Any) -> Any:
    """What gives the logits of a torch batch of inputs, to be differentiated by them.

    Of a model with ``differentiable()`` what that returns; it takes what the model's
    ``rows(batch)`` gives, where it has that, and else the numbers of the samples (:func:`table`).
    Otherwise the model itself, if it can be called.

    Raises:
        NeedError: If there is none.
    """
    inner = innermost(model)
    make = getattr(inner, "differentiable", None)
    if make is None and not callable(inner):
        raise NeedError(
            f"the strategy differentiates a model by its inputs, and {type(inner).__name__} has no "
            "differentiable() that gives a function from torch batches to logits."
        )
    return inner if make is None else make()


class Supply:
    """Collects the data that a strategy needs, chunk by chunk.

    Args:
        names: Kinds of data that are wanted.
        output: The gated output.
        describe: Gives embeddings.
        costs: Gives what the answers to a batch are expected to cost.
    """

    def __init__(
        self,
        names: Iterable[str],
        output: str,
        describe: Describe | None = None,
        costs: Describe | None = None,
    ) -> None:
        self.names, self.output = tuple(names), output
        self._describe, self._costs = describe, costs
        self._parts: dict[str, list[Array]] = {name: [] for name in self.names}

    def add(self, model: Any, batch: Batch, prediction: Prediction) -> None:
        """Take in a chunk of the candidates."""
        for name in self.names:
            make = _POOL.get(name)
            if make is not None:
                self._parts[name].append(make(self, model, batch, prediction))

    def pool(self) -> dict[str, Array]:
        """All that was taken in, by name."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}

    def embed(self, batch: Batch) -> Floats:
        """``(n, d)`` embeddings.

        Raises:
            NeedError: If nothing gives any.
        """
        if self._describe is None:
            raise NeedError(
                "the strategy needs embeddings, which this model does not give; set "
                "strategy.embeddings to 'inputs' or to a function of a batch."
            )
        chunks = range(0, len(batch), CHUNK)
        parts = [self._describe(batch.part(at, min(at + CHUNK, len(batch)))) for at in chunks]
        rows = np.concatenate([np.asarray(part, float) for part in parts])
        return rows.reshape(len(batch), -1)

    def _embeddings(self, _model: Any, batch: Batch, _prediction: Prediction) -> Array:
        return self.embed(batch)

    def _given_costs(self, _model: Any, batch: Batch, _prediction: Prediction) -> Array:
        if self._costs is None:
            raise NeedError("the strategy needs costs; set strategy.costs to a function of a batch")
        return np.asarray(self._costs(batch), float)

    def _probabilities(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        return _field(prediction.mean, f"{self.output}.proba")

    def _label_probabilities(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        return _field(prediction.mean, f"{self.output}.label_proba")

    def _member_probabilities(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        members = [_field(one, f"{self.output}.proba") for one in _members(prediction)]
        return np.stack(members, axis=1)

    def _member_predictions(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        members = [_numbers(one, self.output) for one in _members(prediction)]
        return np.stack(members, axis=1)

    def _predictions(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        return _numbers(prediction.mean, self.output)

    def _std(self, _model: Any, _batch: Batch, prediction: Prediction) -> Array:
        return _numbers(prediction.std, self.output)

    def _gradients(self, model: Any, batch: Batch, _prediction: Prediction) -> Array:
        gradients = getattr(innermost(model), "gradients", None)
        if gradients is None:
            raise NeedError("the strategy needs gradients; give the model gradients(batch).")
        return np.asarray(gradients(batch), float).reshape(len(batch), -1)

    def _inputs(self, model: Any, batch: Batch, _prediction: Prediction) -> Array:
        rows = getattr(innermost(model), "rows", None)
        return table(batch) if rows is None else np.asarray(rows(batch))

    def _items(self, _model: Any, batch: Batch, _prediction: Prediction) -> Array:
        return np.zeros(len(batch))


_POOL: dict[str, Callable[[Supply, Any, Batch, Prediction], Array]] = {
    "probabilities": Supply._probabilities,
    "label_probabilities": Supply._label_probabilities,
    "member_probabilities": Supply._member_probabilities,
    "target_member_probabilities": Supply._member_probabilities,
    "member_predictions": Supply._member_predictions,
    "predictions": Supply._predictions,
    "std": Supply._std,
    "embeddings": Supply._embeddings,
    "gradients": Supply._gradients,
    "costs": Supply._given_costs,
    "inputs": Supply._inputs,
    "items": Supply._items,
}


def targets(rows: Array, rng: np.random.Generator) -> Array:
    """Some candidates at random, which stand for what is to be predicted in the end."""
    count = min(TARGETS, len(rows))
    return rows[np.sort(rng.choice(len(rows), count, replace=False))]


def classes_of(labels: Array, model: Any) -> NDArray[np.int64]:
    """``(m,)`` classes numbered from 0, in the order of the model's probabilities."""
    known = getattr(innermost(model), "classes", None)
    classes = np.unique(labels) if known is None else np.asarray(known)
    return np.searchsorted(classes, labels).astype(np.int64)


def flat(values: Array) -> Floats:
    """``(n,)`` or ``(n, o)`` numbers of ``(n, ...)``."""
    numbers = np.asarray(values, float)
    return numbers if numbers.ndim == 1 else numbers.reshape(len(numbers), -1)


def _numbers(batch: Batch, name: str) -> Floats:
    return flat(_field(batch, name))


def _field(batch: Batch, name: str) -> Array:
    if name not in batch:
        raise NeedError(
            f"the strategy needs {name!r}, but the model predicts {sorted(batch.columns)}."
        )
    column = batch.columns[name]
    if not column.is_uniform or column.data.dtype.kind not in "biuf":
        raise NeedError(
            f"the strategy needs numbers of one shape, but {name!r} has {column.data.dtype} of "
            f"{'one shape' if column.is_uniform else 'several shapes'}; use one by embeddings."
        )
    return column.uniform


def _members(prediction: Prediction) -> Sequence[Batch]:
    if prediction.members is None:
        raise NeedError("the strategy needs a committee's members, and this model has none.")
    return prediction.members

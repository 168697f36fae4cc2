"""Networks that classify: a committee by softmax, or a probability for each of several labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext

from .backends import torch as backend
from .backends.torch import Schedule
from .heads import sigmoid, softmax
from .members import not_loaded
from .table import Matrix, training_rows
from .torch_ensemble import TorchEnsemble

WHO = "TorchClassifier"
TASKS = {"classes": "cross-entropy", "labels": "binary-cross-entropy"}


@dataclass(eq=False)
class TorchClassifier:
    """M networks of one architecture that give a score for each class, or for each label.

    Of an output "y" it predicts, as :class:`~querist.models.committee.Committee` does,

    - ``y``: the most probable class; its "standard deviation" is the probability that this is
      wrong, 1 - max p, of the mean probabilities;
    - ``y.proba``: ``(n, C)`` mean probabilities, classes in sorted order (:attr:`classes`).

    With ``task="labels"`` a sample's label is a row of L zeros and ones, and it predicts

    - ``y``: ``(n, L)`` zeros and ones; as doubt min(p, 1 - p) of each;
    - ``y.label_proba``: ``(n, L)`` mean probability of each label by itself.

    Besides it gives embeddings, gradients of the last layer, and its scores as a function that can
    be differentiated by its inputs.

    Attributes:
        module: Makes a ``torch.nn.Module`` from the numbers of input columns and of scores; as
            :class:`~querist.models.torch_ensemble.TorchEnsemble` takes it.
        inputs: Input fields, numeric and of one shape each, flattened side by side; None for all.
        output: The output to learn; "" where there is one only.
        task: "classes" or "labels".
        members: Size of the committee.
        options: Further arguments of ``module``.
        schedule: How to train; a mapping of :class:`Schedule`'s fields may be given.
        bootstrap: Whether each member draws its rows with replacement.
        device: "cpu", "cuda:0" ...; None takes the worker's.
    """

    module: Any = None
    inputs: Sequence[str] | None = None
    output: str = ""
    task: str = "classes"
    members: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule | Mapping[str, Any] = field(default_factory=Schedule)
    bootstrap: bool = False
    device: str | None = None
    _networks: TorchEnsemble = field(init=False, repr=False)
    _state: Mapping[str, Any] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"{WHO} has a task of {list(TASKS)}, but got {self.task!r}.")
        self._networks = TorchEnsemble(
            self.module,
            self.inputs,
            members=self.members,
            options=self.options,
            schedule=self.schedule,
            bootstrap=self.bootstrap,
            device=self.device,
            loss=TASKS[self.task],
        )

    @property
    def classifies(self) -> bool:
        """Whether it predicts one class of several."""
        return self.task == "classes"

    @property
    def several(self) -> bool:
        """Whether it predicts several labels of a sample at once."""
        return self.task == "labels"

    def open(self, context: WorkerContext) -> None:
        """Take the worker's device and number of threads."""
        self._networks.open(context)

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Train on the rows of purpose "train", from the previous weights where they fit.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If there is nothing to fit, or the network cannot be stacked.
            ShapeError: If a field is missing, ragged or of a wrong dtype.
            UnsupportedSample: If an input is not finite.
        """
        rows = training_rows(dataset, WHO)
        name, values = self._labels(rows)
        wanted, told = self._targets(name, values)
        learnt = Dataset(rows.inputs, Batch.stack(**{name: wanted}), rows.purposes)
        previous = request.previous
        same = previous is not None and all(previous.data.get(k) == v for k, v in told.items())
        found = self._networks.fit(
            learnt,
            FitRequest(
                request.seed,
                previous if same else None,
                request.previous_version,
                request.members,
                request.should_stop,
            ),
        )
        state = ModelState(found.state.arrays, {**found.state.data, **told})
        return FitResult(state, found.metrics)

    def _labels(self, rows: Dataset) -> tuple[str, Array]:
        names = sorted(rows.outputs.columns)
        if self.output not in names and (self.output or len(names) != 1):
            raise ShapeError(f"{WHO} wants one output, named by 'output'; the labels have {names}.")
        name = self.output or names[0]
        column = rows.outputs.columns[name]
        if not column.is_uniform:
            raise ShapeError(f"{WHO} wants labels of one shape, but {name!r} has several.")
        return name, column.uniform

    def _targets(self, name: str, values: Array) -> tuple[Matrix, dict[str, Any]]:
        """``(n, C)`` or ``(n, L)`` zeros and ones, and what the state says of them."""
        told: dict[str, Any] = {"task": self.task, "output": name}
        if self.several:
            if (
                values.ndim != 2
                or values.dtype.kind not in "biuf"
                or not np.isin(values, (0, 1)).all()
            ):
                raise ShapeError(
                    f"{WHO} with task: labels wants a row of zeros and ones a sample in {name!r}, "
                    f"but got {values.dtype} of the shape {values.shape[1:]}."
                )
            return values.astype(np.float64), told
        if values.ndim != 1:
            raise ShapeError(
                f"{WHO} wants one class a sample in {name!r}, but got the shape "
                f"{values.shape[1:]}; rows of zeros and ones are task: labels."
            )
        classes, codes = np.unique(values, return_inverse=True)
        told |= {"classes": classes.tolist(), "dtype": classes.dtype.str}
        return np.eye(len(classes))[codes], told

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If it is of another kind or architecture, or a member is missing.
        """
        self._networks.load(state)
        self._state = dict(state.data)

    @property
    def _told(self) -> Mapping[str, Any]:
        if self._state is None:
            raise not_loaded(WHO)
        return self._state

    @property
    def classes(self) -> Array:
        """``(C,)`` the loaded classes, in the order of the probabilities.

        Raises:
            RunError: Before :meth:`load`.
        """
        return np.array(self._told["classes"], self._told["dtype"])

    def predict(self, batch: Batch) -> Prediction:
        """Mean, doubt and, of more than one network, members.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        return self.combine(batch, self.predict_members(batch, range(self.loaded_members)))

    @property
    def loaded_members(self) -> int:
        """How many members predict."""
        if self._state is None:
            raise not_loaded(WHO)
        return self._networks.loaded_members

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of some members; as :meth:`predict`."""
        name, squash = str(self._told["output"]), sigmoid if self.several else softmax
        scores = self._networks.predict_members(batch, members)
        return tuple(self._batch(squash(np.asarray(one[name], np.float64))) for one in scores)

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The prediction from the outputs of all members."""
        name, proba = str(self._told["output"]), self._field
        each = np.stack([np.asarray(one[proba], np.float64) for one in outputs])
        mean, std = each.mean(axis=0), each.std(axis=0, ddof=min(1, len(each) - 1))
        doubt = np.minimum(mean, 1.0 - mean) if self.several else 1.0 - mean.max(axis=1)
        spread = Batch({name: Column.stack(doubt, name), proba: Column.stack(std, proba)})
        return Prediction(self._batch(mean), spread, tuple(outputs))

    @property
    def _field(self) -> str:
        return f"{self._told['output']}.{'label_proba' if self.several else 'proba'}"

    def _batch(self, probabilities: Matrix) -> Batch:
        name = str(self._told["output"])
        if self.several:
            said: Array = (probabilities > 0.5).astype(np.int64)
        else:
            said = self.classes[probabilities.argmax(axis=1)]
        held = Column.stack(probabilities, self._field)
        return Batch({name: Column.stack(said, name), self._field: held})

    def embed(self, batch: Batch) -> Array:
        """``(n, h)`` what the last linear layer of the first network is given.

        Raises:
            RunError: Before :meth:`load`, or if the network has no linear layer.
        """
        return self._networks.embed(batch)

    def gradients(self, batch: Batch) -> Array:
        """``(n, C h)`` of the first network's loss by its last layer's weights, likeliest labels.

        The outer product of p - e_y and the layer's input (Ash et al. 2020, eq. 1); of several
        labels each is its own likeliest, 0 or 1.

        Raises:
            RunError: As :meth:`embed`.
        """
        (first,) = self.predict_members(batch, [0])
        p = np.asarray(first[self._field], np.float64)
        likeliest = (p > 0.5) if self.several else np.eye(p.shape[1])[p.argmax(axis=1)]
        h = np.asarray(self.embed(batch), np.float64)
        return np.asarray(((p - likeliest)[:, :, None] * h[:, None, :]).reshape(len(p), -1))

    def rows(self, batch: Batch) -> Matrix:
        """``(n, d)`` standardised inputs, which :meth:`differentiable`'s function takes."""
        return self._networks.rows(batch)

    def differentiable(self) -> backend.Standardised:
        """From a torch batch of :meth:`rows` to ``(n, C)`` logits, with gradients by the batch.

        Of a committee they are the logarithms of the mean probabilities, which have the same
        likeliest class; of one network its scores.

        Raises:
            RunError: Before :meth:`load`.
        """
        return self._networks.differentiable(_pooled)


def _pooled(scores: Any) -> Any:
    """``(n, C)`` logits of ``(M, n, C)`` scores."""
    if len(scores) == 1:
        return scores[0]
    logs = backend.torch().nn.functional.log_softmax(scores, dim=-1)
    return backend.torch().logsumexp(logs, dim=0)

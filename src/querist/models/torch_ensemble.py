"""Deep ensembles (Lakshminarayanan et al. 2017) with one vectorised forward for all members."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext

from .backends import torch as backend
from .backends.torch import Schedule
from .members import (
    check_format,
    check_members,
    combine,
    member_rng,
    not_loaded,
    rejoin,
    same,
    stop_between,
    wanted_members,
)
from .table import Fields, Matrix, Scaler, Training

FORMAT = "querist.torch_ensemble/1"
PERCEPTRON = "perceptron"  # the only network whose layers are known by its weights
WHO = "TorchEnsemble"


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    inputs: Fields
    outputs: Fields
    x: Scaler
    y: Scaler
    stack: backend.Stack


@dataclass(eq=False)
class TorchEnsemble:
    """M networks of one architecture, differing by their random start, order of rows and split.

    Inputs and outputs are standardised, as ``scaling`` says.

    Attributes:
        module: Makes a ``torch.nn.Module`` from the numbers of input and output columns; a
            function, an import path, or None for a perceptron with SiLU and two layers of 64. Or a
            module, of which each member is a copy with numbers drawn anew.
        inputs: Input fields, numeric and of one shape each, flattened side by side; None for all.
        outputs: Output fields, likewise.
        members: Size of the ensemble.
        options: Further arguments of ``module``, for the perceptron ``hidden`` and ``dropout``.
        schedule: How to train; a mapping of :class:`Schedule`'s fields may be given.
        bootstrap: Whether each member draws its rows with replacement; random starts mostly do.
        joint: Whether members are trained side by side in one vectorised pass, which is faster.
            A member trained alone then differs by rounding, which grows with the epochs; trained
            one after the other, it is the same to the last bit. Networks with dropout are always
            trained one after the other.
        device: "cpu", "cuda:0" ...; None takes the worker's.
        loss: "squared" error of standardised outputs; or what
            :class:`~querist.models.torch_classifier.TorchClassifier` trains its scores with, of
            outputs as they are: "cross-entropy" or "binary-cross-entropy".
        scaling: "column", each number by its own mean and standard deviation; or "field", all
            numbers of a field by one, as images and fields on a grid want it, where a place that
            hardly varies in training would otherwise be blown up.
    """

    module: Any = None
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    members: int = 5
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule | Mapping[str, Any] = field(default_factory=Schedule)
    bootstrap: bool = False
    joint: bool = True
    device: str | None = None
    loss: str = "squared"
    scaling: str = "column"
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ConfigError(f"{WHO} wants at least 1 member, but got {self.members}.")
        if self.loss not in backend.LOSSES:
            raise ConfigError(f"loss is one of {', '.join(backend.LOSSES)}; got {self.loss!r}.")
        if self.scaling not in ("column", "field"):
            raise ConfigError(f"scaling is 'column' or 'field'; got {self.scaling!r}.")
        if not isinstance(self.schedule, Schedule):
            self.schedule = Schedule(**self.schedule)

    def open(self, context: WorkerContext) -> None:
        """Take the worker's device and number of threads."""
        self.device = self.device or context.device
        backend.torch().set_num_threads(max(1, context.threads))

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Train on the rows of purpose "train", from the previous weights where they fit.

        ``should_stop`` is polled each epoch; the best weights so far are returned.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If there is nothing to fit, or the network cannot be stacked.
            ShapeError: If a field is missing, ragged or not numeric.
            UnsupportedSample: If a value is not finite.
        """
        data = Training.of(dataset, self.inputs, self.outputs, WHO)
        x = self._scaler(data.X, data.inputs)
        y = Scaler.none(data.Y.shape[1])
        if self.loss == "squared":
            y = self._scaler(data.Y, data.outputs)
        scaled = x.apply(data.X), y.apply(data.Y)
        chosen = wanted_members(request, self.members)
        modules = [self._start(data, request, member) for member in chosen]
        joint = self.joint and not backend.has_dropout(modules[0])
        size = len(chosen) if joint else 1
        fitted: list[backend.Fitted] = []
        for start in range(0, len(chosen), size):
            if start:
                stop_between(request, start, len(chosen))
            part = slice(start, start + size)
            fitted += self._train(modules[part], chosen[part], scaled, request)
        arrays: dict[str, Array] = {}
        for member, one in zip(chosen, fitted, strict=True):
            arrays |= {f"m{member}/{name}": array for name, array in one.weights.items()}
            arrays |= x.arrays(f"m{member}.x_") | y.arrays(f"m{member}.y_")
        state: dict[str, Any] = {"format": FORMAT, "members": self.members}
        if self.module is None and self.loss == "squared":
            state["network"] = PERCEPTRON
        state |= {f"m{member}": data.metadata() for member in chosen}
        metrics = {
            "train.rows": float(len(data.X)),
            "train.epochs": float(np.mean([one.epochs for one in fitted])),
        }
        error = float(np.mean([one.error for one in fitted]))
        if self.loss == "squared":
            metrics["train.validation_rmse"] = float(np.sqrt(error))
        else:
            metrics["train.validation_loss"] = error
        return FitResult(ModelState(arrays, state), metrics)

    def _scaler(self, values: Matrix, fields: Fields) -> Scaler:
        scaled = Scaler.of if self.scaling == "column" else Scaler.of_fields
        return scaled(values, fields)

    def _start(self, data: Training, request: FitRequest, member: int) -> Any:
        """A network with the member's previous weights, or its own random ones."""
        shape, weights = (data.X.shape[1], data.Y.shape[1]), {}
        previous = request.previous
        if previous is not None and previous.data.get(f"m{member}") == data.metadata():
            weights = _weights(previous, member)
        seed = int(member_rng(request.seed, member).integers(2**31))
        return backend.make(backend.builder(self.module, self.options), shape, seed, weights)

    def _train(
        self,
        modules: list[Any],
        members: Sequence[int],
        scaled: tuple[backend.Matrix, backend.Matrix],
        request: FitRequest,
    ) -> list[backend.Fitted]:
        assert isinstance(self.schedule, Schedule)
        stack = backend.Stack(modules, self.device or "cpu")
        rngs = [np.random.default_rng([request.seed, member, 1]) for member in members]
        rows = backend.Rows(*scaled, rngs, self.bootstrap)
        # For dropout, of a member by itself; the members' own streams must stay untouched.
        noise = np.random.default_rng([request.seed, members[0], 2]).integers(2**31)
        with backend.seeded(int(noise), stack.device):
            return backend.train(stack, rows, self.schedule, request.should_stop, self.loss)

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If it is of another kind or architecture, or a member is missing.
        """
        check_format(state, FORMAT, WHO)
        count = check_members(state, ".x_mean", WHO)
        told = [state.data[f"m{i}"] for i in range(count)]
        same(told, "fields", WHO)
        inputs, outputs = (Fields.from_metadata(told[0][key]) for key in ("inputs", "outputs"))
        build = backend.builder(self.module, self.options)
        shape = inputs.width, outputs.width
        modules = [backend.make(build, shape, 0, _weights(state, i)) for i in range(count)]
        x, y = (_scalers(state, f".{prefix}_", count) for prefix in "xy")
        stack = backend.Stack(modules, self.device or "cpu")
        self._loaded = _Loaded(inputs, outputs, x, y, stack)

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation over the members, which are given as well.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        return combine(self._values(batch), self._held.outputs)

    def embed(self, batch: Batch) -> Array:
        """``(n, h)`` what the last linear layer of the first member is given.

        Raises:
            RunError: Before :meth:`load`, or if the network has no linear layer.
        """
        return backend.penultimate(self._held.stack, self.rows(batch))

    def gradients(self, batch: Batch) -> Array:
        """``(n, h)`` of the first member's outputs by the weights of its last linear layer.

        Of each output they are the layer's input, the embedding; the loss's gradient is that times
        an error which nobody knows before there is a label.

        Raises:
            RunError: As :meth:`embed`.
        """
        return self.embed(batch)

    def rows(self, batch: Batch) -> Matrix:
        """``(n, d)`` standardised inputs, as the first member takes them.

        Raises:
            RunError: Before :meth:`load`.
        """
        held = self._held
        return np.asarray(held.x.take([0]).apply(held.inputs.matrix(batch, WHO)[None])[0])

    def differentiable(self, combine: Callable[[Any], Any]) -> backend.Standardised:
        """A function of a torch batch of :meth:`rows`, with gradients by it.

        Args:
            combine: From ``(M, n, q)`` outputs, standardised, to what is wanted.

        Raises:
            RunError: Before :meth:`load`.
        """
        held = self._held
        scale = held.x.std[:1] / held.x.std
        shift = (held.x.mean[:1] - held.x.mean) / held.x.std
        return backend.Standardised(held.stack, scale, shift, combine)

    @property
    def loaded_members(self) -> int:
        """How many members predict."""
        return len(self._held.stack.modules)

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of some members; as :meth:`predict`."""
        return tuple(map(self._held.outputs.split, self._values(batch, list(members))))

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The prediction from the outputs of all members."""
        return rejoin(outputs, self._held.outputs, WHO)

    @property
    def _held(self) -> _Loaded:
        if self._loaded is None:
            raise not_loaded(WHO)
        return self._loaded

    def _values(self, batch: Batch, members: list[int] | None = None) -> Matrix:
        """``(M, n, q)`` outputs."""
        held, chosen = self._held, slice(None) if members is None else members
        stack = held.stack if members is None else held.stack.part(tuple(members))
        X = held.inputs.matrix(batch, WHO)
        values = backend.predict(stack, held.x.take(chosen).apply(X[None]))
        return held.y.take(chosen).undo(values)


def _weights(state: ModelState, member: int) -> dict[str, Array]:
    prefix = f"m{member}/"
    held = state.arrays.items()
    return {name[len(prefix) :]: array for name, array in held if name.startswith(prefix)}


def _scalers(state: ModelState, name: str, count: int) -> Scaler:
    """``(M, 1, d)`` means and deviations."""
    held = [Scaler.from_arrays(state.arrays, f"m{i}{name}") for i in range(count)]
    mean, std = np.stack([one.mean for one in held]), np.stack([one.std for one in held])
    return Scaler(mean[:, None], std[:, None])

"""Monte Carlo dropout (Gal & Ghahramani 2016): one network, dropout left on when it predicts.

The masks of the T passes are drawn once, when weights are loaded. So each pass is one fixed
function: the same sample gets the same prediction in any batch, and a walker sees a smooth surface
instead of noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError, RunError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext

from .backends import torch as backend
from .backends.torch import Schedule
from .members import check_format, combine, member_rng, not_loaded
from .table import Fields, Scaler, Training

FORMAT = "querist.mc_dropout/1"
WHO = "MCDropout"
_PREFIX = "net/"


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    inputs: Fields
    outputs: Fields
    x: Scaler
    y: Scaler
    stack: backend.Stack


@dataclass(eq=False)
class MCDropout:
    """One network whose dropout masks make the committee; cheap to train, all passes in one.

    Attributes:
        module: Makes a ``torch.nn.Module`` with ``nn.Dropout`` from the numbers of input and
            output columns; a function, an import path, or None for a perceptron.
        inputs: Input fields, numeric and of one shape each, flattened side by side; None for all.
        outputs: Output fields, likewise.
        passes: Number T of masks; they are the prediction's members.
        options: Further arguments of ``module``, for the perceptron ``hidden`` and ``dropout``
            (0.1 unless told).
        schedule: How to train; a mapping of :class:`Schedule`'s fields may be given.
        device: "cpu", "cuda:0" ...; None takes the worker's.
    """

    module: Any = None
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    passes: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule | Mapping[str, Any] = field(default_factory=Schedule)
    device: str | None = None
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.passes < 2:
            raise ConfigError(f"{WHO} wants at least 2 passes, but got {self.passes}.")
        if not isinstance(self.schedule, Schedule):
            self.schedule = Schedule(**self.schedule)
        if self.module is None:
            self.options = {"dropout": 0.1, **self.options}

    def open(self, context: WorkerContext) -> None:
        """Take the worker's device and number of threads."""
        self.device = self.device or context.device
        backend.torch().set_num_threads(max(1, context.threads))

    def _build(self, shape: tuple[int, int], seed: int, weights: Mapping[str, Array]) -> Any:
        build = backend.builder(self.module, self.options)
        module = backend.make(build, shape, seed, weights)
        if not backend.has_dropout(module):
            raise RunError(
                f"{WHO} wants a network with nn.Dropout at a rate above 0; without it, the "
                "uncertainty would always be zero."
            )
        return module

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Train on the rows of purpose "train", from the previous weights where they fit.

        ``should_stop`` is polled each epoch; the best weights so far are returned.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If there is nothing to fit, or the network has no dropout.
            ShapeError: If a field is missing, ragged or not numeric.
            UnsupportedSample: If a value is not finite.
        """
        assert isinstance(self.schedule, Schedule)
        data = Training.of(dataset, self.inputs, self.outputs, WHO)
        x, y = Scaler.of(data.X, data.inputs), Scaler.of(data.Y, data.outputs)
        told = {"format": FORMAT, **data.metadata()}
        weights: dict[str, Array] = {}
        if request.previous is not None and dict(request.previous.data, seed=0) == {
            **told,
            "seed": 0,
        }:
            weights = _weights(request.previous)
        start, draw = member_rng(request.seed, 0).integers(2**31, size=2).tolist()
        module = self._build((data.X.shape[1], data.Y.shape[1]), start, weights)
        stack = backend.Stack([module], self.device or "cpu")
        rows = backend.Rows(x.apply(data.X), y.apply(data.Y), [member_rng(request.seed, 1)])
        with backend.seeded(draw, stack.device):
            fitted = backend.train(stack, rows, self.schedule, request.should_stop)[0]
        arrays = {f"{_PREFIX}{name}": array for name, array in fitted.weights.items()}
        arrays |= x.arrays("x_") | y.arrays("y_")
        metrics = {
            "train.rows": float(len(data.X)),
            "train.epochs": float(fitted.epochs),
            "train.validation_rmse": float(np.sqrt(fitted.error)),
        }
        return FitResult(ModelState(arrays, {**told, "seed": request.seed}), metrics)

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on, and draw the masks from its seed.

        Raises:
            MissingExtra: If PyTorch is not installed.
            RunError: If it is of another kind or architecture.
        """
        check_format(state, FORMAT, WHO)
        inputs, outputs = (Fields.from_metadata(state.data[key]) for key in ("inputs", "outputs"))
        module = self._build((inputs.width, outputs.width), 0, _weights(state))
        copies = backend.thinned(module, inputs.width, self.passes, int(state.data["seed"]))
        stack = backend.Stack(copies, self.device or "cpu")
        x, y = (Scaler.from_arrays(state.arrays, prefix) for prefix in ("x_", "y_"))
        self._loaded = _Loaded(inputs, outputs, x, y, stack)

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation over the passes, which are given as members.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        held = self._held
        X = held.inputs.matrix(batch, WHO)
        return combine(held.y.undo(backend.predict(held.stack, held.x.apply(X))), held.outputs)

    @property
    def _held(self) -> _Loaded:
        if self._loaded is None:
            raise not_loaded(WHO)
        return self._loaded

    def embed(self, batch: Batch) -> Array:
        """``(n, h)`` what the last linear layer of the first mask is given.

        Raises:
            RunError: Before :meth:`load`, or if the network has no linear layer.
        """
        held = self._held
        X = held.x.apply(held.inputs.matrix(batch, WHO))
        return backend.penultimate(held.stack, X)


def _weights(state: ModelState) -> dict[str, Array]:
    held = state.arrays.items()
    return {name[len(_PREFIX) :]: array for name, array in held if name.startswith(_PREFIX)}

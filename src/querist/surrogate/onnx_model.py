"""A model that an exported ONNX file holds (extra ``onnx``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Batch, Column
from querist.core.errors import RunError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.backends.onnxruntime import onnxruntime

STD = ".std"


class OnnxModel:
    """Predicts by the graph; it cannot be fitted."""

    def __init__(self) -> None:
        self._session: Any = None

    def load(self, state: ModelState) -> None:
        """Use the file's bytes from the next prediction on.

        Raises:
            MissingExtra: If ONNX Runtime is not installed.
        """
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        content = np.asarray(state.arrays["onnx"], np.uint8).tobytes()
        self._session = runtime.InferenceSession(content, options)

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation; infinite where the file's own gate has an infinite score.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If an input is missing.
        """
        if self._session is None:
            raise RunError("an ONNX model cannot predict before load().")
        wanted = [one.name for one in self._session.get_inputs()]
        feeds = {name: np.asarray(batch[name], np.float64) for name in wanted}
        names = [one.name for one in self._session.get_outputs()]
        found = dict(zip(names, self._session.run(names, feeds), strict=True))
        hopeless = ~np.isfinite(found.pop("score"))
        found.pop("trusted")
        std = {k.removesuffix(STD): v for k, v in found.items() if k.endswith(STD)}
        for values in std.values():
            values[hopeless] = np.inf
        mean = {name: Column.stack(found[name], name) for name in std}
        return Prediction(Batch(mean), Batch({n: Column.stack(v, n) for n, v in std.items()}))

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Refused.

        Raises:
            RunError: Always.
        """
        del dataset, request
        raise RunError("a model of an ONNX file cannot be fitted; give the surrogate another one.")

"""ONNX Runtime (extra ``onnx``): ONNX files, and torch modules through their export."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

from numpy.typing import NDArray

from querist.core.errors import ConfigError, require

from ..inferring import Feeds
from ..running import Call, NetworkRunner, filled, is_tokens, joined, pieces, refusal
from . import torch as backend


def onnxruntime() -> Any:
    """ONNX Runtime.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("onnxruntime", "onnx", "the backend 'onnxruntime'")


class OnnxRuntimeRunner(NetworkRunner):
    """Runs ONNX models and exported modules."""

    backend = "onnxruntime"

    def compiled(self, graph: Any, feeds: Feeds) -> Call:
        """A session; for any number of rows unless the file insists on one."""
        if self.info.precision != "fp32":
            raise ConfigError(
                "onnxruntime has no bfloat16 here; take the precision 'fp32', or 'openvino' or "
                "'torch' as the backend."
            )
        self._check_device()
        data = graph if isinstance(graph, bytes) else exported(graph, feeds)
        session = self._session(data)
        inputs = session.get_inputs()
        names = [each.name for each in inputs]
        outputs = [each.name for each in session.get_outputs()]
        fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else 0

        def one(part: Feeds) -> list[NDArray[Any]]:
            arrays = [filled(array, fixed) for array in part.values()]
            try:
                made: list[NDArray[Any]] = session.run(
                    outputs, dict(zip(names, arrays, strict=True))
                )
            except Exception as error:  # ONNX Runtime's own kinds of errors
                raise refusal(error, part, "run by onnxruntime") from error
            return made

        def call(feeds: Feeds) -> list[NDArray[Any]]:
            if not fixed:
                return one(feeds)
            count = len(next(iter(feeds.values())))
            return joined([one(part) for part in pieces(feeds, fixed)], count)

        return call

    def _check_device(self) -> None:
        there = onnxruntime().get_available_providers()
        if self.info.device.startswith("cuda") and "CUDAExecutionProvider" not in there:
            raise ConfigError(
                f"the device {self.info.device!r} is asked for, but this onnxruntime has no CUDA; "
                "install onnxruntime-gpu in its place, or take 'torch' as the backend."
            )

    def _session(self, data: bytes) -> Any:
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.info.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the processor from the stages that read and decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[Any] = ["CPUExecutionProvider"]
        if self.info.device.startswith("cuda"):
            number = int(self.info.device.partition(":")[2] or 0)
            providers = [("CUDAExecutionProvider", {"device_id": number}), *providers]
        return ort.InferenceSession(data, options, providers=providers)


def exported(module: Any, feeds: Feeds) -> bytes:
    """A module as an ONNX model of any number of rows."""
    require("onnxscript", "onnx", "turning a torch module into an ONNX model")
    pt = backend.torch()
    rows = pt.export.Dim("rows")
    tokens = pt.export.Dim("tokens", min=2)
    dims = {
        name: {0: rows, 1: tokens} if is_tokens(array) else {0: rows}
        for name, array in feeds.items()
    }
    tensors = tuple(pt.as_tensor(array) for array in feeds.values())
    log = logging.getLogger("torch.onnx")
    level = log.level
    try:
        log.setLevel(logging.ERROR)  # it tells that torchvision is not there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = pt.onnx.export(
                module,
                tensors,
                dynamo=True,
                dynamic_shapes=dims,
                input_names=list(feeds),
                verbose=False,
            )
    finally:
        log.setLevel(level)
    made = io.BytesIO()
    program.save(made)
    return made.getvalue()

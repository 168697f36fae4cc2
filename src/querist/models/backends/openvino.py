"""OpenVINO (extra ``openvino``): the fastest on CPUs, with bfloat16 where the processor has it."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, require

from ..inferring import Feeds
from ..running import Call, NetworkRunner, filled, is_tokens, joined, pieces, refusal
from . import torch as backend

# Rows of one request: larger ones gain nothing, smaller ones keep all streams busy. Items that are
# small as inputs (images of 32 px) gain another 5 %, and leave more to the threads beside, where
# twice as many go together; for larger ones that would only take memory.
ROWS = 64
SMALL_BYTES = 16384


def openvino() -> Any:
    """OpenVINO.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("openvino", "openvino", "the backend 'openvino'")


@cache
def core() -> Any:
    """The process's own; it loads the processor's plugin once."""
    return openvino().Core()


class OpenVinoRunner(NetworkRunner):
    """Runs converted modules and ONNX models; a batch is shared by asynchronous requests."""

    backend = "openvino"

    def compiled(self, graph: Any, feeds: Feeds) -> Call:
        """A graph converted and compiled, for any number of rows."""
        ov = openvino()
        if self.info.device != "cpu":
            raise ConfigError(f"openvino runs on the CPU here, but got {self.info.device!r}.")
        self._check_precision()
        made = core().read_model(graph) if isinstance(graph, bytes) else _converted(graph, feeds)
        fixed = _fixed_rows(made)
        if not fixed:
            made.reshape(_shapes(made, feeds))
        return _Requests(ov, core().compile_model(made, "CPU", self._options()), fixed).call

    def _options(self) -> dict[str, Any]:
        threads = self.info.threads
        return {
            "PERFORMANCE_HINT": "THROUGHPUT" if threads > 1 else "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.info.precision == "bf16" else "f32",
            # Workers beside each other would all be pinned to the same first cores.
            "ENABLE_CPU_PINNING": False,
        }

    def _check_precision(self) -> None:
        able = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.info.precision == "bf16" and "BF16" not in able:
            raise ConfigError(
                f"this processor has no bfloat16 for openvino (it has {', '.join(able)}); take the "
                "precision 'fp32'."
            )


def _converted(module: Any, feeds: Feeds) -> Any:
    """A module as OpenVINO's graph.

    Not by ``openvino.convert_model``: that tells its makers over the network of each conversion
    unless somebody forbade it on this machine, and runs each module thrice to compare.
    """
    pt = backend.torch()
    why = "converting a network for openvino"
    frontends = require("openvino.frontend", "openvino", why)
    decoders = require("openvino.frontend.pytorch.ts_decoder", "openvino", why)
    tensors = tuple(pt.as_tensor(array) for array in feeds.values())
    with warnings.catch_warnings(), pt.no_grad():
        warnings.simplefilter("ignore")  # tracers warn of every branch on a shape
        traced = decoders.TorchScriptPythonDecoder(
            module, example_input=tensors, trace_kwargs={"check_trace": False}
        )
        frontend = frontends.FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(traced))


def _fixed_rows(model: Any) -> int:
    """The number of rows that a model insists on; 0 for any."""
    first = model.inputs[0].get_partial_shape()[0]
    return int(first.get_length()) if first.is_static else 0


def _shapes(model: Any, feeds: Feeds) -> dict[Any, Any]:
    """Shapes of the inputs: any number of rows, and of tokens."""
    shapes = {}
    for port, array in zip(model.inputs, feeds.values(), strict=True):
        rest = [-1] if is_tokens(array) else list(array.shape[1:])
        shapes[port] = [-1, *rest]
    return shapes


class _Requests:
    """Asynchronous requests to one compiled model."""

    def __init__(self, ov: Any, compiled: Any, fixed: int) -> None:
        self._queue = ov.AsyncInferQueue(compiled)
        self._queue.set_callback(self._keep)
        self._outputs, self._fixed = len(compiled.outputs), fixed
        self._streams = max(1, int(compiled.get_property("NUM_STREAMS")))
        self._made: dict[int, list[NDArray[Any]]] = {}

    def _keep(self, request: Any, at: int) -> None:
        tensors = (request.get_output_tensor(i) for i in range(self._outputs))
        self._made[at] = [np.array(tensor.data) for tensor in tensors]

    def call(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The outputs of a batch, in its order."""
        first = next(iter(feeds.values()))
        count = len(first)
        self._made = {}
        most = 2 * ROWS if first.nbytes <= SMALL_BYTES * count else ROWS
        parts = list(pieces(feeds, self._fixed or self._rows(count, most)))
        try:
            for at, part in enumerate(parts):
                inputs = [filled(array, self._fixed) for array in part.values()]
                self._queue.start_async(inputs, at, share_inputs=True)
            self._queue.wait_all()
        except RuntimeError as error:
            raise refusal(error, feeds, "run by openvino") from error
        return joined([self._made[at] for at in range(len(parts))], count)

    def _rows(self, count: int, most: int) -> int:
        """Rows of one request, so that all streams have as much to do."""
        rounds = -(-count // (most * self._streams))
        return -(-count // (rounds * self._streams))

"""PyTorch as it is: modules run without conversion."""

from __future__ import annotations

from typing import Any

from querist.core.errors import ConfigError

from ..inferring import Feeds
from ..running import Call, NetworkRunner, refusal
from . import cuda
from . import torch as backend


class EagerRunner(NetworkRunner):
    """Runs a network's modules with PyTorch. Its number of threads is that of the process."""

    backend = "torch"

    def compiled(self, graph: Any, feeds: Feeds) -> Call:
        """A module on its device, in its precision."""
        pt = backend.torch()
        if not isinstance(graph, pt.nn.Module):
            raise ConfigError(
                "an ONNX file is not run by torch; take 'onnxruntime' or 'openvino' as its backend."
            )
        cuda.check(self.info.device)
        dtype = pt.bfloat16 if self.info.precision == "bf16" else pt.float32
        module = graph.to(device=self.info.device, dtype=dtype)
        for parameter in module.parameters():
            if parameter.ndim == 4:  # as images come: channels last
                parameter.data = parameter.data.contiguous(memory_format=pt.channels_last)

        def call(feeds: Feeds) -> list[Any]:
            try:
                with pt.inference_mode():
                    made = self._run(module, feeds)
                    return [each.float().cpu().numpy() for each in made]
            except (RuntimeError, ValueError) as error:
                raise refusal(error, feeds, "run by torch") from error

        return call

    def _run(self, module: Any, feeds: Feeds) -> tuple[Any, ...]:
        device = self.info.device
        if cuda.is_gpu(device):
            return cuda.run(module, feeds.values(), device)
        pt = backend.torch()
        pt.set_num_threads(self.info.threads)
        return cuda.as_tuple(module(*(pt.as_tensor(each).to(device) for each in feeds.values())))

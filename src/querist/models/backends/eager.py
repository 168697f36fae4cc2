"""PyTorch as it is: modules run without conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import RunError, ShapeError

from ..inferring import Feeds, InferenceInfo, Outputs
from . import torch as backend

if TYPE_CHECKING:
    from ..networks import Network


class EagerRunner:
    """Runs a network's modules with PyTorch.

    Args:
        network: Its modules.
        precision: "fp32" or "bf16".
        device: Where they run.
        threads: PyTorch's, which are the process's.
    """

    def __init__(self, network: Network, precision: str, device: str, threads: int) -> None:
        pt = backend.torch()
        dtype = pt.bfloat16 if precision == "bf16" else pt.float32
        self._modules = [module.to(device=device, dtype=dtype) for module in network.modules]
        self._device, self._threads, self._embeds = device, threads, network.embeds
        members = len(self._modules)
        self.gives = frozenset(
            {"member_scores" if members > 1 else "scores"}
            | ({"embeddings"} if network.embeds else set())
        )
        self.info = InferenceInfo(network.use, "torch", precision, device, threads, members)

    def run(self, feeds: Feeds, names: Sequence[str]) -> Outputs:
        """Raw outputs of n items."""
        pt = backend.torch()
        pt.set_num_threads(self._threads)
        tensors = {name: pt.as_tensor(array).to(self._device) for name, array in feeds.items()}
        needed = self._modules if {"scores", "member_scores"} & set(names) else self._modules[:1]
        with pt.inference_mode():
            made = [self._call(module, tensors) for module in needed]
        scores = [each[0] if self._embeds else each for each in made]
        found = {}
        if "member_scores" in names:
            found["member_scores"] = np.stack([_array(each) for each in scores])
        if "scores" in names:
            found["scores"] = _array(scores[0])
        if "embeddings" in names:
            found["embeddings"] = _array(made[0][1])
        return found

    def _call(self, module: Any, tensors: dict[str, Any]) -> Any:
        try:
            return module(**tensors)
        except RuntimeError as error:
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
            wrong = "shape" in str(error) or "size" in str(error) or "channels" in str(error)
            kind = ShapeError if wrong else RunError
            raise kind(
                f"the network could not be run on a batch of the shape {shapes}: {error}. Check "
                "the size and the channels that the transform makes."
            ) from error

    def close(self) -> None:
        """Let go of the modules."""
        self._modules = []


def _array(tensor: Any) -> Any:
    return tensor.float().cpu().numpy()

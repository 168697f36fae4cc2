"""The few operations in which torch tensors (extra ``torch``) differ from NumPy arrays.

A tensor stays on its device: only indices, scores and single numbers come to the host.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require


def is_tensor(value: object) -> bool:
    """Whether it is a torch tensor; loads nothing, for nobody has one who has not loaded torch."""
    module = sys.modules.get("torch")
    return module is not None and isinstance(value, module.Tensor)


def torch() -> Any:
    """PyTorch.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("torch", "torch", "selecting from tensors")


def host(tensor: Any) -> Any:
    """A NumPy array of a (small) tensor, copied from its device."""
    detached = tensor.detach()
    if detached.dtype == torch().bfloat16:
        detached = detached.float()
    return np.asarray(detached.cpu().numpy())


def float64(tensor: Any) -> Any:
    """Float64 on the same device, detached."""
    return tensor.detach().to(torch().float64)


def float32(tensor: Any) -> Any:
    """Float32 on the same device, detached."""
    return tensor.detach().to(torch().float32)


def is_floating(tensor: Any) -> bool:
    """Whether its numbers are floating-point ones."""
    return bool(tensor.is_floating_point())


def product_epsilon() -> float:
    """Rounding of a float32 product: of float32, or of what the user lets torch put in its place.

    See ``torch.set_float32_matmul_precision``: "high" is TF32 or two bfloat16, "medium" bfloat16.
    """
    allowed = {"highest": 2.0**-23, "high": 2.0**-10, "medium": 2.0**-7}
    return allowed[torch().get_float32_matmul_precision()]


def index(indices: NDArray[np.int64], like: Any) -> Any:
    """Row indices on the device of a tensor."""
    return torch().as_tensor(indices, device=like.device)


def moved(array: Any, like: Any) -> Any:
    """A tensor on the device of another."""
    return torch().as_tensor(array, device=like.device)


def filled(shape: tuple[int, ...], value: float, dtype: str, like: Any) -> Any:
    """A new tensor on the device of another."""
    return torch().full(shape, value, dtype=getattr(torch(), dtype), device=like.device)


def dots(one: Any, other: Any) -> Any:
    """Inner products of the rows of two tensors, in as few kernels as can be."""
    return torch().linalg.vecdot(one, other)


def smallest(tensor: Any, count: int) -> Any:
    """The lowest numbers of each row."""
    return torch().topk(tensor, count, dim=1, largest=False, sorted=False).values

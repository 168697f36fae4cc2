"""Networks on a GPU: exact float32, large batches through pinned memory, and too little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

from . import torch as backend

PINNED_BYTES = 16 << 20
"""Batches from here on travel through pinned memory: 256 images of 224 px came 40 % faster on an
H200; of 32 px, pinning took longer than what it saved."""


def is_gpu(device: str) -> bool:
    """Whether a device is a GPU of NVIDIA or AMD, which PyTorch calls alike."""
    return device.startswith("cuda")


def check(device: str) -> None:
    """Refuse a GPU that PyTorch does not see.

    Raises:
        ConfigError: If it is such a one.
    """
    pt = backend.torch()
    count = pt.cuda.device_count() if pt.cuda.is_available() else 0
    if is_gpu(device) and (pt.device(device).index or 0) >= count:
        raise ConfigError(
            f"the device {device!r} is asked for, but PyTorch {pt.__version__} sees {count} GPUs "
            "here. Take 'cpu', or look at nvidia-smi, at CUDA_VISIBLE_DEVICES, and whether PyTorch "
            "was installed for CUDA."
        )


def run(module: Any, arrays: Iterable[NDArray[Any]], device: str) -> tuple[Any, ...]:
    """Outputs of a module, on its GPU.

    Raises:
        MemoryError: If the GPU has too little memory for a batch of this size.
    """
    pt = backend.torch()
    try:
        with _exact():
            made = module(*(_sent(array, device) for array in arrays))
    except pt.OutOfMemoryError as error:
        raise MemoryError(f"{device}: {error}") from error
    return as_tuple(made)


def as_tuple(made: Any) -> tuple[Any, ...]:
    """What a module gives, as a tuple."""
    return made if isinstance(made, tuple) else (made,)


def pinned(size: int) -> NDArray[np.uint8]:
    """``(size,)`` bytes that a GPU copies without a processor's help; what is in them is sent so.

    PyTorch keeps what is given back and gives it again, since the system takes long to pin memory.
    """
    pt = backend.torch()
    made: NDArray[np.uint8] = pt.empty(size, dtype=pt.uint8, pin_memory=True).numpy()
    return made


def _sent(array: NDArray[Any], device: str) -> Any:
    tensor = backend.torch().as_tensor(array)
    if tensor.is_pinned():
        return tensor.to(device, non_blocking=True)
    if array.nbytes < PINNED_BYTES:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def _exact() -> Iterator[None]:
    """Float32 convolutions in float32: PyTorch would use TF32, of ten bits, unless told."""
    cudnn = backend.torch().backends.cudnn
    kept = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    with cudnn.flags(**kept, allow_tf32=False):
        yield

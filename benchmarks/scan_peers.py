"""The loops that people write, and those of libraries: all items through the model, then the top k.

Every loop gives the names of its picks. ``backend`` is the network in eager PyTorch, as its users
run it, or ours (the same compiled network, precision and threads as the scan has).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from scan_network import ResNet18, normalised

Backend = Callable[[np.ndarray], np.ndarray]
WANTED = frozenset({"probabilities"})


def eager(weights: Path, threads: int, device: str = "cpu") -> Backend:
    """The network in eager PyTorch, float32 (on a GPU TF32, as is usual), channels last."""
    torch.set_num_threads(threads)
    network = ResNet18().eval().to(memory_format=torch.channels_last)
    network.load_state_dict(load_file(weights))
    network.to(device)

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.softmax(network(normalised(images).to(device)), 1).cpu().numpy()

    return run


def ours(model: Any) -> Backend:
    """Our backend, for a peer's loop."""
    return lambda images: model.infer(images, WANTED)["probabilities"]


def read(file: Path, size: int) -> np.ndarray:
    """One image as people read it."""
    image = Image.open(file).convert("RGB")
    return np.asarray(image if image.size == (size, size) else image.resize((size, size), 2))


def naive(files: Sequence[Path], backend: Backend, batch: int, size: int = 32) -> np.ndarray:
    """(n, C) probabilities, batch by batch."""
    return np.concatenate(
        [
            backend(np.stack([read(file, size) for file in files[start : start + batch]]))
            for start in range(0, len(files), batch)
        ]
    )


def least_confident(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Rows of the least confident items."""
    return np.argsort(probabilities.max(axis=1), kind="stable")[:count]


class Estimator:
    """The network as modAL wants it."""

    def __init__(self, backend: Backend, shape: tuple[int, ...]) -> None:
        self._backend, self._shape = backend, shape

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """(n, C)."""
        images = rows.reshape(-1, *self._shape)
        return np.concatenate(
            [self._backend(images[at : at + 64]) for at in range(0, len(images), 64)]
        )


def modal(files: Sequence[Path], backend: Backend, count: int, size: int = 32) -> np.ndarray:
    """By modAL, ``uncertainty_sampling`` over all images, which it wants in memory."""
    from modAL.uncertainty import uncertainty_sampling

    images = np.stack([read(file, size) for file in files])
    estimator = Estimator(backend, images.shape[1:])
    found = uncertainty_sampling(estimator, images.reshape(len(images), -1), n_instances=count)
    return np.asarray(found[0] if isinstance(found, tuple) else found)


def scikit_activeml(
    files: Sequence[Path], backend: Backend, count: int, size: int = 32
) -> np.ndarray:
    """scikit-activeml's scores of uncertainty and its choice of the best, over a batch loop."""
    from skactiveml.pool import uncertainty_scores
    from skactiveml.utils import simple_batch

    scores = uncertainty_scores(naive(files, backend, 64, size), method="least_confident")
    return np.asarray(simple_batch(scores, batch_size=count, random_state=0))


def with_packages(folder: str) -> bool:
    """Make what ``pip install --target`` put into a folder importable."""
    if folder and folder not in sys.path:
        sys.path.append(folder)
    try:
        import modAL  # noqa: F401
        import skactiveml  # noqa: F401
    except ImportError:
        return False
    return True

"""Frozen features of images, learned on images that are in no pool and no test set.

``patches``: whitened random patches as filters (Coates, Lee & Ng 2011, AISTATS; Coates & Ng 2011,
ICML: filters that are patches drawn at random do nearly as well as trained ones), soft threshold,
sums over the four quadrants, then principal components. No label is seen.

``network``: the last hidden layer of a small convolutional network that was trained with the labels
of those other images: what a network trained beforehand on the same classes offers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from learning_curves_data import Images
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Rows = NDArray[np.float32]
SIDE, STRIDE, FILTERS, THRESHOLD, KEPT = 6, 2, 160, 0.25, 128
TOGETHER = 200


def patches(images: Images) -> dict[str, Rows]:
    """``(n, 128)`` features of the pool's and the test's images."""
    rng = np.random.default_rng(0)
    apart = images.apart[0]
    some = _windows(apart[rng.choice(len(apart), 1_000, replace=False)])
    some = _levelled(some.reshape(-1, some.shape[-1]))
    mean, whitening = _whitening(some)
    filters = (some[rng.choice(len(some), FILTERS, replace=False)] - mean) @ whitening
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)
    kernel = (whitening @ filters.T).astype(np.float32)
    wide = {
        name: _responses(part, mean, kernel)
        for name, part in (
            ("apart", apart),
            ("pool", images.pool[0]),
            ("test", images.test[0]),
        )
    }
    return _components(wide)


def _windows(pictures: NDArray[np.uint8]) -> Rows:
    """``(n, places, 108)`` patches of all images, in rows and columns STRIDE apart."""
    found = sliding_window_view(pictures, (SIDE, SIDE), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    return np.ascontiguousarray(found, np.float32).reshape(len(pictures), -1, 3 * SIDE * SIDE)


def _levelled(windows: Rows) -> Rows:
    """Brightness and contrast taken out of every patch."""
    windows = windows - windows.mean(axis=-1, keepdims=True)
    return windows / np.sqrt(windows.var(axis=-1, keepdims=True) + 10.0)


def _whitening(windows: Rows) -> tuple[Rows, Rows]:
    mean = windows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(windows - mean, rowvar=False))
    return mean, (vectors / np.sqrt(values + 0.1) @ vectors.T).astype(np.float32)


def _responses(pictures: NDArray[np.uint8], mean: Rows, kernel: Rows) -> Rows:
    parts = []
    for start in range(0, len(pictures), TOGETHER):
        windows = _levelled(_windows(pictures[start : start + TOGETHER])) - mean
        parts.append(_pooled(windows @ kernel))
    return np.concatenate(parts)


def _pooled(answers: Rows) -> Rows:
    """Both signs above the threshold, summed by quadrant: ``(n, 8 * filters)``."""
    side = int(answers.shape[1] ** 0.5)
    both = np.concatenate([answers - THRESHOLD, -answers - THRESHOLD], axis=-1)
    grid = np.maximum(both, 0.0, out=both).reshape(len(answers), side, side, -1)
    half = side // 2
    corners = [
        grid[:, rows, columns].sum(axis=(1, 2))
        for rows in (slice(half), slice(half, None))
        for columns in (slice(half), slice(half, None))
    ]
    return np.concatenate(corners, axis=1)


def _components(wide: dict[str, Rows]) -> dict[str, Rows]:
    """Principal components of the images apart, scaled to a mean squared norm of ``d``."""
    apart = wide.pop("apart")
    mean, spread = apart.mean(axis=0), apart.std(axis=0) + 1e-6
    level = (apart - mean) / spread
    _, vectors = np.linalg.eigh(level.T @ level)
    basis = vectors[:, ::-1][:, :KEPT]
    scale = np.sqrt(((level @ basis) ** 2).mean())
    return {name: ((rows - mean) / spread @ basis / scale) for name, rows in wide.items()}


def network(images: Images, epochs: int = 8) -> dict[str, Rows]:
    """``(n, 64)`` last hidden layer of a network trained with the labels of the images apart."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = _layers(torch)
    inputs, labels = as_tensor(images.apart[0]), torch.from_numpy(images.apart[1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    steps = epochs * -(-len(inputs) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    for _ in range(epochs):
        for some in torch.randperm(len(inputs)).split(128):
            batch = inputs[some]
            batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
            loss = torch.nn.functional.cross_entropy(model(batch), labels[some])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    body = model[:-1].eval()
    with torch.no_grad():
        found = {
            name: torch.cat([body(some) for some in as_tensor(part).split(500)]).numpy()
            for name, part in (("pool", images.pool[0]), ("test", images.test[0]))
        }
        level = torch.cat([body(some) for some in inputs.split(500)]).numpy()
    mean, scale = level.mean(axis=0), np.sqrt(level.var(axis=0).mean())
    return {name: (rows - mean) / scale for name, rows in found.items()}


def _layers(torch: Any) -> Any:
    nn = torch.nn
    blocks: list[Any] = []
    for before, after in ((3, 24), (24, 48), (48, 64)):
        blocks += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        blocks += [nn.MaxPool2d(2)]
    blocks += [nn.Flatten(), nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*blocks)


def as_tensor(pictures: NDArray[np.uint8]) -> Any:
    """``(n, 3, 32, 32)`` about zero."""
    import torch

    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(64.0).sub(2.0)

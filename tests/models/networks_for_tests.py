"""Small networks, and the files of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


class Pixels(nn.Module):
    """From ``(n, 3, h, w)`` to four scores; with a residual branch that has dropout, or without."""

    def __init__(self, residual: bool = False, classes: int = 4) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.inner, self.channels = nn.Conv2d(8, 8, 3, padding=1), nn.Dropout2d(0.3)
        self.features, self.drop = nn.Linear(8, 16), nn.Dropout(0.5)
        self.head, self.residual = nn.Linear(16, classes), residual

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.conv(x)))
        y = self.inner(self.channels(x)) if self.residual else self.inner(x)
        x = torch.relu(x + y).mean((2, 3))
        return self.head(self.drop(torch.relu(self.features(x))))


class Curve(nn.Module):
    """A regression of ``(n, 3)`` with some outputs."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 12), nn.Tanh(), nn.Dropout(0.2), nn.Linear(12, outputs)
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def written(folder: Path, module: Any, seed: int) -> Path:
    """The file of a module's weights, drawn from a seed, with large biases so that seeds differ."""
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    file = folder / f"{type(module).__name__}-{seed}-{len(module.state_dict())}.safetensors"
    save_file(module.state_dict(), file)
    return file


def images(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 8, 8, 3), np.uint8)


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=(count, 3)).astype(np.float32)

"""ResNet-18 (He et al. 2016, table 1) for the scan's benchmark, and its training on CIFAR-10."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Residual(nn.Module):
    """Two convolutions and what they are added to."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.second = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        self.pass_on: nn.Module = nn.Identity()
        if stride != 1 or inner != outer:
            project = nn.Conv2d(inner, outer, 1, stride, bias=False)
            self.pass_on = nn.Sequential(project, nn.BatchNorm2d(outer))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, outer, h, w)."""
        made = self.norm2(self.second(torch.relu(self.norm1(self.first(x)))))
        return torch.relu(made + self.pass_on(x))


class ResNet18(nn.Module):
    """The network of 1.8 GFLOP at 224 px; at 32 px it takes a fiftieth of that."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        widths, blocks, inner = (64, 128, 256, 512), [], 64
        for stage, outer in enumerate(widths):
            blocks += [Residual(inner, outer, 1 if stage == 0 else 2), Residual(outer, outer, 1)]
            inner = outer
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) scores."""
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


def normalised(images: np.ndarray, device: str = "cpu") -> torch.Tensor:
    """(n, h, w, 3) bytes as the network takes them."""
    scaled = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((scaled - mean) / std).contiguous(memory_format=torch.channels_last)


def trained(
    images: np.ndarray, labels: np.ndarray, path: Path, epochs: int = 6, device: str = "cpu"
) -> Path:
    """Weights, trained once and kept: SGD with a one-cycle rate, flips and shifts."""
    from safetensors.torch import save_file

    if path.exists():
        return path
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = ResNet18().to(device, memory_format=torch.channels_last)
    steps = epochs * (len(images) // 128)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, steps)
    began = time.time()
    for epoch in range(epochs):
        order, right = rng.permutation(len(images)), 0
        for start in range(0, len(order) - 127, 128):
            chosen = order[start : start + 128]
            moved = np.roll(images[chosen], tuple(rng.integers(-2, 3, 2)), (1, 2))
            turned = moved[:, :, ::-1].copy() if rng.random() < 0.5 else moved
            batch = normalised(turned, device)
            scores, wanted = network(batch), torch.from_numpy(labels[chosen]).to(device)
            loss = nn.functional.cross_entropy(scores, wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            right += (scores.detach().argmax(1) == wanted).sum()
        print(
            f"epoch {epoch}: {int(right) / len(order):.3f} right, {time.time() - began:.0f} s",
            flush=True,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.cpu().contiguous() for name, value in network.state_dict().items()}, path
    )
    return path


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images that the trained network is right about."""
    from safetensors.torch import load_file

    network = ResNet18().eval()
    network.load_state_dict(load_file(path))
    with torch.inference_mode():
        parts = [network(normalised(images[at : at + 500])) for at in range(0, len(images), 500)]
    return float((torch.cat(parts).argmax(1).numpy() == labels).mean())

"""A convolutional variational autoencoder of pictures of distances (Kingma and Welling 2013).

Pictures (k, p, p) are in nanometre. All pixels share one scale, so that bonds, which hardly change,
count for little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require

Images = NDArray[np.float32]


def torch() -> Any:
    """PyTorch."""
    return require("torch", "sampling", "the latent space")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is made of and how it is trained.

    Attributes:
        pixels: Edge of a picture.
        dimensions: Of the latent space.
        channels: Of the first convolution; the second has twice as many.
        beta: Weight of the divergence from the prior, of a mean squared error of one a pixel.
        learning_rate: Of Adam.
        epochs: Passes over the pictures.
    """

    pixels: int
    dimensions: int = 2
    channels: int = 8
    beta: float = 1e-3
    learning_rate: float = 3e-3
    epochs: int = 20


def network(shape: Shape) -> Any:
    """Encoder and decoder: two convolutions each, the inner one of half the edge."""
    nn = torch().nn
    half, wide = (shape.pixels + 1) // 2, 2 * shape.channels
    inner = wide * half * half
    encoder = nn.Sequential(
        nn.Conv2d(1, shape.channels, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(shape.channels, wide, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(inner, 2 * shape.dimensions),
    )
    decoder = nn.Sequential(
        nn.Linear(shape.dimensions, inner),
        nn.SiLU(),
        nn.Unflatten(1, (wide, half, half)),
        nn.Upsample(size=(shape.pixels, shape.pixels)),
        nn.Conv2d(wide, shape.channels, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(shape.channels, 1, 3, padding=1),
    )
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """A trained network with the scale of its pictures."""

    shape: Shape
    net: Any
    mean: Images
    scale: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as named arrays."""
        weights = {n: t.detach().numpy().copy() for n, t in self.net.state_dict().items()}
        return {**weights, "mean": self.mean, "scale": np.array(self.scale)}

    @staticmethod
    def of(shape: Shape, arrays: Mapping[str, NDArray[Any]]) -> Autoencoder:
        """From what :meth:`arrays` gave."""
        net = network(shape)
        held = dict(arrays)
        mean, scale = np.asarray(held.pop("mean"), np.float32), float(held.pop("scale"))
        net.load_state_dict({n: torch().tensor(np.asarray(a)) for n, a in held.items()})
        return Autoencoder(shape, net, mean, scale)

    def tensor(self, images: Images) -> Any:
        """Pictures as the network takes them (k, 1, p, p)."""
        return torch().from_numpy(((images - self.mean) / self.scale).astype(np.float32))[:, None]

    def encode(self, images: Images) -> NDArray[np.float64]:
        """Where pictures lie in the latent space (k, d): the mean of the posterior."""
        with torch().no_grad():
            said = self.net["encoder"](self.tensor(images))
        return np.asarray(said[:, : self.shape.dimensions].numpy(), np.float64)

    def decode(self, latent: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pictures (k, p, p) in nanometre of places (k, d)."""
        with torch().no_grad():
            said = self.net["decoder"](torch().from_numpy(latent.astype(np.float32)))
        return np.asarray(said[:, 0].numpy() * self.scale + self.mean, np.float64)


def trained(
    images: Images,
    shape: Shape,
    seed: int,
    previous: Autoencoder | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Autoencoder, float]:
    """Train by Adam, from a previous network's weights if there is one.

    Returns:
        The network, and its loss of the last epoch.
    """
    t = torch()
    t.set_num_threads(1)
    with t.random.fork_rng(devices=[]):
        t.manual_seed(seed)
        net = network(shape)
        if previous is None:
            mean = images.mean(axis=0)
            scale = float(np.sqrt(((images - mean) ** 2).mean()) + 1e-6)
        else:
            mean, scale = previous.mean, previous.scale
            net.load_state_dict(previous.net.state_dict())
        made = Autoencoder(shape, net, mean, scale)
        return made, _epochs(made, made.tensor(images), seed, should_stop)


def _epochs(made: Autoencoder, x: Any, seed: int, should_stop: Callable[[], bool]) -> float:
    t, shape = torch(), made.shape
    optimiser = t.optim.Adam(made.net.parameters(), lr=shape.learning_rate)
    rng, size, total = np.random.default_rng(seed), 64, float("nan")
    for _ in range(shape.epochs):
        if should_stop():
            break
        order, total = t.from_numpy(rng.permutation(len(x))), 0.0
        for rows in order.split(size):
            loss = _loss(made, x[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows) / len(x)
    return total


def _loss(made: Autoencoder, x: Any) -> Any:
    """Mean squared error a pixel and beta times the divergence (Kingma and Welling, eq. 10)."""
    said = made.net["encoder"](x)
    middle, log = said.chunk(2, dim=1)
    log = log.clamp(-12.0, 4.0)
    drawn = middle + (0.5 * log).exp() * torch().randn_like(middle)
    error = ((made.net["decoder"](drawn) - x) ** 2).mean()
    divergence = 0.5 * (middle**2 + log.exp() - 1.0 - log).sum(dim=1).mean()
    return error + made.shape.beta * divergence

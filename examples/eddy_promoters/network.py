"""A convolutional surrogate, from the geometry of a channel to its fields (extra ``torch``).

It works on patches of two by two nodes, goes down to half as many, looks far along the channel
there by dilated convolutions, and comes back (a U-Net of two levels: Ronneberger, Fischer and Brox,
MICCAI 2015, 234; patches by the sub-pixel convolution of Shi et al., CVPR 2016, 1874).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from lattice import Floats
from problem import LENGTH, bodies

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import require
from querist.core.roles import FitRequest
from querist.models.torch_ensemble import TorchEnsemble

FIELDS = ("along", "across", "warm")
"""Outputs: velocities over U, and the temperature."""


def distance(design: Sequence[float], nodes: int) -> Floats:
    """``(rows, columns)`` distance of each node to the nearest surface of a promoter, in H.

    Negative inside; at most one.
    """
    y, x = np.mgrid[0:nodes, 0 : round(LENGTH * nodes)] + 0.5
    away = [np.hypot(x - b.x, y - b.y) - b.radius for b in bodies(design, nodes)]
    return np.minimum(np.min(away, axis=0) / nodes, 1.0)


def geometries(designs: Floats, nodes: int) -> Floats:
    """``(n, rows, columns)`` of :func:`distance`."""
    return np.stack([distance(design, nodes) for design in designs])


@cache
def kind() -> Any:
    """The class of the networks; made once, since torch is not there for everybody."""
    torch = require("torch", "torch", "the convolutional surrogate")
    nn = torch.nn

    class Channels(nn.Module):  # type: ignore[misc, name-defined]
        """From flat geometries ``(n, rows * columns)`` to flat fields, three times as many."""

        def __init__(self, rows: int, columns: int, width: int) -> None:
            super().__init__()
            self.rows, self.columns = rows, columns
            wide, far = 2 * width, {"kernel_size": (3, 7), "padding": (1, 6), "dilation": (1, 2)}
            self.into = nn.Conv2d(12, width, 3, padding=1)
            self.fine = nn.Conv2d(width, width, 3, padding=1)
            self.down = nn.Conv2d(width, wide, 2, stride=2)
            self.along = nn.ModuleList(nn.Conv2d(wide, wide, **far) for _ in range(3))
            self.up = nn.ConvTranspose2d(wide, width, 2, stride=2)
            self.last = nn.Conv2d(2 * width, width, 3, padding=1)
            self.out = nn.Conv2d(width, 4 * len(FIELDS), 3, padding=1)

        def forward(self, flat: Any) -> Any:
            act, shape = nn.functional.silu, (len(flat), 1, self.rows, self.columns)
            y, x = (torch.linspace(-1, 1, n, device=flat.device) for n in shape[2:])
            places = [y.to(flat).view(1, 1, -1, 1).expand(shape), x.to(flat).expand(shape)]
            seen = torch.cat([flat.view(shape), *places], dim=1)
            fine = act(self.into(nn.functional.pixel_unshuffle(seen, 2)))
            fine = act(self.fine(fine)) + fine
            deep = act(self.down(fine))
            for layer in self.along:
                deep = act(layer(deep)) + deep
            both = act(self.last(torch.cat([fine, act(self.up(deep))], dim=1)))
            return nn.functional.pixel_shuffle(self.out(both), 2).reshape(len(flat), -1)

    return Channels


def network(inputs: int, outputs: int, rows: int = 16, width: int = 24) -> Any:
    """A ``torch.nn.Module`` from flat geometries to flat fields.

    Args:
        inputs: Nodes of the channel.
        outputs: Three times as many.
        rows: Nodes across, a multiple of four.
        width: Channels on the finer level.
    """
    if outputs != len(FIELDS) * inputs:
        raise ValueError(f"{inputs} nodes have {len(FIELDS) * inputs} outputs, not {outputs}.")
    return kind()(rows, inputs // rows, width)


def mirrored(data: Dataset, nodes: int) -> Dataset:
    """Geometries and fields of labelled designs, each also upside down, as the physics is."""
    shapes = geometries(np.asarray(data.inputs["x"]), nodes)
    fields = np.asarray(data.outputs["fields"], np.float64)
    turned = fields[:, :, ::-1] * np.array([1.0, -1.0, 1.0])[:, None, None]
    inputs = Batch.stack(geometry=np.concatenate([shapes, shapes[:, ::-1]]))
    both = np.concatenate([fields, turned])
    return Dataset(inputs, Batch.stack(**{n: both[:, i] for i, n in enumerate(FIELDS)}))


def learned(data: Dataset, nodes: int, epochs: int, members: int, width: int) -> TorchEnsemble:
    """A committee of networks, fitted to all labels of a campaign.

    Raises:
        MissingExtra: If torch is not installed.
    """
    schedule = {"epochs": epochs, "patience": epochs, "batch_size": 8, "validation": 0.1}
    schedule |= {"learning_rate": 2e-3, "weight_decay": 1e-4}
    options = {"rows": nodes, "width": width}
    model = TorchEnsemble(
        network, None, FIELDS, members, options, schedule, joint=False, scaling="field"
    )
    model.load(model.fit(mirrored(data, nodes), FitRequest(seed=0)).state)
    return model


def predicted(model: TorchEnsemble, designs: Floats, nodes: int) -> tuple[Floats, Floats]:
    """``(n, 3, rows, columns)`` fields of designs and their standard deviations; 0 in bodies."""
    shapes = geometries(designs, nodes)
    said = model.predict(Batch.stack(geometry=shapes))
    fluid = (shapes > 0.0)[:, None]
    mean, std = (
        np.stack([np.asarray(b[n]) for n in FIELDS], axis=1) for b in (said.mean, said.std)
    )
    return mean * fluid, std * fluid

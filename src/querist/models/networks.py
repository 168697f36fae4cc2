"""Torch modules made ready for pools: normalisation inside, scores and embeddings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from querist.core.errors import ConfigError

from .backends import torch as backend
from .inference_settings import NetworkSettings, Normalise, suggest

TABLE, IMAGE = 2, 4  # axes of a batch


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """What a backend runs.

    Attributes:
        modules: Members, or one; each from inputs to scores, or to (scores, embeddings).
        embeds: Whether they give embeddings.
        use: Where they are from.
    """

    modules: Sequence[Any]
    embeds: bool
    use: str = "torch"


def network_of(modules: Sequence[Any], settings: NetworkSettings, use: str = "torch") -> Network:
    """Modules with their normalisation inside and their embeddings tapped.

    Raises:
        ConfigError: If there is no layer of the name.
    """
    taps = [tap_of(module, settings.embedding) for module in modules]
    wrapped = [
        prepared(module, settings.normalise, tap) for module, tap in zip(modules, taps, strict=True)
    ]
    return Network(wrapped, taps[0] is not None, use)


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """Where embeddings are taken: of a layer's input or of its output."""

    layer: Any
    before: bool


def tap_of(module: Any, embedding: str) -> Tap | None:
    """Where to take embeddings: before the last linear layer, or after the layer of a name.

    Raises:
        ConfigError: If there is no layer of that name.
    """
    if not embedding:
        return None
    layers = dict(module.named_modules())
    if embedding != "auto":
        if embedding not in layers:
            raise ConfigError(
                f"the network has no layer {embedding!r} to take embeddings of. "
                f"{suggest(embedding, [name for name in layers if name])}"
            )
        return Tap(layers[embedding], before=False)
    linear = [layer for layer in layers.values() if isinstance(layer, backend.torch().nn.Linear)]
    return Tap(linear[-1], before=True) if linear else None


def prepared(module: Any, normalise: Normalise, tap: Tap | None) -> Any:
    """A module of raw batches: it normalises, runs the network and taps its embeddings."""
    pt = backend.torch()
    base: Any = pt.nn.Module

    class Prepared(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """From ``(n, ...)`` numbers, channels last, to scores, or to scores and embeddings."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module
            # Not parameters of the network: they keep float32 when it is turned to bfloat16.
            self.mean = pt.tensor(normalise.mean or (0.0,), dtype=pt.float32)
            self.std = pt.tensor(normalise.std or (1.0,), dtype=pt.float32)

        def normalised(self, x: Any) -> Any:
            """Numbers as the network takes them."""
            scale = normalise.scale or (255.0 if x.dtype == pt.uint8 else 1.0)
            if normalise.mean or normalise.std or scale != 1.0:
                factor = 1.0 / (scale * self.std.to(x.device))
                x = x.to(pt.float32) * factor - self.mean.to(x.device) / self.std.to(x.device)
            dtype = next((p.dtype for p in module.parameters()), pt.float32)
            x = x.to(dtype)
            if x.ndim == IMAGE and normalise.layout == "channels-first":
                x = x.permute(0, 3, 1, 2)
            return x

        def forward(self, x: Any) -> Any:
            """Scores, and embeddings where they are tapped."""
            if tap is None:
                return self.network(self.normalised(x))
            held: list[Any] = []
            hook = hooked(tap, held)
            try:
                scores = self.network(self.normalised(x))
            finally:
                hook.remove()
            return scores, held[-1].flatten(1)

    return Prepared().eval()


def hooked(tap: Tap, held: list[Any]) -> Any:
    """A hook that notes what passes at a tap."""
    if tap.before:
        return tap.layer.register_forward_pre_hook(lambda _, args: held.append(args[0]))
    return tap.layer.register_forward_hook(lambda _, __, output: held.append(output))

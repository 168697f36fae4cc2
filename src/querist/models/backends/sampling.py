"""Dropout that stays on, with masks drawn once, all passes in one graph.

A pass is one fixed function, so an item gets the same members in any batch, and other backends can
be given the graph. Everything before the first dropout is the same in all passes, and is computed
once where the network allows it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

from . import torch as backend

if TYPE_CHECKING:
    from ..inference_settings import Dropout

KINDS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")
Example = Mapping[str, NDArray[Any]]


def sampled(wrap: Callable[[Any], Any], module: Any, dropout: Dropout, example: Example) -> Any:
    """A module from a batch to ``(T, n, C)`` scores, a row a mask.

    Args:
        wrap: Makes a module of raw batches of a network.
        module: The network.
        dropout: Passes and seed.
        example: At least 3 items; of their kind all batches must be.

    Raises:
        ConfigError: If a dropout layer is of a kind that has no fixed masks, or none is used.
    """
    pt = backend.torch()
    module = copy.deepcopy(module).to(device="cpu", dtype=pt.float32)
    tensors = {name: pt.as_tensor(array) for name, array in example.items()}
    rates = _rates(module)
    shapes = _called(wrap, module, rates, tensors)
    if not shapes:
        raise ConfigError(
            f"mc_dropout wants dropout layers that the network uses, but it uses none of "
            f"{', '.join(rates)}."
        )

    def thinned(shared: bool) -> Any:
        thin = copy.deepcopy(module)
        first = next(iter(shapes))
        for layer, kinds in shapes.items():
            masks = _masks(layer, kinds, rates[layer], dropout)
            parent, _, leaf = layer.rpartition(".")
            setattr(thin.get_submodule(parent), leaf, _masked(masks, shared and layer == first))
        return _tiled(wrap(thin), 1 if shared else dropout.passes, dropout.passes)

    whole, quick = thinned(shared=False), thinned(shared=True)
    return quick if _agree(whole, quick, tensors) else whole


def _rates(module: Any) -> dict[str, float]:
    """The dropout layers that are on, and their rates."""
    kind = backend.torch().nn.modules.dropout._DropoutNd
    found = {}
    for name, layer in module.named_modules():
        if isinstance(layer, kind) and layer.p > 0:
            if type(layer).__name__ not in KINDS:
                raise ConfigError(
                    f"mc_dropout knows {', '.join(KINDS)}, but the layer {name!r} is "
                    f"{type(layer).__name__}."
                )
            found[name] = layer.p
    return found


def _called(
    wrap: Callable[[Any], Any],
    module: Any,
    rates: Mapping[str, float],
    tensors: Mapping[str, Any],
) -> dict[str, set[tuple[int, ...]]]:
    """The shapes of the masks of each layer, in the order in which the layers are called."""
    found: dict[str, set[tuple[int, ...]]] = {}
    hooks = []
    for name in rates:
        layer = module.get_submodule(name)

        def note(layer: Any, args: Any, name: str = name) -> None:
            found.setdefault(name, set()).add(_mask_shape(type(layer).__name__, args[0].shape))

        hooks.append(layer.register_forward_pre_hook(note))
    with backend.torch().no_grad():
        wrap(module)(**tensors)
    for hook in hooks:
        hook.remove()
    return found


def _mask_shape(kind: str, shape: Any) -> tuple[int, ...]:
    """The shape of one mask: of one item, the same at all places that are only counted.

    Channels are dropped whole by Dropout2d and its kin; of ``(n, tokens, d)`` every token has the
    same mask (Gal & Ghahramani 2016b), as texts differ in length.
    """
    item = tuple(int(size) for size in shape[1:])
    if kind != "Dropout":
        return (item[0], *(1 for _ in item[1:]))
    return (1, item[1]) if len(item) == 2 else item


def _masks(
    layer: str, shapes: set[tuple[int, ...]], rate: float, dropout: Dropout
) -> dict[int, NDArray[np.float32]]:
    """A mask ``(T, 1, ...)`` for each number of axes that a layer meets."""
    if len({len(shape) for shape in shapes}) < len(shapes):
        raise ConfigError(
            f"the dropout layer {layer!r} is used with different shapes {sorted(shapes)}, which "
            "fixed masks cannot serve; give each place a layer of its own."
        )
    name = int.from_bytes(layer.encode()[-16:], "little")
    made = {}
    for shape in sorted(shapes):
        rng = np.random.default_rng([dropout.seed, name, *shape])
        kept = rng.random((dropout.passes, 1, *shape)) >= rate
        made[len(shape) + 1] = (kept / max(1.0 - rate, 1e-9)).astype(np.float32)
    return made


def _masked(masks: Mapping[int, NDArray[np.float32]], spreads: bool) -> Any:
    """A layer that multiplies T copies of a batch by T masks.

    Args:
        masks: By number of axes of its input.
        spreads: Whether its input is one copy yet.
    """
    pt = backend.torch()
    base: Any = pt.nn.Module

    class Masked(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """Dropout of which the draws were made once."""

        def __init__(self) -> None:
            super().__init__()
            for axes, mask in masks.items():
                self.register_buffer(f"mask{axes}", pt.tensor(mask))

        def forward(self, x: Any) -> Any:
            """``(T * n, ...)``, of that or of ``(n, ...)``."""
            mask = getattr(self, f"mask{x.ndim}")
            copies = x.unsqueeze(0) if spreads else x.unflatten(0, (mask.shape[0], -1))
            return (copies * mask).flatten(0, 1)

    return Masked()


def _tiled(module: Any, copies: int, passes: int) -> Any:
    """A module that is given some copies of its inputs, and whose scores are parted by pass."""
    base: Any = backend.torch().nn.Module

    class Tiled(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """What turns ``(n, ...)`` inputs into ``(T, n, C)`` scores."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def parted(self, *inputs: Any) -> Any:
            """Scores by pass."""
            many = [x.repeat(copies, *(1 for _ in x.shape[1:])) for x in inputs]
            scores = self.inner(*(many if copies > 1 else inputs))
            return scores.unflatten(0, (passes, -1))

    class One(Tiled):
        """For modules of one input; converters want its name."""

        def forward(self, x: Any) -> Any:
            """``(T, n, C)``."""
            return self.parted(x)

    class Tokens(Tiled):
        """For modules of a text's two inputs."""

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            """``(T, n, C)``."""
            return self.parted(input_ids, attention_mask)

    return (Tokens() if getattr(module, "takes_tokens", False) else One()).eval()


def _agree(whole: Any, quick: Any, tensors: Mapping[str, Any]) -> bool:
    """Whether the quick way gives what the plain one gives; residual branches may not allow it."""
    with backend.torch().no_grad():
        wanted = whole(**tensors)
        try:
            got = quick(**tensors)
        except (RuntimeError, IndexError):  # one copy met T copies
            return False
    pt = backend.torch()
    return got.shape == wanted.shape and bool(pt.allclose(got, wanted, rtol=1e-3, atol=1e-4))

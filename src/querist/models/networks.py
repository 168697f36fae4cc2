"""Torch modules made ready for pools: normalisation inside, scores and embeddings out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError

from .backends import torch as backend
from .backends.sampling import sampled
from .inference_settings import Dropout, NetworkSettings, Normalise, suggest

IMAGE = 4  # axes of a batch
_RECENT = 8  # layers whose inputs are kept while a network runs, to tell what made the scores


@dataclass(frozen=True, slots=True)
class Network:
    """What a backend runs.

    Attributes:
        graphs: Members, or one: torch modules from inputs to scores, or to (scores, embeddings); or
            objects whose ``fit_to(example)`` makes the bytes of an ONNX model of that kind.
        embeds: Whether they give embeddings.
        use: Where they are from.
        dropout: Members by dropout.
        scores: Whether they give scores; a network without a head gives embeddings alone.
        thin: Makes a module from inputs to ``(T, n, C)`` scores, of examples of the inputs.
    """

    graphs: Sequence[Any]
    embeds: bool
    use: str = "torch"
    dropout: Dropout | None = None
    scores: bool = True
    thin: Callable[[Mapping[str, NDArray[Any]]], Any] | None = None

    def graph(self, which: Any, example: Mapping[str, NDArray[Any]]) -> Any:
        """A member by its number, or "sampled": the one with dropout on."""
        if which == "sampled" and self.thin:
            return self.thin(example)
        found = self.graphs[which]
        return found.fit_to(example) if hasattr(found, "fit_to") else found


def network_of(modules: Sequence[Any], settings: NetworkSettings, use: str = "torch") -> Network:
    """Modules with their normalisation inside and their embeddings tapped.

    Raises:
        ConfigError: If there is no layer of the name, or no dropout that could stay on.
    """

    def wrap(module: Any, tap: Tap | None) -> Any:
        return prepared(module, settings.normalise or Normalise(), tap)

    return wrapped_network(modules, settings, use, wrap)


def wrapped_network(
    modules: Sequence[Any], settings: NetworkSettings, use: str, wrap: Callable[[Any, Any], Any]
) -> Network:
    """As :func:`network_of`, for inputs of other kinds.

    Args:
        modules: Members, or one.
        settings: Of the network.
        use: Where they are from.
        wrap: Makes a module of raw batches, of a member and its tap.
    """
    dropout = settings.mc_dropout
    if dropout and len(modules) > 1:
        raise ConfigError(
            "a committee has members already; give either several weights or 'mc_dropout'."
        )
    if dropout and not backend.has_dropout(modules[0]):
        raise ConfigError(
            f"mc_dropout wants a network with a dropout layer of a rate above 0, but "
            f"{type(modules[0]).__name__} has none; give several weights for a committee instead."
        )
    taps = [tap_of(module, settings.embedding) for module in modules]
    graphs = [wrap(module, tap) for module, tap in zip(modules, taps, strict=True)]

    def thin(example: Mapping[str, NDArray[Any]]) -> Any:
        assert dropout
        return sampled(lambda copy: wrap(copy, None), modules[0], dropout, example)

    thinner = thin if dropout else None
    return Network(graphs, taps[0] is not None, use, dropout, thin=thinner)


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """Where embeddings are taken: of a layer's input or of its output.

    Of several layers it is the one whose output are the scores, or else the one that ran last.
    """

    layers: Sequence[Any]
    before: bool


def tap_of(module: Any, embedding: str) -> Tap | None:
    """Where to take embeddings: before the linear layer of the scores, or after a named layer.

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
        return Tap([layers[embedding]], before=False)
    linear = [layer for layer in layers.values() if isinstance(layer, backend.torch().nn.Linear)]
    return Tap(linear, before=True) if linear else None


def prepared(module: Any, normalise: Normalise, tap: Tap | None, plain: bool = True) -> Any:
    """A module of raw batches: it normalises, runs the network and taps its embeddings.

    Normalisation is part of the graph, so that backends fuse it with what follows, and images go
    in as bytes. Unless it is ``plain`` the module gives scores and embeddings by itself.
    """
    pt = backend.torch()
    base: Any = pt.nn.Module

    def given(made: Any) -> Any:
        return scores_of(made, module) if plain else made

    class Prepared(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """From ``(n, ...)`` numbers, channels last, to scores, or to scores and embeddings."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module
            # No buffers: these keep float32 when the network is turned to bfloat16.
            self.mean = pt.tensor(normalise.mean or (0.0,), dtype=pt.float32)
            self.std = pt.tensor(normalise.std or (1.0,), dtype=pt.float32)

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            """The constants go where the network goes, lest each batch take them along."""
            made = super()._apply(fn, recurse)
            device = next((p.device for p in module.parameters()), self.mean.device)
            self.mean, self.std = self.mean.to(device), self.std.to(device)
            return made

        def normalised(self, x: Any) -> Any:
            """Numbers as the network takes them."""
            scale = normalise.scale or (255.0 if x.dtype == pt.uint8 else 1.0)
            dtype = next((p.dtype for p in module.parameters()), pt.float32)
            if normalise.mean or normalise.std or scale != 1.0:
                factor = 1.0 / (scale * self.std.to(x.device))
                x = x.to(pt.float32) * factor - self.mean.to(x.device) / self.std.to(x.device)
            x = x.to(dtype)
            if x.ndim == IMAGE and normalise.layout == "channels-first":
                x = x.permute(0, 3, 1, 2)
            return x

        def forward(self, x: Any) -> Any:
            """Scores, and embeddings where they are tapped."""
            return tapped(lambda: given(self.network(self.normalised(x))), tap)

    return Prepared().eval()


def tapped(run: Callable[[], Any], tap: Tap | None) -> Any:
    """What a network gives; with a tap, beside what passes there, ``(n, d)``."""
    if tap is None:
        return run()
    held: deque[tuple[Any, Any]] = deque(maxlen=_RECENT)

    def note(_: Any, args: Any, named: Any, output: Any) -> None:
        held.append(((*args, *named.values())[0] if tap.before else output, output))

    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in tap.layers]
    try:
        scores = run()
    finally:
        for hook in hooks:
            hook.remove()
    found = [taken for taken, output in held if output is scores] or [taken for taken, _ in held]
    if not found or not hasattr(found[-1], "flatten"):
        raise RunError(
            "the layer that embeddings are taken of did not run, or gives no tensor. Say another: "
            "'embedding' is the name of a layer, or empty for none."
        )
    return scores, found[-1].flatten(1)


def scores_of(made: Any, module: Any) -> Any:
    """What a network gives, where that is scores and nothing else.

    Raises:
        RunError: If it is a tuple, a mapping or a record.
    """
    if hasattr(made, "detach") and hasattr(made, "shape"):
        return made
    held = f" of {', '.join(map(str, made))}" if isinstance(made, Mapping) else ""
    raise RunError(
        f"{type(module).__name__} gives a {type(made).__name__}{held}, not a tensor of scores. Put "
        "it into a module whose forward gives the scores alone, such as return self.net(x)[0]."
    )

"""Training and running networks with PyTorch, several at once (extra ``torch``).

Members of one architecture are stacked, so that one vectorised forward or backward pass serves
all of them (``torch.func``: stack_module_state, functional_call, vmap).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array
from querist.core.errors import ConfigError, RunError, require
from querist.core.tasks import resolve

Matrix = NDArray[np.float64]
Build = Callable[[int, int], Any]


def torch() -> Any:
    """PyTorch.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("torch", "torch", "a neural network")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is trained: Adam (Kingma & Ba 2015) with early stopping.

    Attributes:
        epochs: Passes over the data at most.
        patience: Epochs without a better validation error after which a member is done.
        validation: Share of the rows that each member sets aside, at random, to stop early.
        batch_size: Rows a step.
        learning_rate: Of Adam.
        weight_decay: Decoupled from the gradient (AdamW, Loshchilov & Hutter 2019).
    """

    epochs: int = 1000
    patience: int = 100
    validation: float = 0.1
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-6

    def __post_init__(self) -> None:
        if min(self.epochs, self.patience, self.batch_size) < 1 or not 0 <= self.validation < 1:
            raise ConfigError(
                "a schedule wants at least 1 epoch, 1 of patience and 1 row a step, and a "
                f"validation share from 0 to below 1, but got {self}."
            )


def builder(module: Any, options: Mapping[str, Any]) -> Build:
    """What makes a network for ``(inputs, outputs)`` columns.

    Args:
        module: None for a perceptron (:func:`perceptron`), a function, a network that is copied
            (:func:`anew`), or the import path of either.
        options: Further arguments for a function.

    Raises:
        ConfigError: If a network is given with options.
    """
    chosen = perceptron if module is None else module
    made = resolve(chosen) if isinstance(chosen, str) else chosen
    if not isinstance(made, torch().nn.Module):
        return lambda inputs, outputs: made(inputs, outputs, **options)
    if options:
        raise ConfigError(f"a {type(made).__name__} is copied as it is: it takes no options.")
    return lambda inputs, outputs: anew(made, inputs, outputs)


def anew(network: Any, inputs: int, outputs: int) -> Any:
    """A copy of a network that begins anew: each layer that can draw its numbers does.

    Raises:
        RunError: If it does not make ``(n, outputs)`` of ``(n, inputs)``, or cannot be stacked.
    """
    made, pt = copy.deepcopy(uncompiled(network)).to("cpu"), torch()
    _require_stackable(made, network)
    for layer in made.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    dtype = next((p.dtype for p in made.parameters()), pt.float32)
    told = f"this {type(network).__name__} should make ({outputs},) of ({inputs},) numbers a sample"
    try:
        with pt.no_grad():
            shape = tuple(copy.deepcopy(made).eval()(pt.zeros((2, inputs), dtype=dtype)).shape)
    except (RuntimeError, ValueError, IndexError, AttributeError) as error:
        raise RunError(f"{told}, but: {error}") from error
    if shape != (2, outputs):
        raise RunError(f"{told}, but it makes {shape[1:]}.")
    return made


def uncompiled(network: Any) -> Any:
    """What ``torch.compile`` was given; any other network as it is."""
    return getattr(network, "_orig_mod", network)


def _require_stackable(made: Any, network: Any) -> None:
    """See that all members can be run at once.

    Raises:
        RunError: If layers have no numbers yet, are scripted, or go step by step over a sequence.
    """
    pt = torch()
    kinds = {
        "lazy layers without numbers; show it a batch first": pt.nn.modules.lazy.LazyModuleMixin,
        "scripted layers; give the module that was scripted": pt.jit.ScriptModule,
        "recurrent layers; take convolutions or attention": pt.nn.RNNBase,
    }
    for what, kind in kinds.items():
        if any(isinstance(layer, kind) for layer in made.modules()):
            raise RunError(
                f"this {type(network).__name__} has {what}: members of an ensemble are trained "
                "side by side, which these layers cannot be."
            )


def perceptron(
    inputs: int, outputs: int, hidden: Sequence[int] = (64, 64), dropout: float = 0.0
) -> Any:
    """A multilayer perceptron with SiLU (smooth, so that forces are continuous)."""
    nn = torch().nn
    layers: list[Any] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.SiLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """PyTorch's global randomness from a seed, and as it was before afterwards."""
    pt = torch()
    devices = [device] if device.startswith("cuda") else []
    with pt.random.fork_rng(devices=devices):
        pt.manual_seed(seed)
        yield


def make(build: Build, shape: tuple[int, int], seed: int, weights: Mapping[str, Array]) -> Any:
    """A network with the given weights, or with random ones from a seed.

    Raises:
        RunError: If the weights are of another architecture, or the network has buffers that
            change while it trains.
    """
    with seeded(seed, "cpu"):
        module = build(*shape)
    changing = [name for name, _ in module.named_buffers() if name.endswith("num_batches_tracked")]
    if changing:
        raise RunError(
            f"{type(module).__name__} keeps statistics of its batches ({changing[0]}), which "
            "members of one stack cannot; use LayerNorm or GroupNorm instead of BatchNorm."
        )
    if weights:
        tensors = {name: torch().tensor(np.asarray(array)) for name, array in weights.items()}
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            raise RunError(f"the weights are of another architecture: {error}") from error
    return module


def weights_of(module: Any) -> dict[str, Array]:
    """The state of a network as arrays."""
    held = module.state_dict()
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in held.items()}


class Stack:
    """Networks of one architecture as one function of all of them.

    Args:
        modules: M networks.
        device: Where they run.
    """

    def __init__(self, modules: Sequence[Any], device: str) -> None:
        pt = torch()
        self.modules = [module.to(device) for module in modules]
        self.device = device
        self.params, self.buffers = pt.func.stack_module_state(self.modules)
        # Only its structure is used; on "meta" it holds no numbers.
        base = copy.deepcopy(modules[0]).to("meta")
        self._base = base
        self.dtype = next((p.dtype for p in self.modules[0].parameters()), pt.float32)

        def one(params: Any, buffers: Any, x: Any) -> Any:
            return pt.func.functional_call(base, (params, buffers), (x,))

        apart, shared = (pt.vmap(one, in_dims=(0, 0, d), randomness="different") for d in (0, None))
        self._calls = {3: apart, 2: shared}
        self._parts: dict[tuple[int, ...], Stack] = {}

    def part(self, members: tuple[int, ...]) -> Stack:
        """The stack of some members; made once."""
        if members not in self._parts:
            self._parts[members] = Stack([self.modules[m] for m in members], self.device)
        return self._parts[members]

    def tensor(self, values: Array) -> Any:
        """Values on the device, in the networks' precision."""
        return torch().tensor(np.asarray(values), dtype=self.dtype, device=self.device)

    def __call__(self, x: Any, params: Any = None) -> Any:
        """``(M, n, q)`` of ``(n, d)`` shared or ``(M, n, d)`` own inputs."""
        return self._calls[x.ndim](self.params if params is None else params, self.buffers, x)

    def train(self, mode: bool) -> None:
        """Whether dropout and the like are on."""
        self._base.train(mode)

    def weights(self, params: Mapping[str, Any]) -> list[dict[str, Array]]:
        """Each member's state, of stacked parameters."""
        state = {**self.buffers, **params}
        stacked = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
        count = len(self.modules)
        return [{name: array[i].copy() for name, array in stacked.items()} for i in range(count)]


def predict(stack: Stack, X: Matrix) -> Matrix:
    """``(M, n, q)`` outputs of ``(M, n, d)`` or ``(n, d)`` inputs, in evaluation mode."""
    stack.train(False)
    with torch().no_grad():
        return np.asarray(stack(stack.tensor(X)).cpu().numpy(), np.float64)


def penultimate(stack: Stack, X: Matrix) -> Matrix:
    """``(n, h)`` what the last linear layer of the first network is given for ``(n, d)`` inputs.

    Raises:
        RunError: If it has no linear layer.
    """
    pt, module = torch(), stack.modules[0]
    linear = [part for part in module.modules() if isinstance(part, pt.nn.Linear)]
    if not linear:
        raise RunError(f"{type(module).__name__} has no linear layer whose inputs could be taken.")
    seen: list[Any] = []
    hook = linear[-1].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    was = module.training
    try:
        module.eval()
        with pt.no_grad():
            module(stack.tensor(X))
    finally:
        hook.remove()
        module.train(was)
    return np.asarray(seen[-1].flatten(1).cpu().numpy(), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained member: its state, validation error (standardised) and number of epochs."""

    weights: dict[str, Array]
    error: float
    epochs: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What members of a stack learn from.

    Attributes:
        X: ``(n, d)`` standardised inputs.
        Y: ``(n, q)`` standardised outputs.
        rngs: The stream of each member: the choice of its validation rows and their order.
        bootstrap: Whether each member draws its training rows with replacement.
    """

    X: Matrix
    Y: Matrix
    rngs: Sequence[np.random.Generator]
    bootstrap: bool = False


def _split(rows: Rows, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and validation rows of each member, ``(M, a)`` and ``(M, b)``.

    With fewer than five rows, or no share, all are trained on and judged by.
    """
    count = len(rows.X)
    orders = np.stack([rng.permutation(count) for rng in rows.rngs])
    aside = max(1, round(share * count)) if share and count >= 5 else 0
    train, judge = orders[:, aside:], orders[:, :aside] if aside else orders
    if rows.bootstrap:
        pairs = zip(train, rows.rngs, strict=True)
        train = np.stack([own[rng.integers(0, len(own), len(own))] for own, rng in pairs])
    return train, judge


def train(
    stack: Stack,
    rows: Rows,
    schedule: Schedule,
    should_stop: Callable[[], bool],
    loss: str = "squared",
) -> list[Fitted]:
    """Train all members of a stack side by side; none influences another.

    Polls ``should_stop`` before each epoch but the first; each member keeps its best weights.
    ``loss`` is one of :data:`LOSSES`.
    """
    errors = LOSSES[loss]
    pt = torch()
    X, Y = stack.tensor(rows.X), stack.tensor(rows.Y)
    learn, judge = _split(rows, schedule.validation)
    judged = X[judge], Y[judge]
    params = {name: p.detach().clone().requires_grad_() for name, p in stack.params.items()}
    optimiser = pt.optim.AdamW(
        list(params.values()), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    keeper = _Keeper(len(rows.rngs), schedule.patience)
    for epoch in range(schedule.epochs):
        if epoch and should_stop():
            break
        stack.train(True)
        orders = np.stack([rng.permutation(own) for own, rng in zip(learn, rows.rngs, strict=True)])
        for start in range(0, orders.shape[1], schedule.batch_size):
            index = orders[:, start : start + schedule.batch_size]
            optimiser.zero_grad()
            # The sum over members keeps their gradients apart.
            errors(stack(X[index], params), Y[index]).sum().backward()
            optimiser.step()
        stack.train(False)
        with pt.no_grad():
            validation = errors(stack(judged[0], params), judged[1]).cpu().numpy()
        keeper.offer(params, validation, epoch)
        if keeper.done:
            break
    weights = stack.weights(keeper.best)
    return [Fitted(*own) for own in zip(weights, *keeper.told(), strict=True)]


def squared(predicted: Any, wanted: Any) -> Any:
    """``(M,)`` mean squared errors of ``(M, n, q)``."""
    return ((predicted - wanted) ** 2).mean(dim=(1, 2))


def cross_entropy(scores: Any, wanted: Any) -> Any:
    """``(M,)`` mean cross-entropy in nats of a softmax over the last axis; one-hot ``wanted``."""
    return -(wanted * torch().nn.functional.log_softmax(scores, dim=-1)).sum(dim=-1).mean(dim=1)


def binary_cross_entropy(scores: Any, wanted: Any) -> Any:
    """``(M,)`` mean cross-entropy in nats of a sigmoid of each score; ``wanted`` is 0 or 1."""
    by_label = torch().nn.functional.binary_cross_entropy_with_logits
    return by_label(scores, wanted, reduction="none").mean(dim=(1, 2))


LOSSES: Mapping[str, Callable[[Any, Any], Any]] = {
    "squared": squared,
    "cross-entropy": cross_entropy,
    "binary-cross-entropy": binary_cross_entropy,
}


class Standardised:
    """The members of a stack as one function of standardised inputs, to be differentiated by them.

    Args:
        stack: M networks.
        scale, shift: ``(M, 1, d)``: what a member is given is ``scale * x + shift``.
        combine: From ``(M, n, q)`` outputs to what is wanted.
    """

    def __init__(
        self, stack: Stack, scale: Matrix, shift: Matrix, combine: Callable[[Any], Any]
    ) -> None:
        self._stack, self._combine = stack, combine
        self._scale, self._shift = stack.tensor(scale), stack.tensor(shift)

    def parameters(self) -> Iterator[Any]:
        """The weights, which tell type and device."""
        return iter(self._stack.params.values())

    def __call__(self, batch: Any) -> Any:
        """Of ``(n, d)`` inputs, in evaluation mode; each row's result is of that row alone."""
        self._stack.train(False)
        return self._combine(self._stack(self._scale * batch[None] + self._shift))


class _Keeper:
    """The best weights of each member, until its patience is at an end."""

    def __init__(self, count: int, patience: int) -> None:
        self.best: dict[str, Any] = {}
        self._error, self._at = np.full(count, np.inf), np.zeros(count, np.int64)
        self._patience, self._epoch = patience, 0

    def offer(
        self, params: Mapping[str, Any], error: NDArray[np.floating[Any]], epoch: int
    ) -> None:
        """Keep what is better, of members that still run."""
        running = epoch - self._at <= self._patience
        better = running & np.less(error, self._error)
        if not self.best:
            self.best = {name: p.detach().clone() for name, p in params.items()}
            better = np.ones(len(error), bool)
        for member in np.flatnonzero(better):
            for name, kept in self.best.items():
                kept[member] = params[name].detach()[member]
        self._error = np.where(better, error, self._error)
        self._at = np.where(better, epoch, self._at)
        self._epoch = epoch

    @property
    def done(self) -> bool:
        """Whether no member runs on."""
        return bool((self._epoch - self._at > self._patience).all())

    def told(self) -> tuple[list[float], list[int]]:
        """Each member's validation error, and the epochs until its best weights."""
        return self._error.tolist(), (self._at + 1).tolist()


def has_dropout(module: Any) -> bool:
    """Whether a network is random while it trains."""
    kind = torch().nn.modules.dropout._DropoutNd
    return any(isinstance(part, kind) and part.p > 0 for part in module.modules())


def thinned(module: Any, inputs: int, passes: int, seed: int) -> list[Any]:
    """``passes`` copies of a network, each with one fixed random mask in every dropout layer.

    Raises:
        RunError: If a dropout layer is of a kind other than ``nn.Dropout``, or used twice in one
            pass with different shapes.
    """
    shapes = _dropout_shapes(module, inputs)
    rng, copies = np.random.default_rng(seed), []
    for _ in range(passes):
        thin = copy.deepcopy(module)
        for name, (shape, rate) in shapes.items():
            mask = (rng.random(shape) >= rate) / (1.0 - rate)
            parent, _, leaf = name.rpartition(".")
            setattr(thin.get_submodule(parent), leaf, _masked(mask, module))
        copies.append(thin)
    return copies


def _dropout_shapes(module: Any, inputs: int) -> dict[str, tuple[tuple[int, ...], float]]:
    """Shape of one sample in each active dropout layer, and the layer's rate."""
    pt = torch()
    found: dict[str, tuple[tuple[int, ...], float]] = {}
    hooks = []
    for name, part in module.named_modules():
        if not (isinstance(part, pt.nn.modules.dropout._DropoutNd) and part.p > 0):
            continue
        if type(part) is not pt.nn.Dropout:
            raise RunError(f"wanted nn.Dropout, but {name!r} is {type(part).__name__}.")

        def note(_: Any, args: Any, __: Any, name: str = name, rate: float = part.p) -> None:
            shape = tuple(args[0].shape[1:])
            if found.setdefault(name, (shape, rate))[0] != shape:
                raise RunError(f"the dropout layer {name!r} is used with different shapes.")

        hooks.append(part.register_forward_hook(note))
    dtype = next((p.dtype for p in module.parameters()), pt.float32)
    with pt.no_grad():
        module(pt.zeros((2, inputs), dtype=dtype))
    for hook in hooks:
        hook.remove()
    return found


def _masked(mask: Matrix, like: Any) -> Any:
    """A layer that multiplies by a fixed mask."""
    pt = torch()

    base: Any = pt.nn.Module

    class Masked(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """Dropout of which the draw was made once."""

        def __init__(self) -> None:
            super().__init__()
            dtype = next((p.dtype for p in like.parameters()), pt.float32)
            self.register_buffer("mask", pt.tensor(mask, dtype=dtype))

        def forward(self, x: Any) -> Any:
            """``(n, ...)`` to the same shape."""
            return x * self.mask

    return Masked()

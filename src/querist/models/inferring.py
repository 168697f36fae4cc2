"""What a model of a pool is, what runs it, and the one class that makes the first of the second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError

from .heads import Head

Feeds = Mapping[str, NDArray[Any]]
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class InferenceInfo:
    """How a model runs.

    Attributes:
        use: Where it came from: "torch", "onnx" ...
        backend: What runs it.
        precision: Of its arithmetic: "fp32" or "bf16".
        device: "cpu" or "cuda:0" ...
        threads: That it may use.
        members: Networks of a committee, or passes of MC dropout; 1 for a single one.
        compile_seconds: What conversion and compilation took so far; 0 where there are none.
    """

    use: str
    backend: str
    precision: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    members: int = 1
    compile_seconds: float = 0.0


@runtime_checkable
class Inference(Protocol):
    """A model ready to be run over a pool. It is used by one thread at a time."""

    @property
    def digest(self) -> str:
        """Changes with the weights and with everything else that its outputs depend on."""

    @property
    def provides(self) -> frozenset[str]:
        """What it can compute: names of :data:`querist.strategies.needs.NEEDS`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; empty where nobody told."""

    @property
    def info(self) -> InferenceInfo:
        """How it runs."""

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, NDArray[Any]]:
        """What is wanted of a batch, and nothing else.

        Args:
            batch: n items: stacked arrays of a transform (for images ``(n, h, w, 3)`` uint8), or
                a list of n texts.
            wanted: A part of :attr:`provides`.

        Returns:
            By name, arrays with a row an item, in the order of the batch. A row does not depend on
            the others of its batch.

        Raises:
            ConfigError: If something is wanted that it does not provide.
            ShapeError: If the items have a shape that the model cannot take.
            RunError: If the model fails.
        """

    def close(self) -> None:
        """Let go of memory and connections; may be called twice."""


class Runner(Protocol):
    """What runs a network. Its raw outputs are named "scores", "embeddings", "member_scores"."""

    @property
    def gives(self) -> frozenset[str]:
        """The raw outputs that it has."""

    @property
    def info(self) -> InferenceInfo:
        """How it runs."""

    def run(self, feeds: Feeds, names: Sequence[str]) -> Outputs:
        """Raw outputs of n items: ``(n, C)`` scores, ``(n, d)``, ``(T, n, C)``; or others."""

    def close(self) -> None:
        """Let go of memory and connections."""


def as_feeds(batch: Any) -> Feeds:
    """A batch of arrays as the one input of a network."""
    return {"x": np.ascontiguousarray(batch)}


def digest_of(parts: Mapping[str, Any], files: Iterable[Path | str | bytes] = ()) -> str:
    """A digest of settings and of the bytes of files, wherever these lie."""
    told = json.dumps(parts, sort_keys=True, default=_as_text).encode()
    total = hashlib.sha256(told)
    for file in files:
        total.update(content_digest(file).encode())
    return total.hexdigest()


def _as_text(thing: Any) -> str:
    """An array by all its numbers, of which a text shows some; anything else as it is printed."""
    if not isinstance(thing, np.ndarray | np.generic):
        return str(thing)
    data = np.ascontiguousarray(thing)
    return f"{data.dtype.str} {np.shape(thing)} {hashlib.sha256(data.tobytes()).hexdigest()}"


def content_digest(file: Path | str | bytes) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        ConfigError: If it cannot be read.
    """
    if isinstance(file, bytes):
        return hashlib.sha256(file).hexdigest()
    try:
        with Path(file).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"the model's file {file} cannot be read: {error.strerror}.") from error


def check_wanted(wanted: Iterable[str], provides: frozenset[str], who: str) -> None:
    """Refuse what a model does not provide.

    Raises:
        ConfigError: If there is such a thing.
    """
    missing = sorted(set(wanted) - provides)
    if missing:
        raise ConfigError(
            f"{who} was asked for {', '.join(missing)}, but it provides "
            f"{', '.join(sorted(provides)) or 'nothing'}."
        )


def check_rows(name: str, array: NDArray[Any], count: int, who: str) -> NDArray[Any]:
    """An output of a model, if it has a row an item.

    Raises:
        RunError: If it has not.
    """
    array = np.asarray(array)
    if array.ndim == 0 or len(array) != count:
        raise RunError(
            f"{who} should give a row an item, but of {count} items it gave {name} of the shape "
            f"{array.shape}."
        )
    return array


@dataclass(eq=False)
class NetworkInference:
    """An :class:`Inference` of a runner's raw outputs.

    Attributes:
        runner: Runs the network.
        head: What its scores mean.
        digest: Of everything that its outputs depend on.
        prepare: Makes named inputs of a batch.
        beside: Files that it is made of and that its settings do not name.
        transform: How it wants items decoded; None for as their pool says.
    """

    runner: Runner
    head: Head
    digest: str
    prepare: Callable[[Any], Feeds] = as_feeds
    beside: tuple[Path, ...] = ()
    transform: Any = None
    provides: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.provides = self.head.provides(self.runner.gives)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.head.classes

    @property
    def info(self) -> InferenceInfo:
        """How it runs."""
        return self.runner.info

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, NDArray[Any]]:
        """As :meth:`Inference.infer`."""
        check_wanted(wanted, self.provides, f"this {self.info.use} model")
        raw = self.runner.run(self.prepare(batch), self.head.raw(wanted, self.runner.gives))
        made = self.head.finish(raw, wanted)
        return {name: check_rows(name, made[name], len(batch), "the model") for name in wanted}

    def close(self) -> None:
        """Let go of memory and connections."""
        self.runner.close()

"""What all backends of networks share: graphs compiled when they are first needed, and members."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import QueristError, RunError, ShapeError

from .inferring import Feeds, InferenceInfo, Outputs
from .networks import Network

Call = Callable[[Feeds], Sequence[NDArray[Any]]]

# Rows times passes of one call with dropout on: bounds the memory of activations.
SAMPLED_ROWS = 512


class NetworkRunner:
    """Runs the graphs of a network.

    Args:
        network: Its graphs.
        precision: "fp32" or "bf16".
        device: Where they run.
        threads: That they may use.
    """

    backend = ""

    def __init__(self, network: Network, precision: str, device: str, threads: int) -> None:
        self._network, self._calls = network, dict[Any, Call]()
        passes = network.dropout.passes if network.dropout else len(network.graphs)
        self._info = InferenceInfo(network.use, self.backend, precision, device, threads, passes)
        gives = {"scores"} if network.scores and len(network.graphs) == 1 else set()
        gives |= {"member_scores"} if network.scores and passes > 1 else set()
        self.gives = frozenset(gives | ({"embeddings"} if network.embeds else set()))

    @property
    def info(self) -> InferenceInfo:
        """How it runs, and what compilation took so far."""
        return self._info

    def compiled(self, graph: Any, feeds: Feeds) -> Call:
        """A graph ready to be called on inputs like these."""
        raise NotImplementedError

    def warm(self, feeds: Feeds) -> None:
        """Compile what inputs like these need."""
        for which in self._graphs():
            self._call(which, feeds)

    def run(self, feeds: Feeds, names: Sequence[str]) -> Outputs:
        """Raw outputs of n items."""
        if not len(next(iter(feeds.values()))):
            raise ShapeError("a model wants at least one item in a batch, but got none.")
        found: dict[str, NDArray[Any]] = {}
        own: Sequence[NDArray[Any]] | None = None
        if "member_scores" in names:
            if self._network.dropout:
                found["member_scores"] = self._sampled(feeds)
            else:
                made = [self._call(which, feeds)(feeds) for which in self._graphs()]
                shapes = {each[0].shape for each in made}
                if len(shapes) > 1:
                    raise RunError(f"members give scores of different shapes: {sorted(shapes)}.")
                found["member_scores"], own = np.stack([each[0] for each in made]), made[0]
        if {"scores", "embeddings"} & set(names):
            own = own or self._call(0, feeds)(feeds)
            found |= {name: own[at] for at, name in enumerate(OUTPUTS) if name in names}
        return found

    def close(self) -> None:
        """Let go of the graphs."""
        self._calls.clear()
        self._network = replace(self._network, graphs=())

    def _graphs(self) -> Sequence[Any]:
        sampled = ["sampled"] if self._network.dropout else []
        return [*range(len(self._network.graphs)), *sampled]

    def _sampled(self, feeds: Feeds) -> NDArray[Any]:
        """``(T, n, C)`` scores with dropout on, a few rows at a time."""
        call = self._call("sampled", feeds)
        size = max(1, SAMPLED_ROWS // self._info.members)
        return np.concatenate([call(part)[0] for part in pieces(feeds, size)], axis=1)

    def _call(self, which: Any, feeds: Feeds) -> Call:
        """The compiled graph for inputs of this kind; made once for each."""
        key = which, tuple((name, _kind(array)) for name, array in feeds.items())
        if key not in self._calls:
            began = time.perf_counter()
            self._calls[key] = self._made(which, feeds)
            spent = self._info.compile_seconds + time.perf_counter() - began
            self._info = replace(self._info, compile_seconds=spent)
        return self._calls[key]

    def _made(self, which: Any, feeds: Feeds) -> Call:
        if not self._network.graphs:
            raise RunError("this model was closed; open it again.")
        example = {name: np.repeat(array[:1], 3, axis=0) for name, array in feeds.items()}
        try:
            graph = self._network.graph(which, example)
            return self.compiled(graph, example)
        except QueristError:
            raise
        except Exception as error:  # converters raise whatever they like
            raise refusal(error, feeds, f"made ready for {self.backend}") from error


OUTPUTS = ("scores", "embeddings")


def _kind(array: NDArray[Any]) -> tuple[Any, ...]:
    """What a graph is compiled for; rows, and tokens of a text, may be any number."""
    return array.dtype.str, array.ndim, *(() if is_tokens(array) else array.shape[1:])


def is_tokens(array: NDArray[Any]) -> bool:
    """Whether an input is ``(n, length)`` numbers of tokens, of texts of any length."""
    return array.dtype == np.int64 and array.ndim == 2


def refusal(error: Exception, feeds: Feeds, what: str) -> QueristError:
    """The sentence for a network that refuses its inputs."""
    shapes = {name: tuple(array.shape) for name, array in feeds.items()}
    shown = next(iter(shapes.values())) if len(shapes) == 1 else shapes
    text = str(error).strip() or repr(error)
    wrong = any(word in text.lower() for word in ("shape", "size", "channel", "dimension"))
    kind: type[QueristError] = ShapeError if wrong else RunError
    return kind(
        f"the network could not be {what} with a batch of the shape {shown}: {text[:1000]} Check "
        "that the transform makes items of the size and with the channels that the network takes."
    )


def pieces(feeds: Feeds, size: int) -> Iterator[Feeds]:
    """A batch in parts of so many rows."""
    count = len(next(iter(feeds.values())))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in feeds.items()}


def filled(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """An array with as many rows as a model insists on; the last one is repeated."""
    lacking = rows - len(array)
    return np.concatenate([array, np.repeat(array[-1:], lacking, axis=0)]) if lacking > 0 else array


def joined(parts: Sequence[Sequence[NDArray[Any]]], count: int) -> list[NDArray[Any]]:
    """Outputs of the parts of a batch of so many rows; rows come second in ``(T, n, C)``."""
    whole = []
    for arrays in zip(*parts, strict=True):
        axis = 1 if arrays[0].ndim == 3 else 0
        array = np.concatenate(arrays, axis=axis)
        whole.append(array[:, :count] if axis else array[:count])
    return whole

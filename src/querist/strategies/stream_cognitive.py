"""Items that come one by one: what is like what is remembered may be asked, within a budget.

Liu, Xue, Wu, Zhou, Yang, Li & Cao 2023, *Online Active Learning for Drifting Data Streams* (TNNLS
34), the cognitive dual-query strategy: few items are remembered, those longest that new ones came
near to again and again; an item that comes near to enough of them is left to a :class:`Stream`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.stream import Stream
from querist.strategies.stream_density import Row, checked


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered item.

    Attributes:
        row: Its features.
        nearest: How near another item came to it.
        recalled: How often one came nearer than all before.
        last: When that was last, or when it came itself: an item's number.
    """

    row: Row
    nearest: float
    recalled: int
    last: int

    def strength(self, now: int) -> float:
        """What is left of it: forgotten exponentially, the slower the more often recalled."""
        return math.exp(-(now - self.last) / (self.recalled + 1))


@dataclass(frozen=True, slots=True)
class CognitiveStream:
    """A stream with a memory: what was decided so far is part of the value.

    :meth:`ask` returns the decisions and the stream as it is after them. Its :meth:`state` goes
    into JSON, and :meth:`restored` comes out of it.

    Attributes:
        stream: Decides on items that come near enough; it sees and counts no others. Its kinds are
            the paper's strategies; kind "split" with ``explore=1`` is the one at random.
        least: Of how many remembered items an item must be the nearest yet.
        window: How many items are remembered before one is forgotten.
        seen: Items so far.
        memories: What is remembered, the oldest first.
    """

    stream: Stream
    least: int = 1
    window: int = 10
    seen: int = 0
    memories: tuple[Memory, ...] = ()

    def __post_init__(self) -> None:
        if self.least < 0 or self.window < 1:
            raise ConfigError("least is not negative, and window at least 1.")

    def ask(
        self, confidences: NDArray[Any], embeddings: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], CognitiveStream]:
        """Decide on the next items, one after the other.

        Args:
            confidences: ``(k,)`` as those of :meth:`Stream.ask`.
            embeddings: ``(k, d)`` features of the items, in which distance means difference.
            rng: Randomness of the stream's kind.

        Returns:
            ``(k,)`` whether each is asked, and the stream as it is then. The same items in parts
            of any size are decided alike.

        Raises:
            ConfigError: If a confidence is not from 0 to 1.
            ShapeError: If features are not finite rows of one length, a row for each item.
        """
        width = len(self.memories[0].row) if self.memories else None
        values, features = checked(confidences, embeddings, width)
        stream, decisions = self, np.zeros(len(values), bool)
        for place, row in enumerate(features):
            near, memories = stream._remembered(row)
            inner = stream.stream
            if near >= self.least:
                found, inner = inner.ask(values[place : place + 1], rng)
                decisions[place] = found[0]
            stream = replace(stream, stream=inner, seen=stream.seen + 1, memories=memories)
        return decisions, stream

    def _remembered(self, row: NDArray[np.float64]) -> tuple[int, tuple[Memory, ...]]:
        """Of how many memories an item is the nearest yet, and the memories with it."""
        near, closest, held = 0, math.inf, list[Memory]()
        for memory in self.memories:
            away = float(np.sqrt(((np.array(memory.row) - row) ** 2).sum()))
            closest = min(closest, away)
            if away < memory.nearest:
                near += 1
                memory = replace(memory, nearest=away, recalled=memory.recalled + 1, last=self.seen)
            held.append(memory)
        if len(held) > self.window:
            strengths = [memory.strength(self.seen) for memory in held]
            held.pop(strengths.index(min(strengths)))
        return near, (*held, Memory(tuple(row.tolist()), closest, 0, self.seen))

    def state(self) -> dict[str, Any]:
        """Everything, for JSON; that nothing came near yet is None."""
        memories = [
            {
                "row": list(memory.row),
                "nearest": None if memory.nearest == math.inf else memory.nearest,
                "recalled": memory.recalled,
                "last": memory.last,
            }
            for memory in self.memories
        ]
        return {**asdict(self), "memories": memories}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> CognitiveStream:
        """The stream of a :meth:`state`."""
        memories = tuple(
            Memory(
                tuple(one["row"]),
                math.inf if one["nearest"] is None else one["nearest"],
                one["recalled"],
                one["last"],
            )
            for one in state["memories"]
        )
        return cls(**{**state, "stream": Stream.restored(state["stream"]), "memories": memories})

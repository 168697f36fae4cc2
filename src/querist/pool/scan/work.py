"""A unit of work while it is under way: a chunk of rows, and the blocks that it is cut into."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.pool.items import Located
from querist.pool.query_state import Range

Bytes = NDArray[np.uint8]


@dataclass(eq=False)
class Chunk:
    """Rows that are scanned together.

    Attributes:
        rows: Which positions of which part.
        numbers: ``(n,)`` rows of the pool.
        contents: ``(n, 16)`` digests of contents, zeros where unknown.
        outputs: By need, ``(n, ...)``; rows of failed items are anything.
        good: ``(n,)`` which rows have outputs.
        fresh: ``(n,)`` which of them were inferred now, not found in a cache.
        failures: Position, reason and sentence of items that cannot be used.
        read: Contents that were read now, by position.
        counts: What was done.
        seconds: By stage.
        timings: Items and seconds of each call of the model.
        done: Set when nothing is left to do.
        error: Why the chunk as a whole failed.
        dropped: Nobody wants it any more.
    """

    rows: Range
    numbers: NDArray[np.int64]
    contents: Bytes = field(init=False)
    outputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    good: NDArray[np.bool_] = field(init=False)
    fresh: NDArray[np.bool_] = field(init=False)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    read: dict[int, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    timings: list[tuple[int, float]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    dropped: bool = False
    _left: int = 1  # blocks; the one is the cutting itself
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        count = len(self.numbers)
        self.contents = np.zeros((count, 16), np.uint8)
        self.good = np.zeros(count, np.bool_)
        self.fresh = np.zeros(count, np.bool_)

    def begin(self) -> None:
        """One more block is under way."""
        with self._lock:
            self._left += 1

    def end(self) -> None:
        """A block is done, or the chunk has been cut."""
        with self._lock:
            self._left -= 1
            if not self._left:
                self.done.set()

    def fail(self, position: int, reason: str, message: str) -> None:
        """An item cannot be used."""
        with self._lock:
            self.failures.append((position, reason, message))

    def add(self, stage: str, seconds: float, **counts: int) -> None:
        """Account for what a stage did."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
            self.counts.update(counts)

    def break_off(self, error: BaseException) -> None:
        """The chunk as a whole has failed; what is under way of it runs empty."""
        with self._lock:
            self.error = self.error or error
        self.dropped = True
        self.done.set()

    def keep(
        self, positions: NDArray[np.int64], made: Mapping[str, NDArray[Any]], fresh: bool
    ) -> None:
        """Put outputs at their places."""
        for name, values in made.items():
            held = self.outputs.get(name)
            if held is None:
                shape = (len(self.numbers), *values.shape[1:])
                held = self.outputs[name] = np.zeros(shape, values.dtype)
            held[positions] = values
        self.good[positions] = True
        self.fresh[positions] = fresh


@dataclass(eq=False)
class Block:
    """Items of a chunk that go through the model together.

    Attributes:
        chunk: Whose they are.
        positions: ``(n,)`` places in the chunk.
        items: To be read, by place in the block.
        raw: Bytes by place in the block, once they are read.
        kept: Places whose bytes came from a cache.
        near: Places whose bytes are read where they are decoded.
        decoded: By place in the block; None for those that failed.
        batch: Stacked, once all are decoded.
        size: Bytes that are held for it.
        left: Reads that are still to come.
    """

    chunk: Chunk
    positions: NDArray[np.int64]
    items: dict[int, Located] = field(default_factory=dict)
    raw: dict[int, bytes] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    near: set[int] = field(default_factory=set)
    decoded: list[Any] = field(default_factory=list)
    batch: Any = None
    size: int = 0
    left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self) -> bool:
        """A read has ended; whether it was the last one."""
        with self._lock:
            self.left -= 1
            return not self.left

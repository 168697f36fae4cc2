"""A finite set of candidates, proposed in chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Feedback, Proposal
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.generators.starts import load_batch

ORDERS = ("random", "given")


@dataclass(eq=False)
class Candidates(Seeded):
    """Proposes every candidate once, or again and again.

    Every candidate is a walker of its own, so that each of them may be asked. When all were
    proposed and ``cyclic`` is false, it proposes nothing more.

    Attributes:
        samples: What :func:`~querist.generators.starts.load_batch` takes: a batch, arrays, a path.
        chunk: How many at a time.
        order: "random" (drawn anew for each round) or "given".
        cyclic: Whether to begin again at the end, for models that have learned since.
        seed: Of the order; the worker's randomness when None.
    """

    samples: Any
    chunk: int = 256
    order: str = "random"
    cyclic: bool = False
    seed: int | None = None
    _batch: Batch = field(init=False, repr=False)
    _order: NDArray[np.int64] | None = field(default=None, init=False, repr=False)
    _next: int = field(default=0, init=False, repr=False)
    _given: NDArray[np.bool_] = field(init=False, repr=False)  # as first samples, since it began

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ConfigError(f"order is one of {list(ORDERS)}, not {self.order!r}.")
        if self.chunk < 1:
            raise ConfigError(f"chunk is at least 1, not {self.chunk}.")
        self._batch = load_batch(self.samples)
        self._given = np.zeros(len(self._batch), np.bool_)

    def propose(self) -> Proposal:
        """The next ``chunk`` candidates; fewer at the end, none after it."""
        order = self._ordered()
        if self._next >= len(order) and self.cyclic:
            self._order, self._next = None, 0
            order = self._ordered()
        chosen = order[self._next : self._next + self.chunk]
        self._next += len(chosen)
        return Proposal(self._batch.take(chosen), np.array(chosen, np.int64))

    def propose_again(self) -> None:
        """Propose everything once more, in the same order; of no consequence when cyclic."""
        if not self.cyclic:
            self._next = 0

    @property
    def exhausted(self) -> bool:
        """Whether it will never propose anything more."""
        return not self.cyclic and self._next >= len(self._batch)

    def observe(self, feedback: Feedback) -> None:
        """Candidates do not depend on what is thought of them."""

    def initial(self, count: int) -> Batch:
        """``count`` candidates at random, those first that it has not given yet."""
        size = len(self._batch)
        rest = np.flatnonzero(~self._given)
        fresh = rest[self.rng.choice(len(rest), min(count, len(rest)), replace=False)]
        self._given[fresh] = True
        if lacking := count - len(fresh):
            again = self.rng.choice(size, lacking, replace=lacking > size)
            fresh = np.concatenate([fresh, again])
        return self._batch.take(fresh)

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """The order, the place in it, and the randomness."""
        data = {"next": self._next, "rng": rng_state(self.rng), "of": self._digest}
        return {"order": self._ordered().copy()}, data

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue in the order of then; where the candidates are others by now, begin with them.

        An order is of rows: in a file that was changed they mean other candidates, or none.
        """
        self._rng = rng_from(data["rng"])
        self._order, self._next = None, 0
        if data.get("of", self._digest) == self._digest:  # states of before do not tell
            self._order, self._next = np.array(arrays["order"], np.int64), int(data["next"])

    @cached_property
    def _digest(self) -> str:
        """Of the candidates, in their order."""
        total = hashlib.blake2b(digest_size=16)
        for name, column in sorted(self._batch.columns.items()):
            total.update(f"{name} {column.data.dtype.str} {column.shapes.shape};".encode())
            for part in (column.shapes, column.data):
                total.update(np.ascontiguousarray(part).tobytes())
        return total.hexdigest()

    def _ordered(self) -> NDArray[np.int64]:
        if self._order is None:
            size = len(self._batch)
            self._order = self.rng.permutation(size) if self.order == "random" else np.arange(size)
        return self._order

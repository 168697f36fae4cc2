"""Candidates that wait to be asked: ordered by priority, without duplicates, bounded."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from querist.core.batch import Sample


class Candidate(NamedTuple):
    """A sample that might be asked.

    Attributes:
        sample: The sample; control never looks inside.
        score: Uncertainty when it was found or last re-scored; NaN when there was no model.
        why: Short reason: "initial", "uncertain", "holdout" ...
        slot: Which explorer found it, -1 for none.
        walker: Which of that explorer's walkers.
        version: Model version behind ``score``.
    """

    sample: Sample
    score: float
    why: str
    slot: int = -1
    walker: int = -1
    version: int = 0


class CandidateQueue:
    """Priority queue of candidates with lazy deletion; every operation is O(log n) amortised.

    Args:
        limit: Most candidates held; beyond it the lowest priority is evicted.

    Attributes:
        pushed: How often something was added or got another priority.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[str, tuple[float, int, Candidate]] = {}
        self._best: list[tuple[float, int, str]] = []
        self._worst: list[tuple[float, int, str]] = []  # made when the limit is first exceeded
        self._order = count()
        self.pushed = 0

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, sample: str) -> bool:
        return sample in self._held

    def __iter__(self) -> Iterator[tuple[float, Candidate]]:
        """Priority and candidate, best first."""
        # No two have the same order, so that candidates are never compared.
        entries = sorted([(-priority, order, c) for priority, order, c in self._held.values()])
        return iter([(-negative, candidate) for negative, _, candidate in entries])

    def push(self, candidate: Candidate, priority: float) -> Candidate | None:
        """Add or re-prioritise; returns the candidate that had to go, if any."""
        key, order, held = candidate.sample.id, next(self._order), self._held
        self.pushed += 1
        held[key] = (priority, order, candidate)
        heapq.heappush(self._best, (-priority, order, key))
        if self._worst:
            heapq.heappush(self._worst, (priority, -order, key))
        # Lazy deletion leaves dead entries; once they outnumber the living they go.
        if len(self._best) > 2 * len(held) + 64 or len(self._worst) > 2 * len(held) + 64:
            self._compact()
        return self._evict() if len(held) > self.limit else None

    def pop(self) -> Candidate | None:
        """Take the candidate of highest priority; the older one among equals."""
        best, held = self._best, self._held
        while best:
            _, order, key = heapq.heappop(best)
            entry = held.get(key)
            if entry is not None and entry[1] == order:
                del held[key]
                return entry[2]
        return None

    def draw(self, seed: int) -> Candidate | None:
        """Take one at random, whatever its priority; by its id, so that a seed repeats it; O(n)."""
        if not self._held:
            return None
        return self.remove(min(self._held, key=lambda key: zlib.crc32(f"{seed}/{key}".encode())))

    def remove(self, sample: str) -> Candidate | None:
        """Take a candidate out by its sample's id."""
        entry = self._held.pop(sample, None)
        return None if entry is None else entry[2]

    def _evict(self) -> Candidate | None:
        if not self._worst:
            self._worst = [
                (priority, -order, key) for key, (priority, order, _) in self._held.items()
            ]
            heapq.heapify(self._worst)
        while self._worst:
            _, order, key = heapq.heappop(self._worst)
            entry = self._held.get(key)
            if entry is not None and entry[1] == -order:
                del self._held[key]
                return entry[2]
        return None

    def _compact(self) -> None:
        self._best = [(-priority, order, key) for key, (priority, order, _) in self._held.items()]
        heapq.heapify(self._best)
        self._worst = []

"""The step loop's decisions: which proposals to predict together, and when. Dynamic batching.

No barrier: what is ready is predicted, up to a largest batch and after a longest wait, and a slow
generator holds back nobody. The same object serves generators in threads of one explorer and
generators on other ranks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Proposal, Verdicts

T = TypeVar("T")
MAX_BATCH = 256


class Exchange(Generic[T]):
    """Collects what is proposed and says when to predict it. It never looks into it.

    Args:
        max_batch: Samples that are enough to predict at once.
        max_wait: Longest time in seconds that a proposal waits for company.
    """

    __slots__ = ("_samples", "_waiting", "max_batch", "max_wait")

    def __init__(self, max_batch: int = MAX_BATCH, max_wait: float = 0.0) -> None:
        self.max_batch, self.max_wait = max_batch, max_wait
        self._waiting: deque[tuple[float, int, int, T]] = deque()
        self._samples = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def propose(self, generator: int, proposal: T, size: int, now: float) -> None:
        """A generator is ready, with ``size`` samples."""
        self._waiting.append((now, generator, size, proposal))
        self._samples += size

    def propose_all(self, proposals: Sequence[tuple[float, int, int, T]]) -> None:
        """Several generators are ready: when, which, with how many samples, and what."""
        self._waiting.extend(proposals)
        self._samples += sum([size for _, _, size, _ in proposals])

    def due(self, now: float, *, expected: bool) -> bool:
        """Whether to predict now; ``expected`` says whether another proposal may come soon."""
        if not self._waiting:
            return False
        if not expected or self._samples >= self.max_batch:
            return True
        return now - self._waiting[0][0] >= self.max_wait

    def next_deadline(self) -> float | None:
        """When the oldest proposal has waited long enough."""
        return self._waiting[0][0] + self.max_wait if self._waiting else None

    def take(self) -> list[tuple[int, T]]:
        """The oldest proposals, up to the largest batch (at least one), with their generators."""
        waiting = self._waiting
        if self._samples <= self.max_batch:
            parts = [(generator, proposal) for _, generator, _, proposal in waiting]
            waiting.clear()
            self._samples = 0
            return parts
        parts, size = [], 0
        while waiting and (not parts or size + waiting[0][2] <= self.max_batch):
            _, generator, samples, proposal = waiting.popleft()
            parts.append((generator, proposal))
            size += samples
        self._samples -= size
        return parts


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Proposals that are predicted together.

    Attributes:
        batch: All their samples, in order.
        parts: ``(generator, proposal)`` in the same order.
    """

    batch: Batch
    parts: tuple[tuple[int, Proposal], ...]

    @classmethod
    def of(cls, parts: Sequence[tuple[int, Proposal]]) -> Round:
        """Join proposals."""
        return cls(Batch.concatenate([proposal.batch for _, proposal in parts]), tuple(parts))

    def walkers(self, generators: int) -> NDArray[np.int64]:
        """``(n,)`` numbers of the walkers among those of so many generators."""
        return np.concatenate([p.walkers * generators + index for index, p in self.parts])

    def split(
        self, prediction: Prediction | None, verdicts: Verdicts
    ) -> list[tuple[int, Feedback]]:
        """Each generator's own prediction and verdicts, as views."""
        if len(self.parts) == 1:
            generator, proposal = self.parts[0]
            return [(generator, Feedback(proposal.walkers, prediction, verdicts))]
        replies, start = [], 0
        for generator, proposal in self.parts:
            stop = start + len(proposal.batch)
            own = Verdicts(verdicts.verdict[start:stop], verdicts.score[start:stop])
            part = None if prediction is None else prediction.part(start, stop)
            replies.append((generator, Feedback(proposal.walkers, part, own)))
            start = stop
        return replies

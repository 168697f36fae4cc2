"""The step loop's decisions: which proposals to predict together, and when. Dynamic batching.

No barrier: what is ready is predicted, up to a largest batch and after a longest wait, and a slow
generator holds back nobody. The same object serves generators in threads of one explorer and
generators on other ranks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Proposal, Verdicts


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Proposals that are predicted together.

    Attributes:
        batch: All their samples, in order.
        parts: ``(generator, proposal)`` in the same order.
    """

    batch: Batch
    parts: tuple[tuple[int, Proposal], ...]

    def split(
        self, prediction: Prediction | None, verdicts: Verdicts
    ) -> list[tuple[int, Feedback]]:
        """Each generator's own prediction and verdicts."""
        if len(self.parts) == 1:
            generator, proposal = self.parts[0]
            return [(generator, Feedback(proposal.walkers, prediction, verdicts))]
        replies, start = [], 0
        for generator, proposal in self.parts:
            rows = np.arange(start, start + len(proposal.batch))
            start += len(rows)
            own = Verdicts(verdicts.verdict[rows], verdicts.score[rows])
            part = None if prediction is None else prediction.take(rows)
            replies.append((generator, Feedback(proposal.walkers, part, own)))
        return replies


class Exchange:
    """Collects proposals and says when to predict them.

    Args:
        max_batch: Samples that are enough to predict at once.
        max_wait: Longest time in seconds that a proposal waits for company.
    """

    def __init__(self, max_batch: int = 256, max_wait: float = 0.0) -> None:
        self.max_batch, self.max_wait = max_batch, max_wait
        self._waiting: deque[tuple[float, int, Proposal]] = deque()
        self._samples = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def propose(self, generator: int, proposal: Proposal, now: float) -> None:
        """A generator is ready."""
        self._waiting.append((now, generator, proposal))
        self._samples += len(proposal.batch)

    def due(self, now: float, *, expected: bool) -> bool:
        """Whether to predict now; ``expected`` says whether another proposal may come soon."""
        if not self._waiting:
            return False
        waited = now - self._waiting[0][0]
        return not expected or self._samples >= self.max_batch or waited >= self.max_wait

    def next_deadline(self) -> float | None:
        """When the oldest proposal has waited long enough."""
        return self._waiting[0][0] + self.max_wait if self._waiting else None

    def take(self) -> Round:
        """The oldest proposals, up to the largest batch (at least one)."""
        parts: list[tuple[int, Proposal]] = []
        size = 0
        while self._waiting and (
            not parts or size + len(self._waiting[0][2].batch) <= self.max_batch
        ):
            _, generator, proposal = self._waiting.popleft()
            parts.append((generator, proposal))
            size += len(proposal.batch)
        self._samples -= size
        return Round(Batch.concatenate([p.batch for _, p in parts]), tuple(parts))

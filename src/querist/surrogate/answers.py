"""What a batch of calls gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch

MODEL, SIMULATION, REFUSED, FAILED = "model", "simulation", "refused", "failed"
LATE = "late"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers to ``n`` inputs.

    Attributes:
        source: ``(n,)`` text: "model", "simulation", "refused" (it would fail), "failed", or
            "late" (not simulated within the deadline).
        answered: ``(k,)`` numbers of the inputs that have an answer.
        outputs: ``k`` answers, in that order.
        score: ``(n,)`` uncertainty of the model in units of the tolerance; infinite without one.
        messages: Sentence by number of an input that has no answer.
    """

    source: NDArray[np.str_]
    answered: NDArray[np.int64]
    outputs: Batch
    score: NDArray[np.float64]
    messages: dict[int, str]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, output: str) -> NDArray[np.generic]:
        """``(k, ...)`` values of an output."""
        return self.outputs[output]

    def share(self, source: str = MODEL) -> float:
        """Share of the inputs that were answered by this source."""
        return float((self.source == source).mean()) if len(self.source) else 0.0

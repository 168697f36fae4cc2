"""At random."""

from __future__ import annotations

import numpy as np

from querist.strategies.contract import Picks, batchwise
from querist.strategies.rows import Rows


@batchwise(
    paper="Lohr 2021, Sampling: Design and Analysis, chapter 2 (simple random sampling)",
    cost="O(b) time and memory",
    use="The baseline that others must beat; the only choice for estimating without bias.",
)
def random(items: Rows, *, budget: int, rng: np.random.Generator) -> Picks:
    """Every set of rows equally likely, in random order; scores are zero."""
    return rng.choice(len(items), budget, replace=False), np.zeros(budget)

"""A strategy on a random part of the pool."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.contract import Picks
from querist.strategies.modifying import Base, modifier


@modifier(
    paper="Ertekin, Huang, Bottou & Giles 2007, section 3: among 59 rows is one of the best 5 %",
    cost="that of the base for a pool of so many rows",
    use="Pools on which the base takes too long; some chance also keeps batches diverse.",
)
def sub_sampled(base: Base, *, budget: int, rng: np.random.Generator, size: int = 10_000) -> Picks:
    """Draw ``size`` rows (or the budget, if that is more) and let the base pick among them.

    Every set of rows is equally likely. Scores are the base's.
    """
    if size < 1:
        raise ConfigError(f"size is a number of rows from 1 on, got {size}.")
    if max(size, budget) >= base.count:
        picked = base.pick(budget)
    else:
        some = rng.choice(base.count, max(size, budget), replace=False)
        picked = base.pick_of(np.sort(some), budget)
    return picked.indices, picked.scores

"""One line: ``querist.select("margin", 100, probabilities=p)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from querist.strategies.contract import Selection, Strategy
from querist.strategies.registry import get


def select(
    strategy: str | Strategy,
    budget: int,
    *,
    rng: np.random.Generator | int | None = None,
    **data: Any,
) -> Selection:
    """Pick the rows of a pool that are worth an answer.

    Args:
        strategy: A name that ``querist strategies`` lists, or one's own strategy.
        budget: How many rows, from 1 to the size of the pool.
        rng: A generator or a seed. Methods that draw need one; to others it only orders ties.
        **data: What the strategy needs, by name (``probabilities=``, ``embeddings=`` ...), each an
            array, a memory map, a torch tensor, or chunks; and its options.

    Returns:
        Indices in order of preference, and their scores.

    Raises:
        UnknownStrategy: If the name is none.
        BudgetError: If the budget is no whole number from 1 to the size of the pool.
        NeedError: If data are missing, or given and not used.
        BadRows: If rows hold NaN or infinity, or are no probabilities; it names them.
        ShapeError: If an array has the wrong shape.

    Example:
        >>> odds = np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]])
        >>> select("margin", 2, probabilities=odds).indices
        array([1, 2])
    """
    chosen = get(strategy) if isinstance(strategy, str) else strategy
    return chosen(budget, rng=rng, **data)

"""Definitions of what others are compared with."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from querist.testing.strategy_references import law


@law("random")
def random(budget: int, items: Any) -> dict[tuple[int, ...], float]:
    """Every ordered pick is equally likely."""
    picks = list(permutations(range(len(items)), budget))
    return dict.fromkeys(picks, 1.0 / len(picks))

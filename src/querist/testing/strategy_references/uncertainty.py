"""Definitions of uncertainty sampling, a row at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from querist.testing.strategy_references import exact, ranked


def by_row(score: Callable[[list[float]], float]) -> Callable[..., Any]:
    """A definition from a score of one row."""

    def define(budget: int, probabilities: Any) -> Any:
        return ranked(np.array([score([float(p) for p in row]) for row in probabilities]), budget)

    return define


def _second(row: list[float]) -> float:
    return sorted(row)[-2] if len(row) > 1 else 0.0


def _entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


exact("least-confidence")(by_row(lambda row: 1.0 - max(row)))
exact("margin")(by_row(lambda row: _second(row) - max(row)))
exact("ratio")(by_row(lambda row: _second(row) / max(row)))
exact("entropy")(by_row(_entropy))


@exact("multi-label")
def multi_label(budget: int, label_probabilities: Any) -> Any:
    """The mean over labels of the entropy of yes and no."""
    scores = [np.mean([_entropy([p, 1 - p]) for p in row]) for row in label_probabilities.tolist()]
    return ranked(np.array(scores), budget)

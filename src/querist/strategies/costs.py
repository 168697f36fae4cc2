"""What answers will cost, learned from what others cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array
from querist.strategies.conditioning import product
from querist.strategies.errors import BadRows

Vector = NDArray[np.float64]
# Penalties that are compared by leave-one-out, in units of the number of rows.
PENALTIES = 10.0 ** np.arange(-6.0, 4.0)


def positive(costs: Vector, name: str) -> Vector:
    """Costs, refused where they are not above zero.

    Raises:
        BadRows: Naming the rows.
    """
    wrong = np.flatnonzero(~(costs > 0.0))
    if len(wrong):
        raise BadRows(f"{name} must be above zero.", tuple(wrong.tolist()))
    return costs


@dataclass(frozen=True, slots=True, eq=False)
class RidgeCosts:
    """Ridge regression of the logarithm of costs on features.

    The penalty is the best by leave-one-out, whose errors ridge regression has in closed form
    (Hastie, Tibshirani & Friedman 2009, eq. 7.64). What is predicted is the median of a cost.

    Attributes:
        weights: ``(d,)`` by which features raise the logarithm.
        level: Logarithm where all features are zero.
    """

    weights: Vector
    level: float

    @classmethod
    def fit(cls, features: NDArray[Any], costs: NDArray[Any]) -> RidgeCosts:
        """Learn from ``(m, d)`` features and ``(m,)`` costs, at least one.

        Raises:
            BadRows: If costs are not above zero.
        """
        known = np.log(positive(np.asarray(costs, float), "labelled_costs"))
        centre, spread = features.mean(axis=0), features.std(axis=0)
        scale = np.where(spread > 1e-12 * np.abs(centre), spread, np.inf)  # constant: ignored
        left, values, right = np.linalg.svd((features - centre) / scale, full_matrices=False)
        level = float(known.mean())
        along = left.T @ (known - level)
        best, weights = np.inf, np.zeros(features.shape[1])
        for penalty in PENALTIES * len(known):
            kept = values**2 / (values**2 + penalty)
            leverage = (left**2 * kept).sum(axis=1) + 1.0 / len(known)
            away = (known - level - left @ (kept * along)) / np.maximum(1.0 - leverage, 1e-9)
            if float((away**2).mean()) < best:
                best = float((away**2).mean())
                weights = right.T @ (values / (values**2 + penalty) * along)
        return cls(weights / scale, level - float(centre @ (weights / scale)))

    def predict(self, about: Array) -> Vector:
        """``(k,)`` costs of items with these ``(k, d)`` features, wherever they lie."""
        logs = self.level + product(about, self.weights)
        return np.asarray(np.exp(np.clip(logs, -300.0, 300.0)))

"""Uncertainty of every row, as a number that is not negative, for methods that weigh by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, columns, host
from querist.strategies.rows import Rows
from querist.strategies.uncertainty.entropy import entropy
from querist.strategies.uncertainty.least_confidence import least_confidence
from querist.strategies.uncertainty.margin import margin
from querist.strategies.uncertainty.ratio import ratio

Weights = NDArray[np.float64]

MEASURES: dict[str, Callable[[Array], Array]] = {
    "margin": lambda block: 1.0 + margin.function(block),
    "least-confidence": least_confidence.function,
    "ratio": ratio.function,
    "entropy": entropy.function,
}


def measured(measure: str) -> Callable[[Array], Array]:
    """The function of a block of probabilities that goes by a name.

    Raises:
        ConfigError: If none does.
    """
    if measure not in MEASURES:
        raise ConfigError(f"an uncertainty is one of {', '.join(MEASURES)}; got {measure!r}.")
    return MEASURES[measure]


def uncertainties(probabilities: Rows, of: Callable[[Array], Array]) -> Weights:
    """``(n,)`` uncertainty of every row by a function of ``(k, C)`` blocks, on the host."""
    parts = [np.zeros(0)]
    parts += [host(of(columns(block))).astype(float) for _, block in probabilities.blocks()]
    return np.concatenate(parts)


def as_weights(values: Weights) -> Weights:
    """Weights of a clustering: none is zero, so that no cluster weighs nothing.

    What counts least counts a millionth of a millionth of the largest; all the same if all are 0.
    """
    largest = float(values.max())
    return np.maximum(values, 1e-12 * largest) if largest > 0.0 else np.ones(len(values))

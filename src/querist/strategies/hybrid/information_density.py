"""Information density: uncertain rows where the pool is dense."""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.informativeness import measured, uncertainties
from querist.strategies.pairs import Pairs, gaussian_sums, unit
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows

Vector = NDArray[np.float64]


@batchwise(
    paper="Settles & Craven 2008 (EMNLP), section 3.4 (information density)",
    cost="O(n (C + d)) time with the cosine, O(n^2 d) with a Gaussian; O(n) memory",
    use="Uncertainty sampling that picks outliers; one pick at a time or small batches.",
)
def information_density(  # noqa: PLR0913 - a strategy's options are parameters
    probabilities: Rows,
    embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    beta: float = 1.0,
    measure: str = "entropy",
    gamma: float | None = None,
) -> Picks:
    """Uncertainty times the mean similarity to the pool, the latter to the power of ``beta``.

    The similarity is the cosine, whose mean over the pool is an inner product with the mean unit
    vector (below zero: 0; of a row of zeros: 0), or where ``gamma`` is given
    ``exp(-gamma |x - y|^2)``. A score is that product.
    """
    if gamma is not None and not gamma > 0.0:
        raise ConfigError(f"gamma is above 0, or None for the cosine; got {gamma}.")
    densities = cosine_densities(embeddings) if gamma is None else _gaussian(embeddings, gamma)
    informative = uncertainties(probabilities, measured(measure))
    return ranked(informative * densities**beta, budget, rng)


def cosine_densities(embeddings: Rows) -> Vector:
    """``(n,)`` mean cosine with the pool, not below zero."""
    parts = (namespace(block).sum(unit(block), axis=0) for _, block in embeddings.blocks())
    mean = reduce(operator.add, parts) / len(embeddings)
    found = np.concatenate([host(unit(block) @ mean) for _, block in embeddings.blocks()])
    return np.asarray(np.maximum(found, 0.0), float)


def _gaussian(embeddings: Rows, gamma: float) -> Vector:
    """``(n,)`` mean Gaussian similarity to the pool."""
    return gaussian_sums(Pairs(embeddings).checked(), gamma) / len(embeddings)

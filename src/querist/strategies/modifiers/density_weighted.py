"""Scores weighted by how dense the pool is."""

from __future__ import annotations

import numpy as np

from querist.strategies.contract import Picks
from querist.strategies.hybrid.information_density import cosine_densities
from querist.strategies.modifying import Base, Vector, modifier
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows


def weighted(base: Base, embeddings: Rows, beta: float = 1.0) -> Vector:
    """``(n,)`` gains times density to the power of beta."""
    return base.gains() * cosine_densities(embeddings) ** beta


@modifier(
    paper="Settles & Craven 2008 (EMNLP), section 3.4, for any base",
    cost="O(n d) time, O(n) memory",
    use="Bases that pick outliers; one pick at a time or small batches.",
    scores=weighted,
)
def density_weighted(
    base: Base,
    embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    beta: float = 1.0,
) -> Picks:
    """Score times the mean cosine with the pool (not below zero) to the power of ``beta``.

    Where scores can be negative, the pool's lowest counts as zero.
    """
    return ranked(weighted(base, embeddings, beta), budget, rng)

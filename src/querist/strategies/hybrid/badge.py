"""BADGE: rows whose gradients would be large and point in different directions."""

from __future__ import annotations

import numpy as np

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Space, largest
from querist.strategies.rows import Rows
from querist.strategies.squared import Draws


def residuals(probabilities: Array) -> Array:
    """``(k, C)`` probabilities less one at the likeliest class: the loss's gradient by logits."""
    xp = namespace(probabilities)
    likeliest = xp.argmax(probabilities, axis=1)
    gone = xp.zeros_like(probabilities)
    gone[xp.arange(len(gone)), likeliest] = 1
    return probabilities - gone


@batchwise(
    paper="Ash et al. 2020 (arXiv 1906.03671), algorithm 1; factored distances as in "
    "Zhang et al. 2023 (arXiv 2306.09910), appendix D",
    cost="O(n (C + d)) time for each refresh of bounds, at worst O(n b (C + d)); O(n + b (C + d)) "
    "memory",
    use="Batches from a neural network: uncertain and diverse without a parameter to tune.",
)
def badge(probabilities: Rows, embeddings: Rows, *, budget: int, rng: np.random.Generator) -> Picks:
    """D^2 sampling of the gradients of the last layer for the likeliest label.

    The gradient of row i is the outer product of ``p_i - e_y`` and its embedding ``h_i``. As in the
    authors' program the first pick has the largest gradient. A score is the distance to the
    nearest gradient picked before; of the first pick, the gradient's norm.
    """
    space = Space([probabilities, embeddings], residuals)
    first, norm = largest(space)
    draws = Draws(space, None, budget)
    draws.run(rng, first)
    distances = draws.distances()
    return np.array(draws.picks), np.where(np.isinf(distances), norm, distances)

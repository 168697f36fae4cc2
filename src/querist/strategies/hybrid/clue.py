"""CLUE: clusters of embeddings in which uncertain rows weigh more."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, namespace
from querist.strategies.clusters import representatives
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Space
from querist.strategies.informativeness import as_weights, uncertainties
from querist.strategies.probability import entropy_of
from querist.strategies.rows import Rows


@batchwise(
    paper="Prabhu et al. 2021 (arXiv 2010.08666), eq. 3 and algorithm 1",
    cost="O(n b d) time an iteration at worst; O(n + b d) memory",
    use="A model under domain shift: uncertain and representative; low temperature: uncertain.",
)
def clue(
    probabilities: Rows,
    embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    iterations: int = 20,
) -> Picks:
    """k-means weighted by the entropy of ``softmax(logits / temperature)``.

    Of each cluster the row nearest to its weighted mean is picked, the weightiest cluster first. A
    score is the share of the pool's entropy that the pick's cluster holds.
    """
    if not temperature > 0.0:
        raise ConfigError(f"temperature is above 0, got {temperature}.")
    entropies = uncertainties(probabilities, lambda block: _tempered(block, temperature))
    weights = as_weights(entropies)
    return representatives(Space([embeddings]), budget, rng, iterations, weights)


def _tempered(probabilities: Array, temperature: float) -> Array:
    """Entropy at a temperature; ``softmax(logits / T)`` is ``p ** (1 / T)``, normalised."""
    xp = namespace(probabilities)
    raised = (probabilities / xp.amax(probabilities, axis=1)[:, None]) ** (1.0 / temperature)
    return entropy_of(raised / xp.sum(raised, axis=1)[:, None])

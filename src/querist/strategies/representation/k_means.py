"""k-means sampling: the rows nearest to the centres of as many clusters as are wanted."""

from __future__ import annotations

import numpy as np

from querist.strategies.clusters import representatives
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Space
from querist.strategies.rows import Rows


@batchwise(
    paper="Lloyd 1982; Nguyen & Smeulders 2004; Xu et al. 2003 (representative sampling); seeds: "
    "Arthur & Vassilvitskii 2007",
    cost="O(n b d) time an iteration at worst; O(n + b d) memory",
    use="Represent the pool where it is dense; each pick from a cluster of its own.",
    aliases=("kmeans",),
)
def k_means(
    embeddings: Rows, *, budget: int, rng: np.random.Generator, iterations: int = 20
) -> Picks:
    """Lloyd's iterations from k-means++ seeds; of each cluster the member nearest to its mean.

    Larger clusters first. A score is the share of the pool that the pick's cluster holds.
    """
    return representatives(Space([embeddings]), budget, rng, iterations)

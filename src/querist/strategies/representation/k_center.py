"""k-center greedy, the core-set method: cover the pool with balls as small as can be."""

from __future__ import annotations

import numpy as np

from querist.strategies.contract import Picks, batchwise
from querist.strategies.farthest import Traversal
from querist.strategies.geometry import Space, central, labelled_points
from querist.strategies.rows import Rows


@batchwise(
    paper="Gonzalez 1985; Sener & Savarese 2018 (arXiv 1708.00489), algorithm 1",
    cost="O(n b d) time at worst, much less in clusters; O(n + b d) memory",
    use="Cover a pool whose distances mean something; outliers go first (then robust-k-center).",
    aliases=("core-set", "coreset", "farthest-first", "gsx"),
)
def k_center(embeddings: Rows, labelled_embeddings: Rows | None = None, *, budget: int) -> Picks:
    """Again and again the row farthest from all that is labelled or picked (Euclidean distance).

    Without labels the first pick is the row nearest to the mean of the pool. A score is the
    distance to the nearest labelled or picked row before; of that first pick, to the mean.
    """
    space = Space([embeddings])
    labelled = labelled_points(space, labelled_embeddings)
    first, radius = central(space) if labelled is None else (None, 0.0)
    traversal = Traversal(space, labelled, budget)
    traversal.run(first)
    distances = traversal.distances()
    return np.array(traversal.picks), np.where(np.isinf(distances), radius, distances)

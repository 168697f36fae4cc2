"""MaxDist: the row farthest from all that is labelled or picked, beginning with the longest."""

from __future__ import annotations

import numpy as np

from querist.strategies.contract import Picks, batchwise
from querist.strategies.farthest import Traversal
from querist.strategies.geometry import Space, labelled_points, largest
from querist.strategies.rows import Rows


@batchwise(
    paper="Holzmüller et al. 2023 (arXiv 2203.09410), section 4.2.5; Gonzalez 1985",
    cost="O(n b d) time at worst, much less in clusters; O(n + b d) memory",
    use="As k-center, on features of a regression model in which a long row is an unknown one.",
)
def max_dist(embeddings: Rows, labelled_embeddings: Rows | None = None, *, budget: int) -> Picks:
    """Farthest-first traversal; without labels the first pick has the largest norm.

    A score is the distance to the nearest labelled or picked row before; of that first pick, the
    norm.
    """
    space = Space([embeddings])
    labelled = labelled_points(space, labelled_embeddings)
    first, norm = largest(space) if labelled is None else (None, 0.0)
    traversal = Traversal(space, labelled, budget)
    traversal.run(first)
    distances = traversal.distances()
    return np.array(traversal.picks), np.where(np.isinf(distances), norm, distances)

"""k-means++ seeding, also called D^2 sampling: diverse rows, drawn at random."""

from __future__ import annotations

import numpy as np

from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Space, labelled_points
from querist.strategies.rows import Rows
from querist.strategies.squared import Draws


@batchwise(
    name="k-means++",
    paper="Arthur & Vassilvitskii 2007, section 2.2",
    cost="O(n d) time for each refresh of bounds, at worst O(n b d); O(n + b d) memory",
    use="Diverse rows in O(log b) of the best clustering; less drawn to outliers than k-center.",
    aliases=("d2", "kmeans++", "k-means-pp"),
)
def k_means_pp(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator,
) -> Picks:
    """Draw rows with probability proportional to the squared distance from the nearest before.

    The first is drawn uniformly, unless there are labelled rows. When all that remains equals
    something picked, the rest is drawn uniformly. A score is the distance to the nearest
    labelled or picked row before; of a first pick without labels, to the mean of the pool.
    """
    space = Space([embeddings])
    labelled = labelled_points(space, labelled_embeddings)
    draws = Draws(space, labelled, budget)
    first = int(rng.integers(space.count)) if labelled is None else None
    draws.run(rng, first)
    distances = draws.distances()
    if first is not None and space.mean is not None:
        row = space.points(np.array([first])).raw
        distances[0] = space.apart(row, [space.mean[None]])[0] ** 0.5
    return np.array(draws.picks), distances

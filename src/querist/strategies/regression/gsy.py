"""GSy: greedy sampling in the space of outputs."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ShapeError
from querist.strategies.contract import Picks, batchwise
from querist.strategies.farthest import Traversal
from querist.strategies.geometry import Space, labelled_points
from querist.strategies.mapped import table
from querist.strategies.rows import Rows


@batchwise(
    paper="Wu, Lin & Huang 2019 (arXiv 1808.04245), section 3.2, algorithm 2; in a batch a pick's "
    "prediction stands for its label",
    cost="O(n b o) time at worst, o outputs; O(n + (b + m) o) memory",
    use="Regression whose outputs should be covered evenly; needs a model that is not too wrong.",
    aliases=("greedy-sampling-output",),
)
def gsy(predictions: Rows, labels: Rows, *, budget: int) -> Picks:
    """Again and again the row whose prediction is farthest from every label and pick before.

    A score is that distance (of several outputs Euclidean).
    """
    if not len(labels):
        raise ShapeError("labels hold no item to be far from; begin with max-dist or k-center.")
    space = Space([table(predictions)])
    labelled = labelled_points(space, table(labels))
    traversal = Traversal(space, labelled, budget)
    traversal.run(None)
    return np.array(traversal.picks), traversal.distances()

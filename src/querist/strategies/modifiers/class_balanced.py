"""A batch with as many of each class as can be."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies.arrays import host, namespace
from querist.strategies.contract import Picks
from querist.strategies.modifying import Base, modifier
from querist.strategies.rows import Rows


@modifier(
    paper="Bengar et al. 2022 (arXiv 2110.04543), the constraint of section 3 met greedily",
    cost="O(n C) time and O(n) memory beside the base's on the rows of each class",
    use="Long tails, if the model finds rare classes at all; else a representation method.",
)
def class_balanced(
    base: Base,
    probabilities: Rows,
    labelled_classes: Rows | None = None,
    *,
    budget: int,
) -> Picks:
    """Give each pick to the class of which there is least; the base picks within a class.

    A row's class is the likeliest; ``labelled_classes`` and picks before count. A class without
    rows left goes without; equals by class. Scores are the base's.
    """
    likeliest = [host(namespace(p).argmax(p, axis=1)) for _, p in probabilities.blocks()]
    classes, count = np.concatenate(likeliest), probabilities.shape[1]
    there = np.bincount(classes, minlength=count)
    turns = shares(_known(labelled_classes, count), there, budget)
    indices, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for one in np.unique(turns):
        mine = np.flatnonzero(turns == one)
        picked = base.pick_of(np.flatnonzero(classes == one), len(mine))
        indices[mine], scores[mine] = picked.indices, picked.scores
    return indices, scores


def shares(known: NDArray[np.int64], there: NDArray[np.int64], budget: int) -> NDArray[np.int64]:
    """``(b,)`` class of each pick: that of which least is known, as long as rows are there."""
    left = there.tolist()
    waiting = [(int(known[one]), one) for one in range(len(known)) if left[one]]
    heapq.heapify(waiting)
    turns = np.zeros(budget, np.int64)
    for place in range(budget):
        have, one = heapq.heappop(waiting)
        turns[place] = one
        left[one] -= 1
        if left[one]:
            heapq.heappush(waiting, (have + 1, one))
    return turns


def _known(labelled: Rows | None, count: int) -> NDArray[np.int64]:
    if labelled is None or not len(labelled):
        return np.zeros(count, np.int64)
    classes = host(labelled.whole())
    whole = classes.astype(np.int64)
    if (whole != classes).any() or whole.min() < 0 or whole.max() >= count:
        raise ShapeError(f"labelled_classes are whole numbers from 0 to {count - 1}.")
    return np.bincount(whole, minlength=count)

"""iGS: improved greedy sampling, in the spaces of inputs and outputs at once."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ShapeError
from querist.strategies.arrays import Array, beside, dense, host, namespace
from querist.strategies.conditioning import Matrix, Vector, best_free, matrix
from querist.strategies.contract import Picks, batchwise
from querist.strategies.mapped import table
from querist.strategies.rows import Rows, together


@batchwise(
    paper="Wu, Lin & Huang 2019 (arXiv 1808.04245), section 3.3, algorithm 3; in a batch a pick's "
    "prediction stands for its label",
    cost="O(n (b + m) (d + o)) time, m labelled, o outputs; O(n + m (d + o)) memory",
    use="The best of the greedy samplings for tables of numbers; small batches from simple models.",
    aliases=("improved-greedy-sampling",),
)
def igs(
    embeddings: Rows,
    predictions: Rows,
    labelled_embeddings: Rows,
    labels: Rows,
    *,
    budget: int,
) -> Picks:
    """Distance between inputs times distance between outputs, to the nearest by that product.

    A score is the least product over what is labelled and what was picked before.
    """
    outputs, known = table(predictions), table(labels)
    inputs, answers = matrix(labelled_embeddings, embeddings), matrix(known, outputs)
    if len(inputs) != len(answers) or not len(inputs):
        raise ShapeError(
            f"labelled_embeddings and labels must have a row for each labelled item, at least one; "
            f"they have {len(inputs)} and {len(answers)}."
        )
    nearest = _Nearest(embeddings, outputs)
    nearest.update(inputs, answers)
    taken = np.zeros(len(embeddings), bool)
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for place in range(budget):
        picks[place] = best = best_free(nearest.squares, taken)
        scores[place] = nearest.squares[best] ** 0.5
        taken[best] = True
        nearest.update(_row(embeddings, best), _row(outputs, best))
    return picks, scores


class _Nearest:
    """Least product of squared distances of each row to anything labelled or picked."""

    def __init__(self, inputs: Rows, outputs: Rows) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.squares = np.full(len(inputs), np.inf)

    def update(self, inputs: Matrix, outputs: Matrix) -> None:
        """Let some labelled rows count."""
        for start, (x, y) in together([self.inputs, self.outputs]):
            here = self.squares[start : start + len(x)]
            wide, tall = dense(x), dense(y)
            for row, answer in zip(inputs, outputs, strict=True):
                np.minimum(here, _apart(wide, row) * _apart(tall, answer), out=here)


def _apart(block: Array, row: Vector) -> Vector:
    """Squared distances of rows from one, from differences: zero where they are equal."""
    away = block - beside(row, block)
    return np.asarray(host(namespace(away).einsum("ij,ij->i", away, away)), float)


def _row(rows: Rows, index: int) -> Matrix:
    return np.asarray(host(dense(rows.take([index]))), float)

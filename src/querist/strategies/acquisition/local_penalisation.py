"""Local penalisation: a batch for the highest output, each pick keeping the next at a distance."""

from __future__ import annotations

import numpy as np

from querist.strategies.arrays import beside, dense, host, namespace
from querist.strategies.conditioning import Matrix, Vector, best_free, matrix
from querist.strategies.contract import Picks, batchwise
from querist.strategies.mapped import table, vector
from querist.strategies.normal import incumbent, log_improvement, special, standardised
from querist.strategies.rows import Rows

# Steepness where labels show none, as in the authors' program.
FLAT, STEEPNESS_OF_FLAT = 1e-7, 10.0
PAIRS = 512


@batchwise(
    paper="González, Dai, Hennig & Lawrence 2016 (arXiv 1505.08052), eq. 10 and algorithm 1, with "
    "LogEI for the acquisition",
    cost="O(n b d + m^2 d) time, O(n + m d) memory, m labelled",
    use="Batches for the highest output when only mean and std are there; the output is smooth.",
    aliases=("local-penalization",),
)
def local_penalisation(
    predictions: Rows,
    std: Rows,
    embeddings: Rows,
    labelled_embeddings: Rows,
    labels: Rows,
    *,
    budget: int,
) -> Picks:
    """Log expected improvement plus, of every pick before, the log of its local penaliser.

    A pick j penalises x by the probability that x lies outside the ball around j that cannot hold
    the maximum, if that is the best label and the output changes no faster with distance than
    between the two labelled rows where it is steepest. A score is the penalised log expected
    improvement of a pick when it was made.
    """
    known, answers = matrix(labelled_embeddings, embeddings), host(dense(table(labels).whole()))
    best, slope = incumbent(answers), slope_between(known, answers[:, 0])
    mean, spread = _whole(vector(predictions)), _whole(vector(std))
    z, floor = standardised(mean, spread, best)
    values = log_improvement(z) + np.log(floor)
    taken = np.zeros(len(mean), bool)
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for place in range(budget):
        picks[place] = row = best_free(values, taken)
        scores[place], taken[row] = values[row], True
        _penalise(values, embeddings, row, (slope, best - mean[row], floor[row]))
    return picks, scores


def _whole(rows: Rows) -> Vector:
    return np.concatenate([np.asarray(host(dense(block)), float) for _, block in rows.blocks()])


def _penalise(values: Vector, rows: Rows, pick: int, about: tuple[float, float, float]) -> None:
    """Add the log penaliser of a pick to all values in place."""
    slope, short, spread = about
    centre = host(dense(rows.take([pick])))[0]
    for start, block in rows.blocks():
        away = dense(block) - beside(centre, block)
        squares = np.asarray(host(namespace(away).einsum("ij,ij->i", away, away)), float)
        z = np.clip((slope * np.sqrt(squares) - short) / spread, -1e150, 1e150)
        here = values[start : start + len(z)]
        here += special(z).log_ndtr(z)


def slope_between(rows: Matrix, answers: Vector) -> float:
    """The steepest slope between two labelled rows; 10 where there is none."""
    steepest = 0.0
    for start in range(0, len(rows), PAIRS):
        for first in range(start, len(rows), PAIRS):
            one, other = rows[start : start + PAIRS], rows[first : first + PAIRS]
            squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * one @ other.T
            rise = answers[start : start + PAIRS, None] - answers[first : first + PAIRS]
            apart = squares > 1e-12 * (one**2).sum(axis=1)[:, None]
            slopes = np.abs(rise[apart]) / np.sqrt(squares[apart])
            steepest = max(steepest, float(slopes.max(initial=0.0)))
    return steepest if steepest >= FLAT else STEEPNESS_OF_FLAT

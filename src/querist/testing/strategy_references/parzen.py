"""Definitions of methods that look at labelled rows, with every sum and matrix written out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, gammaln, xlogy

from querist.testing.strategy_references import exact, ranked
from querist.testing.strategy_references.distances import squared_distances

Matrix = NDArray[np.float64]


def mean_criterion(rows: Matrix) -> float:
    """``1 / (2 s^2)`` with ``s^2 = 2 N var / ((N - 1) ln((N - 1) / delta^2))``."""
    count, spread = max(2, len(rows)), float(rows.var(axis=0).sum())
    if spread <= 1e-15:
        return float(1.0 / rows.shape[1])
    squared = 2 * count * spread / ((count - 1) * np.log((count - 1) / (np.sqrt(2) * 1e-6) ** 2))
    return float(1.0 / (2.0 * squared))


def counts_of(
    embeddings: Matrix,
    labelled: Matrix | None,
    classes: Any | None,
    number: int | None = None,
    gamma: float | None = None,
) -> tuple[Matrix, Matrix, Matrix]:
    """Counts of labels near each row, kernels within the pool, and mean kernels with all rows."""
    known = embeddings[:0] if labelled is None else labelled
    told = np.zeros(0, int) if classes is None else np.asarray(classes).astype(int)
    everything = np.concatenate([embeddings, known])
    gamma = mean_criterion(everything) if gamma is None else gamma
    kernel = np.exp(-gamma * squared_distances(embeddings, everything))
    counts = np.zeros((len(embeddings), number or max([2, *(told + 1).tolist()])))
    for column, label in enumerate(told):
        counts[:, label] += kernel[:, len(embeddings) + column]
    return counts, kernel[:, : len(embeddings)], kernel.mean(axis=1)


def greedily(
    budget: int, counts: Matrix, kernel: Matrix, score: Callable[[Matrix], Matrix]
) -> tuple[list[int], list[float]]:
    """The best row, then as if it had been answered by its expected class."""
    counts, picks, scores = counts.copy(), list[int](), list[float]()
    for _ in range(budget):
        wanted = score(counts)
        wanted[picks] = -np.inf
        picks.append(int(wanted.argmax()))
        scores.append(float(wanted[picks[-1]]))
        expected = counts[picks[-1]] + 1.0
        counts += np.outer(kernel[:, picks[-1]], expected / expected.sum())
    return picks, scores


def expected_gain(near: Matrix, ahead: int = 1, prior: float = 1.0) -> float:
    """The expected accuracy with so many labels more, less that without, for each; the best."""
    alpha, classes = near + prior, len(near)
    gains = []
    for count in range(1, ahead + 1):
        after = 0.0
        for labels in product(range(count + 1), repeat=classes):
            if sum(labels) == count:
                seen = alpha + labels
                odds = np.exp(
                    gammaln(count + 1)
                    - gammaln(np.array(labels) + 1.0).sum()
                    + _log_beta(seen)
                    - _log_beta(alpha)
                )
                after += odds * seen[(near + labels).argmax()] / seen.sum()
        gains.append((after - alpha[near.argmax()] / alpha.sum()) / count)
    return float(max(gains))


def _log_beta(alpha: Matrix) -> float:
    return float(gammaln(alpha).sum() - gammaln(alpha.sum()))


@exact("mcpal")
def mcpal(
    budget: int,
    embeddings: Matrix,
    labelled_embeddings: Matrix | None = None,
    labelled_classes: Any | None = None,
    probabilities: Matrix | None = None,
) -> Any:
    """Expected gain of one label, times the density where none is labelled."""
    number = None if probabilities is None else probabilities.shape[1]
    counts, kernel, density = counts_of(embeddings, labelled_embeddings, labelled_classes, number)
    if probabilities is not None:
        counts = counts.sum(axis=1, keepdims=True) * probabilities

    weights = density if labelled_embeddings is None else np.ones(len(embeddings))

    def score(near: Matrix) -> Matrix:
        return np.array([expected_gain(row) for row in near]) * weights

    return greedily(budget, counts, kernel, score)


def plausibility(own: float, other: float) -> float:
    """Most of the lesser of likelihood ratio and ``2 share - 1``: where the two lines meet."""
    total = own + other
    most = xlogy(own, own / total) + xlogy(other, other / total) if total else 0.0

    def apart(share: float) -> float:
        likelihood = np.exp(xlogy(own, share) + xlogy(other, 1.0 - share) - most)
        return float(likelihood - (2.0 * share - 1.0))

    begin = max(0.5, own / total if total else 0.0)
    if apart(1.0) >= 0.0:
        return 1.0
    return 2.0 * float(brentq(apart, begin, 1.0, xtol=1e-16, rtol=1e-15)) - 1.0


@exact("epistemic")
def epistemic(
    budget: int,
    embeddings: Matrix,
    labelled_embeddings: Matrix | None = None,
    labelled_classes: Any | None = None,
) -> Any:
    """The plausibility of the less plausible class, times the density where none is labelled."""
    counts, kernel, density = counts_of(embeddings, labelled_embeddings, labelled_classes)
    weights = density if labelled_embeddings is None else np.ones(len(embeddings))

    def score(near: Matrix) -> Matrix:
        found = [min(plausibility(*row), plausibility(*row[::-1])) for row in near]
        return np.array(found) * weights

    return greedily(budget, counts, kernel, score)


@exact("expected-error-reduction")
def expected_error_reduction(
    budget: int,
    embeddings: Matrix,
    labelled_embeddings: Matrix | None = None,
    labelled_classes: Any | None = None,
) -> Any:
    """The mean error now, less that with each class for each row, by the odds of the class."""
    counts, kernel, density = counts_of(embeddings, labelled_embeddings, labelled_classes)
    weights = density if labelled_embeddings is None else np.ones(len(embeddings))

    def score(near: Matrix) -> Matrix:
        gains = [_error_gain(near + 1.0, row, kernel[row], "error") for row in range(len(near))]
        return np.array(gains) * weights

    return greedily(budget, counts, kernel, score)


def _error_gain(alpha: Matrix, row: int, near: Matrix, loss: str) -> float:
    later = 0.0
    for label, odds in enumerate(alpha[row] / alpha[row].sum()):
        after = alpha.copy()
        after[:, label] += near
        later += odds * mean_loss(after, loss)
    return mean_loss(alpha, loss) - later


def mean_loss(alpha: Matrix, loss: str) -> float:
    """The expected error or the entropy of classes by their counts, averaged over rows."""
    odds = alpha / alpha.sum(axis=1, keepdims=True)
    if loss == "error":
        return float(np.mean(1.0 - odds.max(axis=1)))
    return float(np.mean(-xlogy(odds, odds).sum(axis=1)))


@exact("quire")
def quire(
    budget: int, embeddings: Matrix, labelled_embeddings: Matrix, labelled_classes: Any
) -> Any:
    """Equation 8 with the matrix of the whole pool, its minimum over all other labels."""
    rows = np.concatenate([labelled_embeddings, embeddings])
    known, told = len(labelled_embeddings), np.asarray(labelled_classes).astype(int)
    kernel = np.exp(-mean_criterion(rows) * squared_distances(rows, rows))
    matrix = np.linalg.inv(kernel + np.eye(len(rows)))
    scores = []
    for one in range(known, len(rows)):
        fixed = [*range(known), one]
        free = [row for row in range(known, len(rows)) if row != one]
        losses = []
        for label in range(max([2, *(told + 1).tolist()])):
            signs = np.append(np.where(told == label, 1.0, -1.0), 1.0)
            across = matrix[np.ix_(free, fixed)] @ signs
            best = np.linalg.solve(matrix[np.ix_(free, free)], across) if free else across
            losses.append(signs @ matrix[np.ix_(fixed, fixed)] @ signs - across @ best)
        scores.append(-max(losses))
    return ranked(np.array(scores), budget)


@exact("discriminative")
def discriminative(budget: int, embeddings: Matrix, labelled_embeddings: Matrix) -> Any:
    """Ten times the rows most surely told from what is labelled and was picked before."""
    rows = np.concatenate([embeddings, labelled_embeddings])
    spread = float(rows.var(axis=0).sum())
    scaled = rows * ((rows.shape[1] / spread) ** 0.5 if spread > 1e-15 else 1.0)
    picks, scores = list[int](), list[float]()
    for part in np.array_split(np.arange(budget), min(10, budget)):
        wanted = np.r_[np.ones(len(embeddings)), np.zeros(len(labelled_embeddings))]
        wanted[picks] = 0.0
        odds = _logistic(scaled, wanted)[: len(embeddings)]
        odds[picks] = -np.inf
        best = np.argsort(-odds, kind="stable")[: len(part)].tolist()
        picks, scores = [*picks, *best], [*scores, *odds[best]]
    return picks, scores


def _logistic(rows: Matrix, wanted: Matrix) -> Matrix:
    """Log odds of a logistic regression of two classes of the same weight."""
    wide = np.c_[rows - rows.mean(axis=0), np.ones(len(rows))]
    share = wanted.mean()
    weigh = 0.5 * np.where(wanted == 1.0, 1.0 / max(share, 1e-300), 1.0 / (1.0 - share))
    ridge = np.r_[np.ones(rows.shape[1]), 0.0]

    def loss(weights: Any) -> float:
        odds = wide @ weights
        found = weigh * (np.logaddexp(0.0, odds) - wanted * odds)
        return float(found.sum() + 0.5 * (ridge * weights**2).sum())

    def slope(weights: Any) -> Any:
        return np.asarray(wide.T @ (weigh * (expit(wide @ weights) - wanted)) + ridge * weights)

    def curvature(weights: Any) -> Any:
        share = expit(wide @ weights)
        return np.asarray((wide.T * (weigh * share * (1.0 - share))) @ wide + np.diag(ridge))

    begin: Any = np.zeros(wide.shape[1])
    options: Any = {"gtol": 1e-11, "maxiter": 1000}
    found = minimize(loss, begin, jac=slope, hess=curvature, method="trust-exact", options=options)
    return np.asarray(wide @ found.x, float)

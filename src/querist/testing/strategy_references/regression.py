"""Definitions of methods for regression, with kernel matrices and inverses written out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.testing.strategy_references import exact, ranked
from querist.testing.strategy_references.distances import squared_distances

Matrix = NDArray[np.float64]
NOISE = 0.01


def covariance(seen: Matrix, noise: float) -> Matrix:
    """``(d, d)`` covariance of the weights of Bayesian linear regression after some rows."""
    return np.asarray(np.linalg.inv(np.eye(seen.shape[1]) + seen.T @ seen / noise), float)


def noise_of(embeddings: Matrix) -> float:
    """The variance that the default stands for."""
    return float(NOISE * (embeddings**2).sum(axis=1).mean())


def _labelled(embeddings: Matrix, labelled: Matrix | None) -> Matrix:
    return np.zeros((0, embeddings.shape[1])) if labelled is None else labelled


def _variances(embeddings: Matrix, seen: Matrix, noise: float) -> Matrix:
    spread = covariance(seen, noise)
    return np.array([row @ spread @ row for row in embeddings])


@exact("max-diag")
def max_diag(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Variances from the inverse of the precision."""
    seen = _labelled(embeddings, labelled_embeddings)
    return ranked(_variances(embeddings, seen, noise_of(embeddings)), budget)


@exact("max-det")
def max_det(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """The precision built anew after every pick."""
    seen = _labelled(embeddings, labelled_embeddings)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        observed = np.concatenate([seen, embeddings[picks]])
        variances = _variances(embeddings, observed, noise_of(embeddings))
        best = int(np.where(np.isin(np.arange(len(embeddings)), picks), -1.0, variances).argmax())
        picks.append(best)
        scores.append(float(variances[best]))
    return picks, scores


@exact("max-dist")
def max_dist(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Farthest-first, the longest row first."""
    seen = [] if labelled_embeddings is None else list(labelled_embeddings)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        distances = (embeddings**2).sum(axis=1)
        if seen:
            distances = squared_distances(embeddings, np.array(seen)).min(axis=1)
        distances[picks] = -1.0
        best = int(distances.argmax())
        picks.append(best)
        scores.append(distances[best] ** 0.5)
        seen.append(embeddings[best])
    return picks, scores


@exact("bait")
def bait(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """The summed variance of pool and labelled rows, computed for every candidate set."""
    labelled = _labelled(embeddings, labelled_embeddings)
    noise = noise_of(embeddings)
    target = np.concatenate([embeddings, labelled])
    outer = target.T @ target

    def total(picks: list[int]) -> float:
        seen = np.concatenate([labelled, embeddings[picks]])
        return float(np.trace(covariance(seen, noise) @ outer)) / noise

    picks: list[int] = []
    scores: dict[int, float] = {}
    for _ in range(min(2 * budget, len(embeddings))):
        free = [row for row in range(len(embeddings)) if row not in picks]
        sums = [total([*picks, row]) for row in free]
        best = free[int(np.argmin(sums))]
        scores[best] = total(picks) - min(sums)
        picks.append(best)
    while len(picks) > budget:
        without = [total([row for row in picks if row != gone]) for gone in picks]
        del picks[int(np.argmin(without))]
    return picks, [scores[row] for row in picks]


@exact("qbc-variance")
def qbc_variance(budget: int, member_predictions: Matrix) -> Any:
    """NumPy's variance."""
    return ranked(np.var(member_predictions, axis=1), budget)


@exact("gsy")
def gsy(budget: int, predictions: Matrix, labels: Matrix) -> Any:
    """All differences to labels and to the predictions of picks."""
    return _greedy(budget, lambda i, j: abs(predictions[i] - j[0]), predictions, list(labels))


@exact("igs")
def igs(
    budget: int,
    embeddings: Matrix,
    predictions: Matrix,
    labelled_embeddings: Matrix,
    labels: Matrix,
) -> Any:
    """All products of distances."""
    known = list(zip(labels, labelled_embeddings, strict=True))

    def product(i: int, one: Any) -> float:
        away = float(np.linalg.norm(embeddings[i] - one[1]))
        return away * abs(float(predictions[i] - one[0]))

    found = list(zip(predictions, embeddings, strict=True))
    return _greedy(budget, product, found, known)


def _greedy(budget: int, distance: Any, found: Any, known: Any) -> Any:
    """Each time the item whose least distance to everything known is largest."""
    known = [one if isinstance(one, tuple) else (one,) for one in known]
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        least = [min(distance(i, one) for one in known) for i in range(len(found))]
        best = max((i for i in range(len(found)) if i not in picks), key=lambda i: least[i])
        picks.append(best)
        scores.append(float(least[best]))
        one = found[best]
        known.append(one if isinstance(one, tuple) else (one,))
    return picks, scores

"""Definitions of methods that weigh the geometry of the pool with uncertainty."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import entropy

from querist.testing.strategy_references import exact, law, ranked
from querist.testing.strategy_references.distances import squared_distances, weighted_k_means

Matrix = NDArray[np.float64]


@law("dbal")
def dbal(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """k-means of the ten times as many least margins as are wanted, weighted by one minus them."""
    margins = [sorted(row)[-1] - sorted([0.0, *row])[-2] for row in probabilities]
    informative = 1.0 - np.array(margins)
    kept = np.sort(np.argsort(-informative, kind="stable")[: 10 * budget])
    found = weighted_k_means(budget, embeddings[kept], informative[kept])
    return {tuple(int(kept[row]) for row in picks): odds for picks, odds in found.items()}


@law("clue")
def clue(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """k-means weighted by the entropy of softmax of logits."""
    weights = np.array([entropy(softmax(np.log(row))) for row in probabilities])
    return weighted_k_means(budget, embeddings, weights)


@exact("information-density")
def information_density(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """Entropy times the mean of the cosines with every row of the pool."""
    scores = []
    for row, odds in zip(embeddings, probabilities, strict=True):
        lengths = np.linalg.norm(row) * np.linalg.norm(embeddings, axis=1)
        scores.append(entropy(odds) * max(0.0, float(np.mean(embeddings @ row / lengths))))
    return ranked(np.array(scores), budget)


@law("cluster-margin")
def cluster_margin(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """Merge the two clusters of least mean squared distance; then one of each cluster in turn."""
    clusters = [[row] for row in range(len(embeddings))]
    apart = squared_distances(embeddings, embeddings)
    while len(clusters) > max(1, min(budget, len(embeddings) // 2)):
        pairs = [(apart[np.ix_(a, b)].mean(), a, b) for a, b in combinations(clusters, 2)]
        _, one, other = min(pairs)
        clusters = [c for c in clusters if c not in (one, other)] + [one + other]
    margins = [sorted([0.0, *row])[-2] - max(row) for row in probabilities]
    kept = np.argsort(margins)[::-1][: 10 * budget].tolist()
    inside = [[row for row in c if row in kept] for c in clusters]
    return _round_robin([c for c in inside if c], budget)


def _round_robin(clusters: list[list[int]], budget: int) -> dict[tuple[int, ...], float]:
    """Every order of equal clusters, every choice inside."""
    orders = [o for o in permutations(clusters) if list(map(len, o)) == sorted(map(len, o))]
    found: dict[tuple[int, ...], float] = {}

    def extend(picks: tuple[int, ...], odds: float, queue: list[list[int]]) -> None:
        if len(picks) == budget:
            found[picks] = found.get(picks, 0.0) + odds
            return
        for row in queue[0]:
            rest = [other for other in queue[0] if other != row]
            extend((*picks, row), odds / len(queue[0]), queue[1:] + ([rest] if rest else []))

    for order in orders:
        extend((), 1.0 / len(orders), list(order))
    return found

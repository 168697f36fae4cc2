"""Definitions of methods that weigh the geometry of the pool with uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import entropy

from querist.testing.strategy_references import exact, law, ranked
from querist.testing.strategy_references.distances import weighted_k_means

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

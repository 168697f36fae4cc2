"""Definitions of methods that measure distances, with all distances in a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.testing.strategy_references import exact, law

Matrix = NDArray[np.float64]


def squared_distances(one: Matrix, other: Matrix) -> Matrix:
    """All of them, from differences."""
    apart: Matrix = ((one[:, None] - other[None]) ** 2).sum(axis=-1)
    return apart


@exact("k-center")
def k_center(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Farthest-first, with the distance to everything before at every step."""
    seen = [] if labelled_embeddings is None else list(labelled_embeddings)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        if seen:
            distances = squared_distances(embeddings, np.array(seen)).min(axis=1)
            distances[picks] = -1.0
            best = int(distances.argmax())
        else:
            distances = squared_distances(embeddings, embeddings.mean(axis=0)[None])[:, 0]
            best = int(distances.argmin())
        picks.append(best)
        scores.append(distances[best] ** 0.5)
        seen.append(embeddings[best])
    return picks, scores


def d2_law(
    distances: Matrix, budget: int, first: NDArray[np.float64], nearest: NDArray[np.float64]
) -> dict[tuple[int, ...], float]:
    """Probability of every ordered pick of D^2 sampling.

    Args:
        distances: ``(n, n)`` squared distances.
        budget: Length of a pick.
        first: ``(n,)`` probabilities of the first.
        nearest: ``(n,)`` squared distance to what is there before, inf where nothing is.
    """
    found: dict[tuple[int, ...], float] = {}

    def extend(picks: tuple[int, ...], weight: float, nearest: NDArray[np.float64]) -> None:
        if len(picks) == budget:
            found[picks] = weight
            return
        odds = first if not picks else nearest / nearest.sum()
        for row in np.flatnonzero(odds):
            closer = np.minimum(nearest, distances[row])
            extend((*picks, int(row)), weight * float(odds[row]), closer)

    extend((), 1.0, nearest)
    return found


@law("k-means++")
def k_means_pp(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Uniform first, or by the distance to labelled rows; then D^2."""
    distances = squared_distances(embeddings, embeddings)
    first = np.full(len(embeddings), 1.0 / len(embeddings))
    nearest = np.full(len(embeddings), np.inf)
    if labelled_embeddings is not None:
        nearest = squared_distances(embeddings, labelled_embeddings).min(axis=1)
        first = nearest / nearest.sum()
    return d2_law(distances, budget, first, nearest)


@law("badge")
def badge(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """D^2 sampling of gradients that are written out, the largest first."""
    likeliest = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    pairs = zip(probabilities - likeliest, embeddings, strict=True)
    gradients = np.array([np.outer(error, row).ravel() for error, row in pairs])
    first = np.zeros(len(gradients))
    first[(gradients**2).sum(axis=1).argmax()] = 1.0
    return d2_law(
        squared_distances(gradients, gradients), budget, first, np.full(len(gradients), np.inf)
    )

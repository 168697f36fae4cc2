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
    distances: Matrix,
    budget: int,
    first: NDArray[np.float64],
    nearest: NDArray[np.float64],
    weights: NDArray[np.float64] | float = 1.0,
) -> dict[tuple[int, ...], float]:
    """Probability of every ordered pick of D^2 sampling.

    Args:
        distances: ``(n, n)`` squared distances.
        budget: Length of a pick.
        first: ``(n,)`` probabilities of the first.
        nearest: ``(n,)`` squared distance to what is there before, inf where nothing is.
        weights: By which squared distances are multiplied.
    """
    found: dict[tuple[int, ...], float] = {}

    def extend(picks: tuple[int, ...], weight: float, nearest: NDArray[np.float64]) -> None:
        if len(picks) == budget:
            found[picks] = weight
            return
        odds = first if not picks else weights * nearest / (weights * nearest).sum()
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


@law("robust-k-center")
def robust_k_center(
    budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None
) -> Any:
    """One of the farthest, twice as many as one in a hundred; from the row nearest to the mean."""
    found: dict[tuple[int, ...], float] = {}
    wide = 2 * int(np.ceil(0.01 * len(embeddings)))

    def extend(picks: tuple[int, ...], weight: float, seen: list[Any]) -> None:
        if len(picks) == budget:
            found[picks] = weight
            return
        distances = squared_distances(embeddings, np.array(seen)).min(axis=1)
        distances[list(picks)] = -1.0
        for row in np.argsort(-distances)[:wide]:
            extend((*picks, int(row)), weight / wide, [*seen, embeddings[row]])

    if labelled_embeddings is not None:
        extend((), 1.0, list(labelled_embeddings))
    else:
        mean = embeddings.mean(axis=0)[None]
        first = int(squared_distances(embeddings, mean)[:, 0].argmin())
        extend((first,), 1.0, [embeddings[first]])
    return found


@law("k-means")
def k_means(budget: int, embeddings: Matrix) -> Any:
    """Lloyd's algorithm to its end from every possible seeding."""
    return weighted_k_means(budget, embeddings, np.ones(len(embeddings)))


def weighted_k_means(
    budget: int, embeddings: Matrix, weights: NDArray[np.float64]
) -> dict[tuple[int, ...], float]:
    """The law of the rows nearest to weighted means, the weightiest cluster first."""
    distances = squared_distances(embeddings, embeddings)
    nowhere = np.full(len(embeddings), np.inf)
    found: dict[tuple[int, ...], float] = {}
    seedings = d2_law(distances, budget, weights / weights.sum(), nowhere, weights)
    for seeds, chance in seedings.items():
        picks = _lloyd(embeddings, embeddings[list(seeds)], weights)
        found[picks] = found.get(picks, 0.0) + chance
    return found


def lloyd_labels(
    embeddings: Matrix, means: Matrix, weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Matrix]:
    """Cluster of each row, and the weighted means."""
    labels = np.zeros(len(embeddings), np.int64)
    for _ in range(20):
        labels = squared_distances(embeddings, means).argmin(axis=1)
        members = [np.flatnonzero(labels == c) for c in range(len(means))]
        means = np.array([np.average(embeddings[m], axis=0, weights=weights[m]) for m in members])
    return labels, means


def _lloyd(embeddings: Matrix, means: Matrix, weights: NDArray[np.float64]) -> tuple[int, ...]:
    labels, means = lloyd_labels(embeddings, means, weights)
    nearest = []
    for c in range(len(means)):
        members = np.flatnonzero(labels == c)
        distances = squared_distances(embeddings[members], means[c][None])[:, 0]
        close = members[distances <= distances.min() * (1 + 1e-9)]
        nearest.append((-weights[members].sum(), int(close[0])))
    return tuple(row for _, row in sorted(nearest))


@exact("lcmd")
def lcmd(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Clusters by the nearest centre, built anew at every step."""
    centres = [] if labelled_embeddings is None else list(labelled_embeddings)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        if not centres:
            norms = (embeddings**2).sum(axis=1)
            best, score = int(norms.argmax()), float(norms.max())
        else:
            distances = squared_distances(embeddings, np.array(centres))
            labels, nearest = distances.argmin(axis=1), distances.min(axis=1)
            sizes = [nearest[labels == c].sum() for c in range(len(centres))]
            inside = np.where(labels == np.argmax(sizes), nearest, -1.0)
            best, score = int(inside.argmax()), float(inside.max())
        picks.append(best)
        scores.append(score)
        centres.append(embeddings[best])
    return picks, scores


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

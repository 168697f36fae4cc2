"""Definitions of methods for few labels, with all distances in a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.testing.strategy_references import exact, law
from querist.testing.strategy_references.distances import d2_law, lloyd_labels, squared_distances

Matrix = NDArray[np.float64]
Law = dict[tuple[int, ...], float]


def partitions(rows: Matrix, count: int) -> list[tuple[NDArray[np.int64], float]]:
    """Every k-means partition by its seeds, with its probability."""
    alike, nowhere = np.ones(len(rows)), np.full(len(rows), np.inf)
    seedings = d2_law(squared_distances(rows, rows), count, alike / len(rows), nowhere)
    sets: dict[tuple[int, ...], float] = {}  # in whatever order seeds are drawn
    for seeds, odds in seedings.items():
        key = tuple(sorted(seeds))
        sets[key] = sets.get(key, 0.0) + odds
    return [(lloyd_labels(rows, rows[list(seeds)], alike)[0], odds) for seeds, odds in sets.items()]


def _added(laws: list[tuple[Law, float]]) -> Law:
    found: Law = {}
    for one, odds in laws:
        for picks, share in one.items():
            found[picks] = found.get(picks, 0.0) + odds * share
    return found


@law("typiclust")
def typi_clust(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Typicality inside clusters of everything; clusters by labels and picks, then by size."""
    rows, labelled = embeddings, 0
    if labelled_embeddings is not None:
        rows, labelled = np.concatenate([embeddings, labelled_embeddings]), len(labelled_embeddings)
    count = min(labelled + budget, len(rows))
    return _added(
        [
            ({_typical(budget, rows, labels, len(embeddings)): 1.0}, odds)
            for labels, odds in partitions(rows, count)
        ]
    )


def _typical(budget: int, rows: Matrix, labels: Any, pool: int) -> tuple[int, ...]:
    distances = squared_distances(rows, rows) ** 0.5
    covered = set(range(pool, len(rows)))
    picks: list[int] = []
    for _ in range(budget):
        turns = []
        for c in set(labels.tolist()):
            members = np.flatnonzero(labels == c)
            if set(members) - covered:
                seen = len(set(members) & covered)
                turns.append((len(members) <= 5, seen, -len(members), int(members[0]), c))
        members = np.flatnonzero(labels == min(turns)[-1])
        near = [
            np.mean(np.sort(distances[i, members])[1:21] if len(members) > 1 else 0.0)
            for i in members
        ]
        free = [(d, i) for d, i in zip(near, members.tolist(), strict=True) if i not in covered]
        picks.append(min(free)[1])
        covered.add(picks[-1])
    return tuple(picks)


@law("probcover")
def prob_cover(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Cover greedily with balls of the largest radius at which 95 % of them are pure."""
    distances = squared_distances(embeddings, embeddings) ** 0.5
    covered = np.zeros(len(embeddings), bool)
    laws = []
    for labels, odds in partitions(embeddings, len(embeddings) // 2):
        other = labels[:, None] != labels[None]
        purity = {
            r: np.mean([not (other & (distances < r))[i].any() for i in range(len(labels))])
            for r in np.unique(distances)
        }
        radius = max(r for r in purity if purity[r] >= 0.95)
        if labelled_embeddings is not None:
            near = squared_distances(embeddings, labelled_embeddings) ** 0.5
            covered = (near < radius).any(axis=1)
        laws.append((_covering(budget, distances < radius, covered), odds))
    return _added(laws)


def _covering(budget: int, balls: Any, covered: Any) -> Law:
    """Greedy cover, equals with the same probability."""
    found: Law = {}

    def extend(picks: tuple[int, ...], odds: float, covered: Any) -> None:
        if len(picks) == budget:
            found[picks] = odds
            return
        gains = np.array([(ball & ~covered).sum() for ball in balls])
        gains[list(picks)] = -1
        equal = np.flatnonzero(gains == gains.max())
        for row in equal:
            extend((*picks, int(row)), odds / len(equal), covered | balls[row])

    extend((), 1.0, covered)
    return found


@exact("maxherding")
def max_herding(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Greedy on the mean similarity to the nearest, from the matrix of similarities."""
    similar, most = _similarity(embeddings, embeddings), np.zeros(len(embeddings))
    if labelled_embeddings is not None:
        most = _similarity(embeddings, labelled_embeddings).max(axis=1)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        gains = np.maximum(similar - most, 0.0).mean(axis=1)
        gains[picks] = -1.0
        picks.append(int(np.flatnonzero(gains >= gains.max() * (1 - 1e-12))[0]))
        scores.append(float(gains[picks[-1]]))
        most = np.maximum(most, similar[picks[-1]])
    return picks, scores


def _similarity(one: Matrix, other: Matrix) -> Matrix:
    pointing = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other)]
    similar: Matrix = np.exp(-squared_distances(*pointing))
    return similar

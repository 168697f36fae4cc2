"""Definitions of the schemes of ``bmdal``: kernel matrices of all rows, changed as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.testing.strategy_references import exact, ranked

Matrix = NDArray[np.float64]
Change = Callable[[Matrix, int], Matrix]


def linear(rows: Matrix) -> Matrix:
    """Inner products."""
    return rows @ rows.T


def last_layer(rows: Matrix) -> Matrix:
    """Inner products, and one for the bias."""
    return rows @ rows.T + 1.0


def nngp(rows: Matrix) -> Matrix:
    """The recursion of a network of three layers, pair by pair."""

    def covariance(i: int, j: int) -> float:
        unit = 0.0625 / rows.shape[1]
        xx, yy, xy = (unit * float(rows[a] @ rows[b]) for a, b in ((i, i), (j, j), (i, j)))
        for _ in range(2):
            length = math.sqrt(xx * yy)
            cosine = max(-1.0, min(1.0, xy / length)) if length > 0 else 0.0
            angle = math.acos(cosine)
            arc = math.sin(angle) + (math.pi - angle) * cosine
            xx, yy, xy = 0.0625 * xx / 2, 0.0625 * yy / 2, 0.0625 * length * arc / (2 * math.pi)
        return float(xy)

    count = len(rows)
    return np.array([[covariance(i, j) for j in range(count)] for i in range(count)])


def scale(matrix: Matrix, pool: int) -> Matrix:
    """Mean variance of the labelled rows one; they stand after those of the pool."""
    known = np.diag(matrix)[pool:]
    return matrix / float((known if len(known) else np.diag(matrix)).mean())


def posterior(sigma: float) -> Change:
    """Gaussian-process posterior covariance."""

    def change(matrix: Matrix, pool: int) -> Matrix:
        told = matrix[:, pool:]
        gram = matrix[pool:, pool:] + sigma**2 * np.eye(len(matrix) - pool)
        return matrix - told @ np.linalg.solve(gram, told.T)

    return change


def max_diag(matrix: Matrix, pool: int, budget: int) -> Any:
    """The highest variances."""
    return ranked(np.diag(matrix)[:pool], budget)


def max_det(sigma: float, train: bool) -> Callable[[Matrix, int, int], Any]:
    """Conditional variances by solving anew for every pick."""

    def select(matrix: Matrix, pool: int, budget: int) -> Any:
        seen = list(range(pool, len(matrix))) if train else []
        picks: list[int] = []
        scores: list[float] = []
        for _ in range(budget):
            gram = matrix[np.ix_(seen, seen)] + sigma**2 * np.eye(len(seen))
            told = matrix[:pool][:, seen]
            left = np.diag(matrix)[:pool] - (told * np.linalg.solve(gram, told.T).T).sum(axis=1)
            left[picks] = -np.inf
            picks.append(int(left.argmax()))
            scores.append(float(left.max()))
            seen.append(picks[-1])
        return picks, scores

    return select


def by_distance(cluster: bool, train: bool) -> Callable[[Matrix, int, int], Any]:
    """The farthest row, of all or in the largest cluster."""

    def select(matrix: Matrix, pool: int, budget: int) -> Any:
        own = np.diag(matrix)
        apart = own[:, None] + own[None, :] - 2 * matrix
        centres = list(range(pool, len(matrix))) if train else []
        picks: list[int] = []
        scores: list[float] = []
        for _ in range(budget):
            squares = apart[:pool, centres].min(axis=1) if centres else own[:pool]
            values = squares.copy()
            if cluster and centres:
                nearest = apart[:pool, centres].argmin(axis=1)
                sizes = np.bincount(nearest, squares, len(centres))
                values[nearest != sizes.argmax()] = -1.0
            values[picks] = -2.0
            picks.append(int(values.argmax()))
            scores.append(float(squares[picks[-1]]))
            centres.append(picks[-1])
        return picks, scores

    return select


def scheme(kernel: Callable[[Matrix], Matrix], changes: list[Change], select: Any) -> Any:
    """A definition for one strategy."""

    def define(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
        labelled = [] if labelled_embeddings is None else [labelled_embeddings]
        matrix = kernel(np.concatenate([embeddings, *labelled]))
        for change in changes:
            matrix = change(matrix, len(embeddings))
        return select(matrix, len(embeddings), budget)

    return define


DISTANT = by_distance(cluster=False, train=True)
SCHEMES: dict[str, tuple[Callable[[Matrix], Matrix], list[Change], Any]] = {
    "linear -> lcmd": (linear, [], by_distance(cluster=True, train=True)),
    "linear -> lcmd(p)": (linear, [], by_distance(cluster=True, train=False)),
    "linear -> scale -> posterior(0.5) -> max-diag": (linear, [scale, posterior(0.5)], max_diag),
    "last-layer -> scale -> posterior(0.3) -> max-det(0.3)": (
        last_layer,
        [scale, posterior(0.3)],
        max_det(0.3, train=False),
    ),
    "linear -> scale -> max-det(tp, 0.2)": (linear, [scale], max_det(0.2, train=True)),
    "last-layer -> scale -> posterior(0.1) -> lcmd": (
        last_layer,
        [scale, posterior(0.1)],
        by_distance(cluster=True, train=True),
    ),
    "linear(2) -> posterior(0.4) -> ensemble -> scale -> max-det(0.1)": (
        linear,
        [],
        max_det(0.1, train=False),
    ),
    "nngp -> scale -> max-det(tp, 0.1)": (nngp, [scale], max_det(0.1, train=True)),
    "nngp -> scale -> posterior(0.1) -> max-det(0.1)": (
        nngp,
        [scale, posterior(0.1)],
        max_det(0.1, train=False),
    ),
    "nngp -> scale -> lcmd": (nngp, [scale], by_distance(cluster=True, train=True)),
    "nngp -> scale -> posterior(0.5) -> max-dist": (nngp, [scale, posterior(0.5)], DISTANT),
    "nngp -> scale -> posterior(0.5) -> max-diag": (nngp, [scale, posterior(0.5)], max_diag),
}


def _members(budget: int, embeddings: Matrix, labelled_embeddings: Matrix | None = None) -> Any:
    """Two models' kernels, each conditioned by itself, and their sum."""
    labelled = [] if labelled_embeddings is None else [labelled_embeddings]
    rows, pool = np.concatenate([embeddings, *labelled]), len(embeddings)
    half = rows.shape[1] // 2
    parts = [posterior(0.4)(linear(part), pool) for part in (rows[:, :half], rows[:, half:])]
    return max_det(0.1, train=False)(scale(parts[0] + parts[1], pool), pool, budget)


exact("bmdal")(scheme(linear, [], by_distance(cluster=True, train=True)))
for _text, (_kernel, _changes, _select) in SCHEMES.items():
    _define = _members if "ensemble" in _text else scheme(_kernel, _changes, _select)
    exact(f"bmdal(scheme={_text})")(_define)

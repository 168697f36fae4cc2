"""What the benchmark of Parzen windows and its peer share: points in a plane, folds, the learner.

As in scikit-activeml's tutorial of evaluation ("Simple Evaluation Study"): 400 points of 30 blobs,
three classes, five folds, a Parzen window with the mean criterion's width, 50 labels from none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.model_selection import StratifiedKFold

CLASSES, LABELS, FOLDS = 3, 50, 5


class Fold(NamedTuple):
    """Points to choose from, and others to be told apart."""

    pool: Any
    classes: Any
    test: Any
    wanted: Any
    seed: int


def folds(seed: int) -> Iterator[Fold]:
    """The folds of a data set; that of seed 0 has the tutorial's points."""
    master = np.random.RandomState(seed)
    blobs = master.randint(0, 2**31)
    points, centres = make_blobs(
        n_features=2, centers=10 * CLASSES, n_samples=400, random_state=blobs
    )
    classes = centres % CLASSES
    cut = StratifiedKFold(FOLDS, shuffle=True, random_state=master.randint(0, 2**31))
    for number, (train, test) in enumerate(cut.split(points, classes)):
        yield Fold(
            points[train], classes[train], points[test], classes[test], FOLDS * seed + number
        )


class Window:
    """The Parzen window that learns, one label at a time."""

    def __init__(self, fold: Fold) -> None:
        rows, count = fold.pool, len(fold.pool)
        near = (count - 1) * np.log((count - 1) / 2e-12)
        self.gamma = near / (4 * count * rows.var(axis=0).sum())
        self.fold, self.counts = fold, np.zeros((len(fold.test), CLASSES))
        self.own = np.zeros((count, CLASSES))

    def learn(self, row: int) -> float:
        """Take a label; the share of the test set that is right then."""
        point, label = self.fold.pool[row], self.fold.classes[row]
        self.counts[:, label] += self._near(self.fold.test, point)
        self.own[:, label] += self._near(self.fold.pool, point)
        return float((self.counts.argmax(axis=1) == self.fold.wanted).mean())

    def probabilities(self) -> Any:
        """Of the classes of the pool."""
        total = self.own.sum(axis=1, keepdims=True)
        even = np.full_like(self.own, 1.0 / CLASSES)
        return np.divide(self.own, total, out=even, where=total > 0.0)

    def _near(self, rows: Any, point: Any) -> Any:
        return np.exp(-self.gamma * ((rows - point) ** 2).sum(axis=1))

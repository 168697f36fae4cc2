"""Problems of the learning curves: data, a model, how many labels when, and what is measured."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import learning_curves_features
import numpy as np
from learning_curves_data import CLASSES, Split, bundled, divide, each_class, filled_up, images
from learning_curves_models import FourierRidge, Model, SmallNetwork, SoftmaxRegression
from numpy.typing import NDArray

Pool = Callable[[NDArray[Any], np.random.Generator], tuple[NDArray[np.int64], int | None]]
"""Labels of all images, randomness: rows that are the pool, and a class that has no start."""


@dataclass(frozen=True)
class Problem:
    """One set of curves.

    Attributes:
        name: In results.
        kind: ``classes``, ``numbers`` or ``search`` (the highest number is wanted).
        measure: The main one, of which the area under the curve is taken.
        batch, rounds: Labels by round, and how many rounds after the start.
        split: What a seed sees.
        model: Makes the model of a seed, for such a split.
        only: Strategies that are run; empty: all that fit.
        also: Strategies that are wrapped in modifiers.
        seeds: How many.
        bound: Whether the model of all labels is fitted too, to compare with.
    """

    name: str
    kind: str
    measure: str
    batch: int
    rounds: int
    split: Callable[[int], Split]
    model: Callable[[Split, int], Model]
    only: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    seeds: int = 20
    bound: bool = True


def generator(seed: int, what: int) -> np.random.Generator:
    """Of a seed, for one purpose."""
    return np.random.default_rng([seed, what])


def of_bundled(name: str, start: int, *, classes: bool) -> Callable[[int], Split]:
    """Splits of a bundled set: by seed another test set, another start."""
    return lambda seed: divide(_bundled(name), start, generator(seed, 1), classes=classes)


_bundled = functools.lru_cache(bundled)


class Cifar:
    """CIFAR-10, or its stand-in, with features that are computed once and kept in a folder."""

    def __init__(self, path: Path | None, cache: Path | None) -> None:
        name = "querist-learning-curves-" + ("cifar10" if path else "generated")
        self.path, self.cache = path, (cache or Path(tempfile.gettempdir())) / name

    @functools.lru_cache  # noqa: B019 - there are two of them, for the life of the process
    def kept(self, kind: str) -> dict[str, NDArray[Any]]:
        """``images``, ``patches`` or ``network`` by part, and the labels; made where it is not."""
        file = self.cache / f"{kind}.npz"
        if not file.exists():
            self._make(kind, file)
        with np.load(file) as held:
            return dict(held)

    def _make(self, kind: str, file: Path) -> None:
        """The file appears whole or not at all."""
        self.cache.mkdir(parents=True, exist_ok=True)
        found = images(self.path)
        labels = {"pool_labels": found.pool[1], "test_labels": found.test[1]}
        if kind == "images":
            parts = {"pool": found.pool[0], "test": found.test[0]}
        else:
            parts = getattr(learning_curves_features, kind)(found)
        part = file.with_suffix(".part.npz")
        np.savez(part, **parts, **labels)
        part.rename(file)

    def split(self, kind: str, start: int, pool: Pool) -> Callable[[int], Split]:
        """Splits by seed; ``pool`` says which rows of the labels given are the pool."""

        def of(seed: int) -> Split:
            rng, held = generator(seed, 1), self.kept(kind)
            labels = held["pool_labels"]
            rows, without = pool(labels, rng)
            first = each_class(labels[rows], rng, without)
            allowed = np.flatnonzero(labels[rows] != without)
            places = np.searchsorted(allowed, first)
            more = allowed[filled_up(places, len(allowed), start, rng)]
            return Split(held["pool"][rows], labels[rows], held["test"], held["test_labels"], more)

        return of


def balanced(count: int) -> Pool:
    """So many rows of the pool, as many of each class on average."""
    return lambda labels, rng: (rng.choice(len(labels), count, replace=False), None)


def unseen(count: int) -> Pool:
    """As :func:`balanced`; one class, by seed, has no label at the start."""
    return lambda labels, rng: (
        rng.choice(len(labels), count, replace=False),
        int(rng.integers(CLASSES)),
    )


def long_tailed(
    labels: NDArray[Any], rng: np.random.Generator, most: int = 1_000
) -> tuple[NDArray[np.int64], None]:
    """Numbers of a class fall exponentially to a hundredth, in an order of classes by seed."""
    counts = np.round(most * 0.01 ** (np.arange(CLASSES) / (CLASSES - 1))).astype(int)
    parts = [
        rng.choice(np.flatnonzero(labels == one), count, replace=False)
        for one, count in zip(rng.permutation(CLASSES), counts, strict=True)
    ]
    return np.concatenate(parts), None


def _softmax(classes: int, penalty: float) -> Callable[[Split, int], Model]:
    return lambda _, __: SoftmaxRegression(classes, penalty)


def _ridge(noise: float, *, posterior: bool = False) -> Callable[[Split, int], Model]:
    return lambda split, seed: FourierRidge(split.inputs.shape[1], seed, noise, posterior=posterior)


# Of each family one that stands for it: a curve takes seconds.
NETWORK_ONLY = ("random", "margin", "bald", "badge", "k-center")
# On some problems, for time: those in use, and one of each kind.
COMMON = (
    "random", "least-confidence", "margin", "entropy", "bald", "epig", "badge", "dbal", "clue",
    "information-density", "k-center", "k-means", "typiclust", "maxherding", "lcmd",
)  # fmt: skip
# Modifiers, around the strategy that they suit.
WRAPPED = (
    "temperature(margin, beta=2)", "density-weighted(margin)", "sub-sampled(margin, size=300)",
    "class-balanced(margin)", "cold-start(margin, typiclust, until=50)",
)  # fmt: skip
# What ALaaS's figure 6 compares (arXiv 2207.09109), as this library names it; for figure 5 a few.
ALAAS = (
    "random", "least-confidence", "margin", "ratio", "entropy", "k-center", "k-means",
    "robust-k-center", "dbal",
)  # fmt: skip
BUDGETS = ("random", "least-confidence", "margin", "k-center", "dbal", "badge")


def _table(
    name: str, batch: int, rounds: int, start: int, model: Callable[[Split, int], Model]
) -> Problem:
    split = of_bundled(name, start, classes=True)
    return Problem(name, "classes", "accuracy", batch, rounds, split, model, also=WRAPPED)


def _numbers(name: str, noise: float) -> Problem:
    split = of_bundled(name, 20, classes=False)
    return Problem(name, "numbers", "rmse", 10, 10, split, _ridge(noise))


def _search(name: str) -> Problem:
    split, model = of_bundled(name, 10, classes=False), _ridge(0.05, posterior=True)
    return Problem(f"{name}-maximum", "search", "regret", 5, 10, split, model, bound=False)


def _cifar(
    cifar: Cifar, name: str, measure: str, batch: int, pool: Pool, only: tuple[str, ...] = ()
) -> Problem:
    kind = "patches" if name == "patches" else "network"
    split, model = cifar.split(kind, batch, pool), _softmax(CLASSES, 10.0)
    also = () if only else WRAPPED
    return Problem(f"cifar-{name}", "classes", measure, batch, 8, split, model, only, also)


def problems(cifar: Cifar) -> dict[str, Problem]:
    """All, by name, in the order in which they are run."""
    ten = _softmax(CLASSES, 10.0)
    found = [
        _table("digits", 20, 9, 20, _softmax(10, 1.0)),
        _numbers("friedman1", 0.05),
        _numbers("diabetes", 0.5),
        _cifar(cifar, "network", "accuracy", 20, balanced(2_000)),
        _cifar(cifar, "long-tail", "macro_f1", 50, long_tailed),
        Problem("cifar-one-round", "classes", "accuracy", 1_000, 1,
                cifar.split("network", 100, balanced(4_000)), ten, ALAAS),
        Problem("cifar-budget", "classes", "accuracy", 1_000, 5,
                cifar.split("network", 100, balanced(10_000)), ten, BUDGETS),
        _cifar(cifar, "unseen-class", "macro_f1", 20, unseen(2_000), COMMON),
        Problem("cifar-pixels", "classes", "accuracy", 100, 3,
                cifar.split("images", 200, balanced(2_000)),
                lambda _, __: SmallNetwork(CLASSES), NETWORK_ONLY, bound=False),
        _table("breast-cancer", 5, 10, 5, _softmax(2, 1.0)),
        _search("friedman1"),
        _search("friedman2"),
        _cifar(cifar, "patches", "accuracy", 50, balanced(2_000), COMMON),
        _numbers("friedman2", 0.05),
        _table("wine", 4, 8, 6, _softmax(3, 1.0)),
        _numbers("friedman3", 0.05),
    ]  # fmt: skip
    return {one.name: one for one in found}

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

    def split(
        self, kind: str, start: int, pool: Callable[[NDArray[Any], np.random.Generator], Any]
    ) -> Callable[[int], Split]:
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


def balanced(count: int) -> Callable[[NDArray[Any], np.random.Generator], Any]:
    """So many rows of the pool, as many of each class on average."""
    return lambda labels, rng: (rng.choice(len(labels), count, replace=False), None)


def unseen(count: int) -> Callable[[NDArray[Any], np.random.Generator], Any]:
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


NETWORK_ONLY = (
    "random", "margin", "entropy", "least-confidence", "bald", "badge", "dbal", "clue",
    "k-center", "k-means", "k-means++", "typiclust", "probcover", "max-herding",
    "cluster-margin",
)  # fmt: skip


# What ALaaS's figure 6 compares (arXiv 2207.09109), as this library names it.
ALAAS = (
    "random", "least-confidence", "margin", "ratio", "entropy", "k-center", "k-means",
    "robust-k-center", "dbal",
)  # fmt: skip


def problems(cifar: Cifar) -> dict[str, Problem]:
    """All, by name, in the order in which they are run."""
    ten = _softmax(CLASSES, 10.0)
    found = [
        Problem("digits", "classes", "accuracy", 20, 9,
                of_bundled("digits", 20, classes=True), _softmax(10, 1.0)),
        Problem("wine", "classes", "accuracy", 4, 8,
                of_bundled("wine", 6, classes=True), _softmax(3, 1.0)),
        Problem("breast-cancer", "classes", "accuracy", 5, 10,
                of_bundled("breast-cancer", 5, classes=True), _softmax(2, 1.0)),
        *(Problem(name, "numbers", "rmse", 10, 10, of_bundled(name, 20, classes=False),
                  _ridge(noise))
          for name, noise in (("diabetes", 0.5), ("friedman1", 0.05), ("friedman2", 0.05),
                              ("friedman3", 0.05))),
        *(Problem(f"{name}-maximum", "search", "regret", 5, 10,
                  of_bundled(name, 10, classes=False), _ridge(0.05, posterior=True), bound=False)
          for name in ("friedman1", "friedman2")),
        Problem("cifar-patches", "classes", "accuracy", 50, 8,
                cifar.split("patches", 50, balanced(3_000)), ten),
        Problem("cifar-network", "classes", "accuracy", 20, 8,
                cifar.split("network", 20, balanced(3_000)), ten),
        Problem("cifar-long-tail", "classes", "macro_f1", 50, 8,
                cifar.split("network", 50, long_tailed), ten),
        Problem("cifar-unseen-class", "classes", "macro_f1", 20, 8,
                cifar.split("network", 20, unseen(3_000)), ten),
        Problem("cifar-budget", "classes", "accuracy", 500, 9,
                cifar.split("network", 500, balanced(10_000)), ten, (*ALAAS, "badge")),
        Problem("cifar-one-round", "classes", "accuracy", 2_500, 1,
                cifar.split("network", 250, balanced(10_000)), ten, ALAAS),
        Problem("cifar-pixels", "classes", "accuracy", 100, 4,
                cifar.split("images", 200, balanced(2_000)),
                lambda _, __: SmallNetwork(CLASSES), NETWORK_ONLY, bound=False),
    ]  # fmt: skip
    return {one.name: one for one in found}

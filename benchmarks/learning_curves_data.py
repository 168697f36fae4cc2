"""Data of the learning curves: scikit-learn's bundled and synthetic sets, CIFAR-10 or a stand-in.

Nothing is fetched. CIFAR-10 is read from a tar file of JPEG files, ``train/CLASS/NNNN.jpg`` and
``test/CLASS/NNNN.jpg``, where one is named; without it images are generated, and results say so.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
# Of each class: the first so many files of train/ are for pools, the next for learning features.
POOL, APART, TEST = 1_000, 1_000, 200
CLASSES = 10


@dataclass(frozen=True, slots=True)
class Split:
    """What one seed sees.

    Attributes:
        inputs: ``(n, ...)`` of the pool. targets: ``(n,)``. test_inputs, test_targets: as those.
        start: Rows of the pool that have a label at the start.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    test_inputs: NDArray[Any]
    test_targets: NDArray[Any]
    start: NDArray[np.int64]


def standardised(inputs: Matrix, like: Matrix) -> Matrix:
    """Zero mean and unit variance by the pool; no label is looked at."""
    spread = like.std(axis=0)
    return (inputs - like.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)


def bundled(name: str) -> tuple[Matrix, NDArray[Any]]:
    """One of scikit-learn's bundled or synthetic sets."""
    from sklearn import datasets

    loaders: dict[str, Callable[[], Any]] = {
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
        "breast-cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
    }
    if name in loaders:
        found = loaders[name]()
        return np.asarray(found.data, float), np.asarray(found.target)
    makers: dict[str, Callable[..., Any]] = {
        "friedman1": datasets.make_friedman1,
        "friedman2": datasets.make_friedman2,
        "friedman3": datasets.make_friedman3,
    }
    noise = {"friedman1": 1.0, "friedman2": 125.0, "friedman3": 0.1}[name]
    inputs, targets = makers[name](n_samples=1_500, noise=noise, random_state=0)
    return np.asarray(inputs), np.asarray(targets)


def divide(
    data: tuple[Matrix, NDArray[Any]], start: int, rng: np.random.Generator, *, classes: bool
) -> Split:
    """A third is the test set; of classification each class has one label at the start at least."""
    inputs, targets = data
    if not classes:
        targets = (targets - targets.mean()) / targets.std()
    order = rng.permutation(len(inputs))
    test, pool = np.split(order, [len(order) // 3])
    seen = standardised(inputs, inputs[pool])
    first = each_class(targets[pool], rng) if classes else np.zeros(0, np.int64)
    return Split(
        seen[pool],
        targets[pool],
        seen[test],
        targets[test],
        filled_up(first, len(pool), start, rng),
    )


def each_class(
    targets: NDArray[Any], rng: np.random.Generator, without: int | None = None
) -> NDArray[np.int64]:
    """One row of each class, but for one that is left out."""
    wanted = [one for one in np.unique(targets) if one != without]
    return np.array([rng.choice(np.flatnonzero(targets == one)) for one in wanted], np.int64)


def filled_up(
    first: NDArray[np.int64], pool: int, start: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """So many rows at random beside the first ones."""
    rest = np.setdiff1d(np.arange(pool), first)
    return np.concatenate([first, rng.choice(rest, max(0, start - len(first)), replace=False)])


@dataclass(frozen=True, slots=True)
class Images:
    """CIFAR-10 or the stand-in, ``(n, 32, 32, 3)`` uint8 with labels, in three disjoint parts."""

    pool: tuple[NDArray[np.uint8], NDArray[np.int64]]
    apart: tuple[NDArray[np.uint8], NDArray[np.int64]]
    test: tuple[NDArray[np.uint8], NDArray[np.int64]]
    source: str


def images(path: Path | None) -> Images:
    """The images of a tar file, or generated ones."""
    return _generated() if path is None else _from_tar(path)


def _from_tar(path: Path) -> Images:
    from PIL import Image

    kept: dict[str, list[tuple[str, int, NDArray[np.uint8]]]] = {
        "pool": [],
        "apart": [],
        "test": [],
    }
    with tarfile.open(path) as packed:
        for member in packed:
            part = _part_of(member.name) if member.isfile() else None
            if part:
                data = packed.extractfile(member)
                assert data is not None
                picture = Image.open(io.BytesIO(data.read())).convert("RGB")
                name = Path(member.name)
                kept[part].append((name.parent.name, int(name.stem), np.asarray(picture)))
    parts = {part: _arrays(found) for part, found in kept.items()}
    return Images(parts["pool"], parts["apart"], parts["test"], "CIFAR-10")


def _part_of(name: str) -> str | None:
    folder, number = name.split("/")[0], int(Path(name).stem)
    if folder == "test":
        return "test" if number < TEST else None
    if number < POOL:
        return "pool"
    return "apart" if number < POOL + APART else None


def _arrays(
    found: list[tuple[str, int, NDArray[np.uint8]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    found = sorted(found, key=lambda one: one[:2])
    names = sorted({name for name, _, _ in found})
    labels = np.array([names.index(name) for name, _, _ in found])
    return np.stack([picture for _, _, picture in found]), labels


def _generated() -> Images:
    """Smooth patterns, three a class, shifted, blended with each other and in noise."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(CLASSES, 3, 8, 8, 3))
    patterns = coarse.repeat(4, axis=2).repeat(4, axis=3)

    def some(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = np.repeat(np.arange(CLASSES), count)
        chosen = patterns[labels, rng.integers(3, size=len(labels))]
        other = patterns[rng.integers(CLASSES, size=len(labels)), rng.integers(3, size=len(labels))]
        share = rng.uniform(0.0, 0.6, size=(len(labels), 1, 1, 1))
        shifts = rng.integers(-4, 5, size=(len(labels), 2))
        mixed = (1.0 - share) * chosen + share * other + rng.normal(size=chosen.shape)
        moved = [np.roll(one, shift, axis=(0, 1)) for one, shift in zip(mixed, shifts, strict=True)]
        return np.clip(128.0 + 40.0 * np.stack(moved), 0.0, 255.0).astype(np.uint8), labels

    return Images(some(POOL), some(APART // 4), some(TEST), "generated images")

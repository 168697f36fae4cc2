"""Synthetic data of every kind that a strategy may need, without ties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.strategies.contract import Strategy
from querist.strategies.needs import NEEDS, Belongs

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """Of a synthetic pool: items, classes, members, features, labelled items."""

    items: int = 30
    classes: int = 4
    members: int = 5
    features: int = 6
    labelled: int = 7


def _softmax(logits: Matrix) -> Any:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _members(rng: np.random.Generator, items: int, size: Size) -> Any:
    """Members that agree on some items and not on others."""
    common = 2.0 * rng.normal(size=(items, 1, size.classes))
    apart = rng.gamma(1.0, size=(items, 1, 1)) * rng.normal(
        size=(items, size.members, size.classes)
    )
    return _softmax(common + apart)


def _clusters(rng: np.random.Generator, items: int, size: Size) -> Matrix:
    centres = 3.0 * np.random.default_rng(7).normal(size=(5, size.features))
    return centres[rng.integers(5, size=items)] + rng.normal(size=(items, size.features))


# Budgets for the test of memory on a large pool, where the usual one would take long.
LARGE_BUDGETS = {
    "batchbald": 3,
    "bait": 60,
    "qlogei": 2,
    "maxherding": 20,
    "expected-error-reduction": 3,
}
# Smaller pools there, where the time grows with the square of their size.
LARGE_ITEMS = {"epistemic": 8_000, "mcpal": 8_000, "probcover": 8_000, "qlogei": 10_000}
# Strategies that are defined for two classes of labelled items only.
TWO_CLASSES = ("epistemic",)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A classifier from torch batches to logits, whose boundaries are known.

    Attributes:
        weights: ``(C, d)``.
        offsets: ``(C,)``.
    """

    weights: Matrix
    offsets: Matrix

    def __call__(self, batch: Any) -> Any:
        """``(k, C)`` logits of ``(k, d)``, on the batch's device."""
        weights, offsets = (batch.new_tensor(part) for part in (self.weights, self.offsets))
        return batch @ weights.T + offsets


def _linear_model(rng: np.random.Generator, size: Size) -> LinearModel:
    weights = rng.normal(size=(size.classes, size.features))
    return LinearModel(weights, rng.normal(size=size.classes))


# How to make each kind of data; the tests fail for a kind that is missing here.
MAKERS: dict[str, Callable[[np.random.Generator, Size], Any]] = {
    "probabilities": lambda rng, size: _softmax(2 * rng.normal(size=(size.items, size.classes))),
    "label_probabilities": lambda rng, size: rng.random((size.items, size.classes)),
    "member_probabilities": lambda rng, size: _members(rng, size.items, size),
    "target_member_probabilities": lambda rng, size: _members(rng, size.labelled, size),
    "member_predictions": lambda rng, size: rng.normal(size=(size.items, size.members)),
    "predictions": lambda rng, size: rng.normal(size=size.items),
    "std": lambda rng, size: rng.gamma(2.0, size=size.items),
    "embeddings": lambda rng, size: _clusters(rng, size.items, size),
    "gradients": lambda rng, size: rng.normal(size=(size.items, 2 * size.features)),
    "costs": lambda rng, size: rng.gamma(2.0, size=size.items) + 0.1,
    "items": lambda rng, size: rng.normal(size=(size.items, size.features)),
    "inputs": lambda rng, size: rng.normal(size=(size.items, size.features)),
    "labelled_embeddings": lambda rng, size: _clusters(rng, size.labelled, size),
    "model": _linear_model,
    "labels": lambda rng, size: rng.normal(size=size.labelled),
    "labelled_classes": lambda rng, size: rng.integers(size.classes, size=size.labelled),
    "labelled_costs": lambda rng, size: rng.gamma(2.0, size=size.labelled) + 0.1,
}


def data_for(
    strategy: Strategy, seed: int, size: Size | None = None, optional: bool = False
) -> dict[str, Any]:
    """What a strategy needs, of one pool, as float64 arrays that cannot be written to.

    The numbers fit float32, so that tests of dtypes compare the same numbers.

    Args:
        strategy: Whose needs.
        seed: Of the pool.
        size: Its size.
        optional: Whether data that it can do without are made too.
    """
    rng = np.random.default_rng([seed, 17])
    names = (*strategy.needs, *(strategy.optional if optional else ()))
    size = size or Size()
    size = replace(size, classes=2) if strategy.name in TWO_CLASSES else size
    return {name: _fixed(MAKERS[name](rng, size)) for name in names}


def _fixed(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    rounded = value.astype(np.float32).astype(np.float64)
    rounded.setflags(write=False)
    return rounded


def of_pool(data: Mapping[str, Any]) -> list[str]:
    """Which of the data have a row an item of the pool."""
    return [name for name in data if NEEDS[name].belongs is Belongs.POOL]


def changed(data: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The data with what has a row an item of the pool changed."""
    pool = of_pool(data)
    return {name: change(value) if name in pool else value for name, value in data.items()}

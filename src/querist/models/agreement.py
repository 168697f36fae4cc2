"""How far two ways to run a model pick the same items: what bfloat16 or another backend changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError

from .inferring import Inference

Outputs = Mapping[str, NDArray[Any]]
Pick = Callable[[Outputs], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two models have in common.

    Attributes:
        share: Of the picks of the first, how many the second picks too, from 0 to 1.
        picks: How many each picks.
        rows: How many items both were run on.
        differences: Largest absolute difference of each output.
        seconds: What each took, compilation included.
    """

    share: float
    picks: int
    rows: int
    differences: Mapping[str, float]
    seconds: tuple[float, float]


def agreement(
    first: Inference,
    second: Inference,
    batches: Iterable[Any],
    pick: Pick,
    wanted: frozenset[str] = frozenset({"probabilities"}),
) -> Agreement:
    """Run two models on the same items and compare what a strategy picks by their outputs.

    Args:
        first: The reference.
        second: Compared with it.
        batches: Items, batch by batch; held in memory one at a time.
        pick: From outputs of all items to the rows that are picked.
        wanted: What ``pick`` needs.

    Raises:
        ConfigError: If a model does not provide what is wanted.
        ShapeError: If there is no item, or the models give different shapes.
    """
    models, spent = (first, second), [0.0, 0.0]
    parts: tuple[list[Outputs], list[Outputs]] = ([], [])
    for batch in batches:
        for at, model in enumerate(models):
            began = time.perf_counter()
            parts[at].append(model.infer(batch, wanted))
            spent[at] += time.perf_counter() - began
    if not parts[0]:
        raise ShapeError("agreement is measured on at least one batch, but got none.")
    one, two = (
        {name: np.concatenate([part[name] for part in own]) for name in wanted} for own in parts
    )
    for name in wanted:
        if one[name].shape != two[name].shape:
            raise ShapeError(
                f"the models give {name} of different shapes: {one[name].shape} and "
                f"{two[name].shape}."
            )
    picked, also = np.unique(pick(one)), np.unique(pick(two))
    shared = len(np.intersect1d(picked, also))
    gaps = {name: float(np.abs(one[name] - two[name]).max(initial=0.0)) for name in wanted}
    rows = len(next(iter(one.values())))
    return Agreement(shared / max(1, len(picked)), len(picked), rows, gaps, (spent[0], spent[1]))

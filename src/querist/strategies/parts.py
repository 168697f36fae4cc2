"""Items of several parts: boxes of an image, tokens of a text. Parts are scored, items picked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.arrays import host
from querist.strategies.checks import generator, whole_budget, within
from querist.strategies.contract import Selection, Strategy
from querist.strategies.ranking import Best
from querist.strategies.registry import get

Vector = NDArray[np.float64]
# Of an item without parts: behind all others.
NOTHING = -float(np.finfo(np.float64).max)


def select_items(
    strategy: str | Strategy,
    budget: int,
    offsets: Any,
    *,
    how: str = "mean",
    rng: np.random.Generator | int | None = None,
    **data: Any,
) -> Selection:
    """Pick items by the scores of their parts, as boxes by Brust et al. 2019 (arXiv 1809.09875).

    Args:
        strategy: One that scores rows by themselves; its rows are the parts.
        budget: How many items, from 1 to the number of items.
        offsets: ``(n + 1,)`` where the parts of each item begin, and their number at the end.
        how: "mean", "sum", "max", or "top-3": the mean of the three (or any number) highest, of all
            where there are fewer.
        rng: Orders ties; without it the lower index goes first.
        **data: What the strategy needs, with a row a part, and its options.

    Returns:
        Indices of items and their scores; items without parts come last.

    Raises:
        NeedError: If the strategy picks rows together.
        ShapeError: If the offsets do not fit the parts.
        ConfigError: If ``how`` is none of these.
        BudgetError: If the budget cannot be.
    """
    count = whole_budget(budget)
    chosen = get(strategy) if isinstance(strategy, str) else strategy
    scores = aggregated(chosen.scores(**data), offsets, how)
    within(count, len(scores))
    seed = None if rng is None else int(generator(rng, chosen.name).integers(2**62))
    best = Best(count, seed)
    best.add(0, scores)
    return Selection(*best.result(), f"{chosen.name} by {how}", len(scores))


def aggregated(scores: Any, offsets: Any, how: str = "mean") -> Vector:
    """``(n,)`` score of each item from those of its parts.

    Args:
        scores: ``(m,)`` scores of the parts, item after item.
        offsets: ``(n + 1,)`` where the parts of each item begin, and m at the end.
        how: As of :func:`select_items`.

    Raises:
        ShapeError: If the offsets do not fit.
        ConfigError: If ``how`` is unknown.
    """
    values, borders = np.asarray(host(scores), float), _checked(offsets, len(scores))
    combine = _combiner(how)
    found = np.full(len(borders) - 1, NOTHING)
    full = np.diff(borders) > 0
    if full.any():
        found[full] = combine(values, borders[:-1][full], np.diff(borders)[full])
    return found


def _checked(offsets: Any, parts: int) -> NDArray[np.int64]:
    borders = np.asarray(host(offsets))
    whole = borders.ndim == 1 and len(borders) > 0 and np.issubdtype(borders.dtype, np.integer)
    if not whole or borders[0] != 0 or borders[-1] != parts or (np.diff(borders) < 0).any():
        raise ShapeError(
            f"offsets are whole numbers that never fall, from 0 to the {parts} parts, one more "
            f"than there are items; got {borders.tolist() if borders.size < 9 else borders}."
        )
    return borders.astype(np.int64)


Combine = Callable[[Vector, NDArray[np.int64], NDArray[np.int64]], Vector]


def _combiner(how: str) -> Combine:
    simple: dict[str, Combine] = {
        "mean": lambda values, starts, counts: np.add.reduceat(values, starts) / counts,
        "sum": lambda values, starts, _: np.add.reduceat(values, starts),
        "max": lambda values, starts, _: np.maximum.reduceat(values, starts),
    }
    if how in simple:
        return simple[how]
    kind, _, number = how.partition("-")
    if kind != "top" or not number.isdecimal() or int(number) < 1:
        raise ConfigError(f"how is mean, sum, max or top-3 (any number from 1 on), got {how!r}.")
    return lambda values, starts, counts: _top(values, starts, counts, int(number))


def _top(values: Vector, starts: NDArray[np.int64], counts: NDArray[np.int64], most: int) -> Vector:
    """Mean of the highest few of each item."""
    items = np.repeat(np.arange(len(starts)), counts)
    order = np.lexsort((-values, items))
    kept = order[np.arange(len(order)) - np.repeat(starts, counts) < most]
    fewer = np.minimum(counts, most)
    begins = np.concatenate([[0], np.cumsum(fewer)[:-1]])
    return np.asarray(np.add.reduceat(values[kept], begins) / fewer, float)

"""Arguments and rows that cannot be used are refused with what was wanted and what was got."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, filled, host, is_floating, namespace
from querist.strategies.errors import BudgetError, NeedError
from querist.strategies.needs import Holds

# How far a row of probabilities may be from summing to one, by the bytes of a number: many classes
# rounded to float16 or bfloat16 add up to that, and may have been widened since.
SUM_TOLERANCE = {2: 3e-2, 4: 1e-2, 8: 1e-2}


def whole_budget(budget: object) -> int:
    """The budget as a number of items.

    Raises:
        BudgetError: If it is no whole number above zero.
    """
    if isinstance(budget, bool) or not isinstance(budget, Integral):
        raise BudgetError(
            f"a budget is a whole number of items, but got {budget!r}; for a share of the pool "
            "multiply it with the pool's size and round."
        )
    if budget < 1:
        raise BudgetError(f"a budget is at least 1 item, but got {budget}.")
    return int(budget)


def within(budget: int, pool: int) -> None:
    """Refuse a budget above the size of the pool.

    Raises:
        BudgetError: If it is.
    """
    if budget > pool:
        raise BudgetError(f"a budget of {budget} items is more than the pool's {pool}; lower it.")


def generator(rng: object, strategy: str) -> np.random.Generator:
    """A generator of randomness, from itself or a seed.

    Raises:
        NeedError: If it is neither.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return np.random.default_rng(int(rng))
    raise NeedError(
        f"{strategy} draws at random: give rng=, a seed or a numpy.random.Generator; got {rng!r}."
    )


def bad_rows(block: Array, holds: Holds) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """What is wrong with a block of rows, and with which, counted from its beginning.

    One product with a vector of ones looks at everything: a sum is finite only if its terms are
    (or they overflowed, which is looked into before anybody is blamed).
    """
    if holds is Holds.ANYTHING or not len(block):
        return
    last = block.shape[-1] if block.ndim > 1 else 1
    flat = block.reshape(-1, last)
    with np.errstate(all="ignore"):
        sums = _sums(flat)
    found = _not_finite(block, sums)
    if len(found):
        yield "have values that are NaN or infinite. Drop or repair them.", found
    elif holds is Holds.PROBABILITIES:
        yield from _not_probabilities(block, flat, sums)
    elif holds is Holds.SHARES:
        yield from _not_shares(block)


def _sums(flat: Array) -> Array:
    if flat.shape[1] == 1:
        return flat[:, 0]
    if getattr(flat.dtype, "itemsize", 8) < 4 or not is_floating(flat):
        return namespace(flat).sum(flat, axis=1)
    return flat @ filled(flat.shape[1], 1.0, str(flat.dtype).rpartition(".")[2], flat)


def _not_finite(block: Array, sums: Array) -> NDArray[np.int64]:
    if not is_floating(block):
        return np.zeros(0, np.int64)
    odd = ~np.isfinite(host(sums)).reshape(len(block), -1).all(axis=1)
    rows = np.flatnonzero(odd)
    if not len(rows):
        return rows
    finite = np.isfinite(host(block[rows])).reshape(len(rows), -1).all(axis=1)
    return np.asarray(rows[~finite], np.int64)


def _not_probabilities(
    block: Array, flat: Array, sums: Array
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    tolerance = SUM_TOLERANCE[getattr(block.dtype, "itemsize", 8)] if is_floating(block) else 0.0
    off = np.abs(host(sums).astype(float) - 1.0).reshape(len(block), -1).max(axis=1)
    if off.max() > tolerance:
        worst = float(host(sums).ravel()[np.argmax(np.abs(host(sums) - 1.0))])
        sentence = f"are no probabilities: one sums to {worst:.6g} where 1 is wanted. Give softmax."
        yield sentence, np.flatnonzero(off > tolerance)
    elif float(namespace(flat).amin(flat)) < -tolerance:
        low = host(namespace(flat).amin(block.reshape(len(block), -1), axis=1))
        yield "have negative probabilities.", np.flatnonzero(low < -tolerance)


def _not_shares(block: Array) -> Iterator[tuple[str, NDArray[np.int64]]]:
    tolerance = SUM_TOLERANCE.get(getattr(block.dtype, "itemsize", 8), 1e-3)
    xp, rows = namespace(block), block.reshape(len(block), -1)
    low, high = host(xp.amin(rows, axis=1)), host(xp.amax(rows, axis=1))
    odd = np.flatnonzero((low < -tolerance) | (high > 1.0 + tolerance))
    if len(odd):
        yield "have values that are not from 0 to 1. Give sigmoid's output, not its input.", odd

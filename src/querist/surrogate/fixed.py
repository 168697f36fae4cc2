"""Inputs that were the same in all labels: no model knows what another value does.

Most models pass over a column that never varied, or take a small step in it for no step at all. So
where a call has another value there than all labels had, the model is not asked: it is simulated,
learned from, and the value is no longer the same in all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch, Column
from querist.core.roles import ModelState

FORMAT = "querist.surrogate.fixed/1"
NUMBERS, TEXT = "biuf", "US"
SAME = 1e-9  # of a number itself,
ROUNDING = 1e-15  # or of the largest one of its field: less is no other value
Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fixed_of(inputs: Batch) -> ModelState | None:
    """What ``n`` inputs have in common; None where that is nothing.

    Numbers are kept one by one, NaN where they vary; texts where a whole field is the same. Fields
    whose shape changes have nothing in common.
    """
    arrays: dict[str, Vector] = {}
    texts: dict[str, Any] = {}
    for name, column in inputs.columns.items():
        if not column.is_uniform or not len(column):
            continue
        values = column.uniform
        if values.dtype.kind in NUMBERS:
            numbers = np.asarray(values, np.float64)
            same = ~(np.abs(numbers - numbers[0]) > slack(numbers[0])).any(axis=0)
            if same.any():
                arrays[name] = np.where(same, numbers[0], np.nan)
        elif values.dtype.kind in TEXT and (values == values[0]).all():
            texts[name] = values[0].tolist()
    if not arrays and not texts:
        return None
    return ModelState(arrays, {"format": FORMAT, "texts": texts})


def slack(values: Vector) -> Vector:
    """How far each of the numbers of a field may lie from a number that is the same."""
    sizes = np.nan_to_num(np.abs(values))
    found: Vector = np.maximum(SAME * sizes, ROUNDING * sizes.max(initial=0.0))
    return found


class Fixed:
    """Says which inputs differ in what was always the same.

    Args:
        state: What :func:`fixed_of` gave.
    """

    def __init__(self, state: ModelState) -> None:
        held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
        self._numbers = {name: (array, slack(array)) for name, array in held.items()}
        self._texts = {name: np.asarray(text) for name, text in state.data["texts"].items()}

    def moved(self, batch: Batch) -> Flags:
        """``(n,)`` whether one of them is another; other fields are the model's to judge."""
        found = np.zeros(len(batch), np.bool_)
        for name, (wanted, allowed) in self._numbers.items():
            values = _alike(batch.columns.get(name), wanted.shape, NUMBERS)
            if values is not None:  # what varied is NaN, from which nothing is far
                far = np.abs(np.asarray(values, np.float64) - wanted) > allowed
                found |= far.reshape(len(far), -1).any(axis=1)
        for name, text in self._texts.items():
            values = _alike(batch.columns.get(name), text.shape, TEXT)
            if values is not None:
                found |= (values != text).reshape(len(values), -1).any(axis=1)
        return found


def _alike(column: Column | None, shape: tuple[int, ...], kinds: str) -> NDArray[Any] | None:
    """``(n, ...)`` values of a column, if they are of this shape and kind."""
    if column is None or not len(column) or not column.is_uniform:
        return None
    values: NDArray[Any] = column.uniform
    return values if values.shape[1:] == shape and values.dtype.kind in kinds else None

"""Rows that are made of other rows, a block at a time: nothing is kept but the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies.arrays import Array, dense, namespace
from querist.strategies.rows import Rows, block_rows, rows_of, together

# Numbers of made rows that are kept in memory to spare making them anew at every reading.
HELD = 1 << 23


class Mapped(Rows):
    """What a function makes of each block of other rows.

    Args:
        bases: Rows of the same items.
        function: From a block of each base to a block of as many rows.
        width: Numbers in a row that it makes.
    """

    def __init__(
        self, bases: Sequence[Rows], function: Callable[..., Array], width: int, name: str = ""
    ) -> None:
        super().__init__(name or bases[0].name, bases[0].need)
        self._bases, self._function, self._width = tuple(bases), function, width
        self._checked = True  # the bases check themselves

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, width)``."""
        return (len(self._bases[0]), self._width)

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        shapes = [self.shape, *(base.shape for base in self._bases)]
        step = size or min(map(block_rows, shapes))
        for start, blocks in together(self._bases, step):
            yield start, self._function(*blocks)

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        return self._function(*(base.take(indices) for base in self._bases))


def held(rows: Rows, numbers: int = HELD) -> Rows:
    """The rows in memory, float64, if that takes no more than so many numbers; else as they are."""
    if rows.in_memory or len(rows) * rows.shape[1] > numbers:
        return rows
    blocks = [dense(block) for _, block in rows.blocks()]
    found = rows_of(rows.name, rows.need, namespace(blocks[0]).concatenate(blocks))
    found._checked = True
    return found


def table(rows: Rows) -> Rows:
    """``(n,)`` or ``(n, o)`` rows as ``(n, o)``."""
    if len(rows.shape) == 2:
        return rows
    return Mapped([rows], lambda block: block[:, None], 1)


def vector(rows: Rows) -> Rows:
    """``(n,)``, ``(n, 1)`` or ``(n, T, 1)`` rows without the axis of the one output.

    Raises:
        ShapeError: If there are several outputs.
    """
    if rows.shape[-1] == 1 and len(rows.shape) == max(rows.need.ndim):
        return _Flat(rows)
    if len(rows.shape) == max(rows.need.ndim):
        raise ShapeError(
            f"this method is for one number an item, but {rows.name} have {rows.shape[-1]}."
        )
    return rows


class _Flat(Rows):
    """Rows without their last axis, of length one."""

    def __init__(self, base: Rows) -> None:
        super().__init__(base.name, base.need)
        self._base, self._checked = base, True

    @property
    def shape(self) -> tuple[int, ...]:
        return self._base.shape[:-1]

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        return ((start, block[..., 0]) for start, block in self._base.blocks(size))

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        return self._base.take(indices)[..., 0]

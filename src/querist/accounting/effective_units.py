"""What a speed-up is resampled from: calls, slices and fits, in blocks, of which few are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS = 512  # at least half as many once there were more units than that
RESAMPLES = 1000


class Units:
    """Rows of equal meaning, in time order; neighbours are merged so that few are kept.

    A row is the sum of what happened in one call, or in a stretch of neighbouring calls: resampling
    such blocks keeps what is correlated in time together (Kunsch, Ann. Stat. 17, 1217, 1989).

    Args:
        columns: Of a row.
        blocks: That are kept at most.
    """

    def __init__(self, columns: int, blocks: int = BLOCKS) -> None:
        self._columns, self._blocks = columns, blocks
        self._rows: list[list[float]] = []
        self._open: list[float] = [0.0] * columns
        self._filled, self._size = 0, 1

    def add(self, row: list[float]) -> None:
        """One more unit."""
        self._open = [a + b for a, b in zip(self._open, row, strict=True)]
        self._filled += 1
        if self._filled >= self._size:
            self._rows.append(self._open)
            self._open, self._filled = [0.0] * self._columns, 0
        if len(self._rows) >= self._blocks:
            pairs = zip(self._rows[::2], self._rows[1::2], strict=True)
            self._rows = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
            self._size *= 2

    def table(self) -> Floats:
        """``(n, columns)`` blocks; the sum over them is exact."""
        rows = [*self._rows, self._open] if self._filled else self._rows
        return np.array(rows, np.float64).reshape(-1, self._columns)

    def sums(self) -> Floats:
        """``(columns,)`` over all units."""
        total: Floats = self.table().sum(axis=0)
        return total


def resampled(tables: list[Floats], seed: int = 0, times: int = RESAMPLES) -> list[Floats]:
    """Sums of rows drawn with replacement, independently for each table.

    Args:
        tables: ``(n_i, c_i)`` blocks.
        seed: Of the draws.
        times: How many samples.

    Returns:
        ``(times, c_i)`` for each table; of a table with fewer than two rows its own sums.
    """
    rng = np.random.default_rng(seed)
    found = []
    for table in tables:
        n = len(table)
        if n < 2:
            found.append(np.repeat(table.sum(axis=0, keepdims=True), times, axis=0))
            continue
        weights = rng.multinomial(n, np.full(n, 1 / n), size=times).astype(np.float64)
        found.append(weights @ table)
    return found


def interval(values: list[float | None], share: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval of resampled values (Efron, Ann. Stat. 7, 1, 1979)."""
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values) // 2):
        return None
    low, high = np.quantile(known, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def intervals(
    tables: list[Floats], quantity: Callable[..., float | None]
) -> tuple[float, float] | None:
    """Bootstrap interval of a quantity that is a function of the tables' sums.

    None where no table has two rows: one unit says nothing of the spread.
    """
    if all(len(table) < 2 for table in tables):
        return None
    samples = resampled(tables)
    return interval([quantity(*sums) for sums in zip(*samples, strict=True)])

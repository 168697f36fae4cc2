"""Bounded records of unbounded streams, and what makes values fit for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

POINTS = 1000  # rows of a series in a summary


class Series:
    """Rows of named numbers over time, thinned to every 2**k-th and the last one.

    Args:
        limit: At most this many rows are given, at least 4.
    """

    def __init__(self, limit: int = POINTS) -> None:
        self._limit = max(limit, 4)
        self._stride = 1
        self._seen = 0
        self._rows: list[tuple[float, dict[str, Any]]] = []
        self._last: tuple[float, Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return self._seen

    def add(self, t: float, row: Mapping[str, Any]) -> None:
        """Take a row. It may be a live mapping (a counter): it is copied only when it is kept."""
        if self._seen % self._stride == 0:
            self._rows.append((t, dict(row)))
            if len(self._rows) >= self._limit:
                del self._rows[1::2]
                self._stride *= 2
        self._seen += 1
        self._last = (t, row)

    def columns(self, missing: Any = None) -> dict[str, list[Any]]:
        """A list "t" and one list for each name; ``missing`` where a row lacks the name."""
        rows = self._rows
        if self._last is not None and (self._seen - 1) % self._stride:
            rows = [*rows, (self._last[0], dict(self._last[1]))]
        names = dict.fromkeys(name for _, row in rows for name in row)
        columns = {str(name): [row.get(name, missing) for _, row in rows] for name in names}
        return {"t": [t for t, _ in rows], **columns}


def thinned(rows: list[Any], limit: int = POINTS) -> list[Any]:
    """At most ``limit`` of the rows, evenly chosen, the first and last among them."""
    if len(rows) <= limit:
        return rows
    chosen = np.unique(np.linspace(0, len(rows) - 1, limit).round().astype(int))
    return [rows[i] for i in chosen]


def tidy(value: Any) -> Any:
    """JSON-able copy: NumPy becomes Python, what is not finite becomes None, nine digits stay."""
    if isinstance(value, Mapping):
        return {str(key): tidy(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if np.isfinite(value).all() else tidy(value.tolist())
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in value]
    if isinstance(value, np.generic):
        return tidy(value.item())
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def shortened(text: str, limit: int) -> str:
    """A text of at most about ``limit`` characters: its beginning and, mostly, its end."""
    if len(text) <= limit:
        return text
    head = limit // 5
    return (
        f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[head - limit :]}"
    )

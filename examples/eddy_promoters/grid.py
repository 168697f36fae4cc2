"""A dense grid of evenly spread designs, to hold the optimum against; kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from problem import HIGH, LOW

from querist.core.errors import OracleRejected


def designs(counts: Sequence[int], across: int) -> list[tuple[float, ...]]:
    """All designs of these counts, spread over the whole stretch; ``across`` places and sizes."""
    places, sizes = (np.linspace(LOW[i], HIGH[i], across).tolist() for i in (1, 2))
    return [(float(n), p, d, HIGH[3]) for n, p, d in product(counts, places, sizes)]


def answered(oracle: Callable[[Any], dict[str, Any]], design: Any) -> dict[str, Any] | None:
    """What the oracle says, None where it refuses."""
    try:
        return oracle(design)
    except OracleRejected:
        return None


def dense(
    path: Path, oracle: Callable[[Any], dict[str, Any]], chosen: Sequence[Any], workers: int = 2
) -> dict[str, Any]:
    """Answers of a grid's designs, from the file if it is there.

    Returns:
        ``x`` (n, 4), ``gains`` (n, 2), ``fields`` (n, 3, rows, columns), and ``refused``, how many.
    """
    if not path.exists():
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            found = list(pool.map(answered, [oracle] * len(chosen), chosen))
        good = [(x, one) for x, one in zip(chosen, found, strict=True) if one is not None]
        np.savez(
            path,
            x=np.array([x for x, _ in good]),
            gains=np.array([one["gains"] for _, one in good]),
            fields=np.array([one["fields"] for _, one in good]),
            refused=len(found) - len(good),
        )
    with np.load(path) as held:
        return dict(held)

"""UMAP: neighbours stay neighbours, distances between groups mean little."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require

NEIGHBOURS = 15
_FEW = 4


def neighbours_kept(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Lay points out in the plane (McInnes, Healy and Melville, arXiv:1802.03426).

    Args:
        values: ``(n, d)``.
        seed: One seed gives one map, which is why it runs on one thread.

    Returns:
        ``(n, 2)``, float32, without a unit; of fewer than four points their first two coordinates.
    """
    umap = _umap()
    if len(values) < _FEW:
        return np.pad(values, ((0, 0), (0, 2)))[:, :2]
    fewer = min(NEIGHBOURS, len(values) - 1)
    # Spectral beginnings need more points than they have directions.
    begin = "spectral" if len(values) > NEIGHBOURS else "random"
    layout = umap.UMAP(n_neighbors=fewer, init=begin, random_state=seed, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about graphs that fall apart: then it begins at random
        made = layout.fit_transform(values)
    places: NDArray[np.float32] = np.nan_to_num(np.asarray(made, np.float32))
    return places


def _umap() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at each import that it found no TensorFlow
        return require("umap", "umap", "A map by UMAP")

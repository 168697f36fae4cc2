"""A model of texts that costs next to nothing, for the benchmark of a million items."""

from __future__ import annotations

import numpy as np


def scores(batch: list[str]) -> np.ndarray:
    """(n, 2) probabilities, different for each number in the text."""
    numbers = np.array([int(text[5:]) for text in batch], np.uint64)
    first = (numbers * np.uint64(2654435761) % np.uint64(1 << 32)) / float(1 << 32)
    return np.stack([first, 1 - first], axis=1)

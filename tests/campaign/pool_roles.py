"""A pool of handwritten digits, an oracle that knows them, and a strategy; for workers too."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

ORDER = np.random.default_rng(0).permutation(1797)
PIXELS, DIGITS = (values[ORDER] for values in load_digits(return_X_y=True))
PIXELS = PIXELS / 16
BY_PIXELS = {row.tobytes(): int(digit) for row, digit in zip(PIXELS, DIGITS, strict=True)}


def digit(x):
    return BY_PIXELS[x.tobytes()]


def one_minus_largest(probabilities):
    """The doubt."""
    return 1.0 - probabilities.max(axis=1)


def marks(x):
    """Two labels of a digit at once: whether it is even, and whether it is above four."""
    return np.array([digit(x) % 2 == 0, digit(x) > 4]).astype(int)


def product(x):
    return float(x[0] * x[1])

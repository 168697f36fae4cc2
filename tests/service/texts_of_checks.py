"""Models of texts by their length, for tests of checks."""

from __future__ import annotations

import zlib

import numpy as np


def sure(texts):
    """``(n, 2)``, by a digest of each text."""
    share = np.array([zlib.crc32(text.encode()) % 1000 / 1000 for text in texts])
    return np.stack([share, 1 - share], axis=1)


def dull(texts):
    """The same, the other way round in what is most uncertain."""
    one = np.abs(sure(texts)[:, 0] - 0.5)
    return np.stack([one, 1 - one], axis=1)

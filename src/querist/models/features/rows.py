"""What the features of all modalities do to rows."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    """Rows scaled to length one; rows of zeros, and what rounding makes of them, become zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    far = lengths > 1e-5
    scaled: Rows = np.asarray(np.where(far, rows / np.where(far, lengths, 1), 0), np.float32)
    return scaled

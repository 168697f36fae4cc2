"""A pool with a few other rows after it."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ShapeError
from querist.strategies.needs import NEEDS
from querist.strategies.rows import rows_of
from querist.strategies.stacked import Stacked

POOL = np.arange(20.0).reshape(10, 2)
OTHERS = -np.arange(6.0).reshape(3, 2)


def rows(data):
    return rows_of("embeddings", NEEDS["embeddings"], data)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_and_rows(dtype) -> None:
    both = Stacked(rows(POOL.astype(dtype)), rows(OTHERS))
    expected = np.concatenate([POOL, OTHERS])
    assert both.shape == (13, 2)
    found = list(both.blocks(4))
    assert [start for start, _ in found] == [0, 4, 8, 10]
    np.testing.assert_array_equal(np.concatenate([block for _, block in found]), expected)
    for wanted in ([12, 0, 5, 10], [1, 2], [11]):
        taken = both.take(wanted)
        np.testing.assert_array_equal(taken, expected[wanted])
        assert taken.dtype == np.float64


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 features"):
        Stacked(rows(POOL), rows(np.ones((2, 3))))

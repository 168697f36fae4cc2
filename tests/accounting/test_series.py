from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.accounting.series import Series, shortened, thinned, tidy


@given(st.integers(0, 3000), st.integers(4, 60))
def test_a_series_stays_within_its_limit_and_keeps_first_and_last(count: int, limit: int) -> None:
    series = Series(limit)
    for t in range(count):
        series.add(float(t), {"n": t})
    columns = series.columns()
    assert len(columns["t"]) <= limit
    assert columns["t"] == sorted(set(columns["t"]))
    if count:
        assert (columns["t"][0], columns["t"][-1]) == (0.0, float(count - 1))
        assert columns["n"] == [int(t) for t in columns["t"]]
        assert len(columns["t"]) >= min(count, limit // 2)


def test_a_live_counter_is_copied_when_it_is_kept() -> None:
    counter: Counter[str] = Counter()
    series = Series()
    counter["a"] += 1
    series.add(0.0, counter)
    counter["b"] += 5
    series.add(1.0, counter)
    assert series.columns(missing=0) == {"t": [0.0, 1.0], "a": [1, 1], "b": [0, 5]}


def test_thinning_keeps_both_ends() -> None:
    assert thinned(list(range(10)), 4) == [0, 3, 6, 9]
    assert thinned([1, 2], 4) == [1, 2]


def test_tidy_makes_strict_json() -> None:
    value = {
        "a": np.float64(1.5),
        "nan": math.nan,
        "array": np.array([[1.0, np.inf]]),
        3: (np.int64(2), True, None),
        "odd": {1},
    }
    assert json.loads(json.dumps(tidy(value), allow_nan=False)) == {
        "a": 1.5,
        "nan": None,
        "array": [[1.0, None]],
        "3": [2, True, None],
        "odd": "{1}",
    }


def test_nine_digits_stay() -> None:
    assert tidy(0.1234567891234) == 0.123456789


@pytest.mark.parametrize("limit", [10, 50, 4000])
def test_a_long_text_keeps_its_beginning_and_its_end(limit: int) -> None:
    text = "begin" + "x" * 9000 + "end"
    cut = shortened(text, limit)
    assert len(cut) < limit + 60
    assert cut.startswith("be")
    assert cut.endswith("end")
    assert f"[... {9008 - limit} characters left out ...]" in cut
    assert shortened("short", 10) == "short"

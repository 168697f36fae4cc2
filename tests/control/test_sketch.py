"""Quantiles within one per cent of NumPy's, and sketches that merge in any order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.control.sketch import QuantileSketch

values = hnp.arrays("float64", st.integers(1, 80), elements=st.floats(0.0, 1e300))
wild = hnp.arrays("float64", st.integers(0, 20), elements=st.floats(allow_nan=True))


@given(values, st.floats(0.0, 1.0))
def test_a_quantile_is_within_one_per_cent(values, q) -> None:
    got = QuantileSketch.of(values).quantile(q)
    # The sketch's rank is rounded down where NumPy would interpolate.
    wanted = np.quantile(values, q, method="lower")
    tiny = wanted <= 1e-300
    assert got == (0.0 if tiny else pytest.approx(wanted, rel=0.0101)) or got == pytest.approx(
        np.quantile(values, q, method="higher"), rel=0.0101
    )


@given(values, st.floats(0.0, 1.0))
def test_the_share_that_is_wanted_lies_above_the_floor(values, q) -> None:
    sketch = QuantileSketch.of(values)
    floor = sketch.floor(q)
    wanted = np.quantile(values, q, method="lower")
    assert floor <= sketch.quantile(q)
    assert wanted <= 1e-300 or floor < wanted


@given(wild, wild, wild)
def test_merging_is_the_sketch_of_all_in_any_order(a, b, c) -> None:
    one, two, three = (QuantileSketch.of(x) for x in (a, b, c))
    whole = QuantileSketch.of(np.concatenate([a, b, c]))
    assert one.merge(two).merge(three) == whole == three.merge(one.merge(two))
    assert whole.merge(QuantileSketch.empty()) == whole


@given(wild)
def test_what_is_in_no_bin_is_counted_apart(values) -> None:
    sketch = QuantileSketch.of(values)
    good = values[np.isfinite(values) & (values >= 0)]
    assert (sketch.count, sketch.dropped) == (len(good), len(values) - len(good))
    assert sketch.zeros + sum(sketch.bins.values()) == sketch.count
    assert QuantileSketch.from_json(json.loads(json.dumps(sketch.to_json()))) == sketch


def test_of_nothing_nothing_is_known() -> None:
    assert np.isnan(QuantileSketch.empty().quantile(0.5))
    with pytest.raises(ValueError, match="between 0 and 1"):
        QuantileSketch.empty().quantile(1.5)


def test_the_largest_numbers_do_not_overflow() -> None:
    sketch = QuantileSketch.of(np.array([1.7e308]))
    assert sketch.quantile(1.0) == pytest.approx(1.7e308, rel=0.0101)


def test_a_sketch_stays_as_it_was_when_it_was_asked() -> None:
    sketch = QuantileSketch.of(np.array([1.0, 2.0]))
    assert sketch.quantile(1.0) == pytest.approx(2.0, rel=0.0101)
    merged = sketch.merge(QuantileSketch.of(np.array([8.0])))
    assert merged.quantile(1.0) == pytest.approx(8.0, rel=0.0101)
    assert sketch == QuantileSketch.of(np.array([1.0, 2.0]))

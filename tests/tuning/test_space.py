"""Spaces: kinds of settings, scales, conditions, and the two forms in which searches see them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuning_problems import SPACE

from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError
from querist.tuning.space import Setting, Space

space = Space.of(SPACE)
places = st.lists(st.floats(0, 1), min_size=len(SPACE), max_size=len(SPACE))


@given(places)
def test_every_place_of_the_cube_is_a_point_that_comes_back(place) -> None:
    values = space.point(place)
    assert space.own(values) == values
    assert space.key(space.point(space.places(values))) == space.key(values) or np.allclose(
        [space.point(space.places(values))[n] for n in ("x", "rate")],
        [values[n] for n in ("x", "rate")],
    )
    assert space.read(space.fields(values)) == values


@given(st.lists(places, min_size=1, max_size=5))
def test_points_of_all_kinds_go_into_one_batch_with_ids(several) -> None:
    points = [space.point(place) for place in several]
    batch = Batch.from_samples([Sample.of(space.fields(values)) for values in points])
    for values, sample in zip(points, batch.with_ids().samples(), strict=True):
        assert sample.id == Sample.of(space.fields(values)).id
        assert space.read(sample.arrays) == values


def test_a_condition_takes_its_setting_away() -> None:
    base = {"x": 0.1, "rate": 0.01, "order": 3}
    assert "mix" not in space.own({**base, "method": "a", "mix": 0.2})
    assert space.own({**base, "method": "b", "mix": 0.2})["mix"] == 0.2
    with pytest.raises(ConfigError, match="'mix' is missing"):
        space.own({**base, "method": "b"})


def test_a_simulation_is_given_what_otherwise_says() -> None:
    told = {"m": {"choice": ["a", "b"]}, "k": {"integer": [1, 3], "when": {"m": "b"}}}
    assert Space.of(told).given({"m": "a"}) == {"m": "a"}
    told["k"]["otherwise"] = 2
    assert Space.of(told).given({"m": "a"}) == {"m": "a", "k": 2}
    assert Space.of(Space.of(told).plain()) == Space.of(told)


def test_scales() -> None:
    log = Setting.of({"real": [1e-4, 1.0], "log": True})
    assert log.value(0.5) == pytest.approx(1e-2)
    assert log.place(1e-3) == pytest.approx(0.25)
    whole = Setting.of({"integer": [1, 4]})
    assert [whole.value(p) for p in (0.0, 0.1, 0.3, 0.99, 1.0)] == [1, 1, 2, 4, 4]
    assert [whole.value(whole.place(n)) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert Setting.of({"choice": [1, 10, 100], "log": True}).feature(10) == pytest.approx(0.5)
    texts = Space.of({"m": {"choice": ["a", "b", "c"]}, "t": {"choice": [True, False]}})
    assert texts.features([{"m": "b", "t": False}]).tolist() == [[0.0, 1.0, 0.0, 1.0]]


def test_the_grid_has_every_point_once() -> None:
    told = {
        "m": {"choice": ["a", "b"]},
        "k": {"integer": [1, 3], "when": {"m": "b"}},
        "r": {"real": [0, 1], "levels": 2},
    }
    grid = list(Space.of(told).grid())
    assert len(grid) == 2 + 3 * 2
    assert {"m": "a", "r": 1.0} in grid
    with pytest.raises(ConfigError, match="levels"):
        list(Space.of({"r": {"real": [0, 1]}}).grid())


@pytest.mark.parametrize(
    "told, words",
    [
        ({"a": {"real": [2, 1]}}, "two numbers in order"),
        ({"a": {"real": [0, 1], "log": True}}, "above zero"),
        ({"a": {"integer": [0.5, 3]}}, "whole ends"),
        ({"a": {"choice": []}}, "one value or more"),
        ({"a": {"choice": ["x", 1]}}, "of one type"),
        ({"a": {"range": [0, 1]}}, "a setting is"),
        ({"a": {"real": [0, 1], "logg": True}}, "no key 'logg'"),
        ({"a": {"real": [0, 1]}, "b": {"choice": [1], "when": {"a": 1}}}, "no choice or integer"),
        ({"a": {"choice": ["u"]}, "b": {"choice": [1], "when": {"a": "v"}}}, "one of"),
        ({"a b": {"real": [0, 1]}}, "letters, digits"),
        ({}, "empty"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(told, words) -> None:
    with pytest.raises(ConfigError, match=words):
        Space.of(told)


@pytest.mark.parametrize(
    "values, words",
    [
        ({"x": 2.0}, r"lie in \[0, 1\]"),
        ({"order": 2.5}, "whole number"),
        ({"method": "d"}, "one of"),
    ],
)
def test_values_outside_are_refused(values, words) -> None:
    base = {"x": 0.1, "rate": 0.01, "order": 3, "method": "a"}
    with pytest.raises(ConfigError, match=words):
        space.own({**base, **values})

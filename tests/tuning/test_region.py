"""Where sums are kept: emptiness, the nearest allowed point, and what a climb is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from tuning_problems import MIXED, SHARES, bounded

from querist.core.errors import ConfigError
from querist.tuning.region import eliminated, projected

WIDE = {"a": {"real": [2.0, 30.0]}, "b": {"real": [-1.0, 4.0]}}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (["a + b <= 0.5", "a >= 0.4", "b >= 0.4"], "no point keeps all of 'a \\+ b <= 0.5', 'a >="),
        (["a + b = 1", "a - b = 0.5", "c = a", "c <= 0.5"], "no point keeps all"),
        (["a <= b", "b <= a"], "no room to search; .* must be equal with ="),
        (["a + b <= 0"], "a single point or an edge"),
    ],
)
def test_no_point_and_no_room_are_said_at_the_beginning(where, said) -> None:
    with pytest.raises(ConfigError, match=f"^where: .*{said}"):
        bounded(SHARES, *where)


def test_whole_numbers_are_looked_at_as_such() -> None:
    whole = {"n": {"integer": [0, 9]}, "k": {"integer": [0, 9]}}
    with pytest.raises(ConfigError, match="no point keeps all of '2 \\* n \\+ 2 \\* k = 7'"):
        bounded(whole, "2 * n + 2 * k = 7")
    space = bounded(whole, "n + k = 9", "n >= 3 * k")
    assert [values["n"] for values in space.all()] == [7, 8, 9]
    assert all(
        space.missed(space.point(place)) == "" for place in np.random.default_rng(0).random((50, 2))
    )


@pytest.mark.parametrize(
    ("space", "where"),
    [
        (SHARES, ["a + b + c + d = 1"]),
        (SHARES, ["a + b + c + d <= 1", "a >= 2 * b"]),
        (SHARES, ["a + b + c + d <= 0.001"]),
        (SHARES, ["a + b + c = 1", "c + d = 0.5"]),
        (SHARES, ["0 <= a - b <= 0.0001"]),
        (MIXED, ["a + b + n / 10 <= 0.5", "a >= b"]),
        (MIXED, ["a + b + n / 10 = 1"]),
        (WIDE, ["a + b <= 12", "a >= 3 * b"]),
    ],
)
def test_every_place_is_a_point_that_keeps_the_bounds(space, where) -> None:
    made = bounded(space, *where)
    for place in np.random.default_rng(0).random((100, len(made))):
        values = made.point(place)
        assert made.own(values) == values
        for one in made.sums:  # strictly, but for rounding
            assert one.low - 1e-12 <= one.value(values) <= one.high + 1e-12
        again = made.places(made.point(made.places(values)))
        assert again == pytest.approx(made.places(values), abs=1e-9)


@pytest.mark.parametrize(
    ("space", "where"), [(WIDE, "a + b <= 12"), (MIXED, "a + b + n / 10 <= 0.5")]
)
def test_places_of_coordinates_lead_back_to_them(space, where) -> None:
    region = bounded(space, where).region
    z = region.at(np.random.default_rng(0).random((50, len(region.names))))
    assert region.at(region.places(z)) == pytest.approx(z, abs=1e-9)


def test_the_nearest_point_is_the_nearest() -> None:
    space = bounded(SHARES, "a + b + c + d = 1", "a - 2 * b >= 0.1")
    for place in np.random.default_rng(1).uniform(-0.5, 1.5, (20, 4)):
        found = space.region.nearest(place)
        rules = [
            {"type": "eq", "fun": lambda x: x.sum() - 1},
            {"type": "ineq", "fun": lambda x: x[0] - 2 * x[1] - 0.1},
        ]
        best = minimize(
            lambda x, to=place: ((x - to) ** 2).sum(),
            np.full(4, 0.25),
            bounds=[(0, 1)] * 4,
            constraints=rules,
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        assert np.abs(found - best.x).max() < 1e-5


def test_a_trace_on_a_log_scale_stays_a_trace() -> None:
    space = bounded(MIXED, "a + b = 0.7")
    moved = space.allowed({"a": 0.9, "b": 2e-4, "n": 3, "kind": "p"})
    assert moved["b"] < 2e-3  # a gives way
    assert moved["a"] + moved["b"] == pytest.approx(0.7, abs=1e-12)
    assert (moved["n"], moved["kind"]) == (3, "p")


def test_equations_are_solved_for_linear_settings_first() -> None:
    E = np.array([[1.0, 1.0, 1.0, 0.0], [2.0, 2.0, 2.0, 0.0], [0.0, 1.0, 0.0, 2.0]])
    pivots, solved, level = eliminated(E, np.array([1.0, 2.0, 0.5]), np.array([1, 0, 2, 0]))
    assert sorted(pivots) == [1, 3]
    assert solved.shape == (2, 4)  # the second said nothing new
    x = np.array([0.2, 0.3, 0.5, 0.1])
    assert np.abs(solved @ x - level).max() < 1e-12


def test_a_projection_onto_nothing_is_none() -> None:
    rows = np.array([[1.0], [-1.0]]), np.array([0.8, -0.2])  # x >= 0.8 and x <= 0.2
    none = np.zeros((0, 1)), np.zeros(0)
    assert projected(np.array([0.5]), np.ones(1), rows, none) is None


@pytest.mark.parametrize("equal", [True, False])
def test_a_projection_measures_distances_in_its_weights(equal: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        y, weights, row = rng.normal(size=4), rng.uniform(0.1, 5.0, 4), rng.normal(size=(1, 4))
        level = row @ y + 1.0  # it does not hold yet
        none = np.zeros((0, 4)), np.zeros(0)
        told = (none, (row, level)) if equal else ((row, level), none)
        way = row[0] / weights**2  # by Lagrange: along the row, further where it weighs less
        found = projected(y, weights, *told)
        assert found == pytest.approx(y + way / (row[0] @ way), abs=1e-9)


def test_a_climb_is_told_bounds_with_their_slopes() -> None:
    space = bounded(MIXED, "a + b + n / 10 <= 0.5", "a >= b")
    values = {"a": 0.2, "b": 0.01, "n": 1, "kind": "q", "m": 0.4}
    moving = ["a", "b", "m"]
    [rule] = space.region.limits(values, moving)
    places = np.array([space.settings[name].place(values[name]) for name in moving])
    slope = rule["jac"](places)
    for column in range(3):
        moved = places.copy()
        moved[column] += 1e-6
        found = (rule["fun"](moved) - rule["fun"](places)) / 1e-6
        assert slope[:, column] == pytest.approx(found, abs=1e-5)
    assert space.region.limits(values, ["m"]) == []

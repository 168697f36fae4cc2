"""What answers will cost, learned."""

from __future__ import annotations

import numpy as np
import pytest

from querist.strategies.costs import RidgeCosts
from querist.strategies.errors import BadRows

RNG = np.random.default_rng(1)


def test_costs_that_follow_features_are_foretold() -> None:
    features = RNG.normal(size=(400, 5))
    costs = np.exp(1.0 + features @ [0.5, 0.0, -1.0, 0.0, 0.2] + 0.05 * RNG.normal(size=400))
    model = RidgeCosts.fit(features[:60], costs[:60])
    ratio = model.predict(features[60:]) / costs[60:]
    assert np.abs(np.log(ratio)).mean() < 0.06


def test_costs_that_follow_nothing_are_foretold_by_their_level() -> None:
    features, costs = RNG.normal(size=(40, 30)), RNG.gamma(5.0, size=40)
    told = RidgeCosts.fit(features, costs).predict(RNG.normal(size=(100, 30)))
    assert np.std(np.log(told)) < 0.3 * np.std(np.log(costs))


def test_units_of_features_and_constant_ones_are_nothing() -> None:
    features, costs = RNG.normal(size=(30, 3)), RNG.gamma(2.0, size=30) + 0.1
    wide = np.column_stack([features * [1e6, 1.0, 1e-6], np.full(30, 7.0)])
    plain = RidgeCosts.fit(features, costs).predict(features)
    np.testing.assert_allclose(RidgeCosts.fit(wide, costs).predict(wide), plain, rtol=1e-6)


def test_one_answer_is_enough() -> None:
    model = RidgeCosts.fit(np.ones((1, 2)), np.array([3.0]))
    np.testing.assert_allclose(model.predict(np.zeros((4, 2))), 3.0)


def test_costs_are_above_zero() -> None:
    with pytest.raises(BadRows, match="Rows: 1"):
        RidgeCosts.fit(np.ones((3, 1)), np.array([1.0, 0.0, 2.0]))

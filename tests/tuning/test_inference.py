"""Parameters from observations: against an exact posterior, and honest where runs are few."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.tuning.bounded import BoundedSpace
from querist.tuning.inference import posterior
from querist.tuning.space import Space
from querist.tuning.trial import Trial

SPACE = {"a": {"real": [0.0, 4.0]}, "b": {"real": [-2.0, 2.0]}}
OBSERVED = {"sum": (2.5, 0.2), "difference": (1.5, 0.2)}


def model(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b, "difference": a - b}


def runs(count: int) -> list[Trial]:
    places = np.random.default_rng(1).random((count, 2))
    points = [Space.of(SPACE).point(place) for place in places]
    return [Trial(values, model(**values)) for values in points]


def test_a_linear_model_has_the_exact_posterior() -> None:
    found = posterior(SPACE, runs(20), OBSERVED, draws=4000, seed=1)
    # a = (sum + difference) / 2, so its deviation is 0.2 / sqrt(2); likewise b, uncorrelated.
    assert found.mean == pytest.approx({"a": 2.0, "b": 0.5}, abs=0.02)
    assert found.std == pytest.approx({"a": 0.2 / 2**0.5, "b": 0.2 / 2**0.5}, rel=0.1)
    assert abs(found.correlation()[0, 1]) < 0.1
    low, high = found.interval("a", 0.9)
    assert (low, high) == pytest.approx((2 - 0.2326, 2 + 0.2326), abs=0.03)
    assert max(found.emulator_share.values()) < 0.1


def test_bounds_on_sums_cut_the_posterior() -> None:
    space = BoundedSpace.keeping(Space.of(SPACE), ["a + b <= 2.5"])
    found = posterior(space, runs(20), OBSERVED, draws=4000, seed=1)
    assert found.draws.sum(axis=1).max() <= 2.5 + 1e-9
    half_normal = 2.5 - 0.2 * (2 / np.pi) ** 0.5  # the sum, observed at its bound
    assert found.draws.sum(axis=1).mean() == pytest.approx(half_normal, abs=0.02)
    equal = BoundedSpace.keeping(Space.of(SPACE), ["a + b = 2.5"])
    with pytest.raises(ConfigError, match="none may be equal to a number"):
        posterior(equal, runs(20), OBSERVED)


def test_few_runs_give_wide_answers() -> None:
    wavy = [Trial({"a": a}, {"y": float(np.sin(3 * a))}) for a in np.linspace(0, 4, 5)]
    found = posterior({"a": {"real": [0.0, 4.0]}}, wavy, {"y": (0.5, 0.01)}, draws=1000)
    assert found.std["a"] > 0.5
    assert found.emulator_share["y"] > 0.9


@pytest.mark.parametrize(
    "space, trials, observed, words",
    [
        ({"a": {"integer": [0, 4]}}, runs(5), OBSERVED, "real and without"),
        (SPACE, runs(3), OBSERVED, "at least 4"),
        (SPACE, runs(5), {"product": (1.0, 0.1)}, "no output 'product'"),
    ],
)
def test_what_cannot_be_inferred_is_refused(space, trials, observed, words) -> None:
    with pytest.raises(ConfigError, match=words):
        posterior(space, trials, observed)

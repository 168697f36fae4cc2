"""A run's behaviour from its facts; a simulated run's facts give back what it was made of."""

from __future__ import annotations

import numpy as np
import pytest

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.core.errors import RunError
from querist.core.events import Fact
from querist.engines.durations import Constant, Exponential, LogNormal, Uniform
from querist.engines.simulated import Losses
from querist.planning.behaviour import Behaviour, Fits, Learning
from querist.planning.measured import Values, fits, learning, measured
from querist.planning.virtual import Virtual
from querist.testing.runs import RunFact


def facts_of(behaviour: Behaviour, labels: int = 600) -> list[RunFact]:
    found: list[RunFact] = []
    policy = StandardPolicy(EveryLabels(60), Labels(labels))
    plan = Plan((OraclePlan("f"),), policy, labels=labels, error_metric="y.mae")
    counts = {"explorer.0": 1, "oracle.f": 8, "trainer": 1}

    def note(fact: Fact) -> None:
        found.append(RunFact(len(found) + 1, fact.kind, fact.data, fact.arrays))

    Virtual(plan, counts, behaviour, 5, note).run()
    return found


def test_what_a_simulated_run_was_made_of_is_measured_again() -> None:
    made = Behaviour(
        {"f": LogNormal(2.0, 0.5)},
        failures={"f": 0.1},
        slices=Uniform(0.2, 0.3),
        found=Constant(12.0),
        fits=Fits(3.0, 0.01),
        first=1.0,
        between=0.5,
        losses=Losses(200.0, 7.0),
        learning=Learning("y.mae", 2.0, 0.5),
    )
    found = measured(facts_of(made), "y.mae")
    rng = np.random.default_rng(0)
    assert np.median(found.of_label("f").draw(rng, 4000)) == pytest.approx(2.0, rel=0.1)
    assert found.failures["f"] == pytest.approx(0.1, abs=0.05)
    assert found.slices.draw(rng, 1000).mean() == pytest.approx(0.25, abs=0.01)
    assert found.found.draw(rng, 100).mean() == pytest.approx(12, abs=0.5)
    assert (found.fits.fixed, found.fits.each) == pytest.approx((3.0, 0.01), rel=0.05)
    assert (found.first, found.between) == pytest.approx((1.0, 0.5))
    assert found.losses.mean_seconds == pytest.approx(200, rel=0.6)
    assert found.losses.respawn == pytest.approx(7.0, abs=0.5)
    assert found.learning.error(100) == pytest.approx(0.2, rel=0.05)


def test_a_forecast_from_a_forecast_agrees_with_it() -> None:
    made = Behaviour({"f": Exponential(1.0)}, fits=Fits(2.0), hop=0.01)
    first = facts_of(made)
    again = facts_of(measured(first))
    assert again[-1].data["t"] == pytest.approx(first[-1].data["t"], rel=0.08)


def test_a_run_without_an_answer_teaches_nothing() -> None:
    with pytest.raises(RunError, match="no timed answer"):
        measured([RunFact(1, "run.started", {"t": 0.0})])


def test_fits_are_a_line_that_is_nowhere_negative() -> None:
    line = fits([(10, 2.0), (20, 3.0)])
    assert (line.fixed, line.each) == pytest.approx((1.0, 0.1))
    steep = fits([(10, 1.0), (20, 3.0)])  # the line would begin below zero
    assert steep.fixed == 0
    assert steep.each == pytest.approx(70 / 500)
    assert fits([(10, 3.0), (20, 1.0)]).each == 0  # quicker with more: noise
    assert fits([]).seconds(100, None) == 0


def test_a_curve_needs_two_different_numbers_of_labels() -> None:
    assert np.isnan(learning("y", [(10, 1.0)]).error(10))
    assert learning("y", [(10, 1.0), (1000, 0.1)]).error(100) == pytest.approx(0.1**0.5)


def test_values_are_bounded() -> None:
    values = Values()
    for index in range(50_000):
        values.add(float(index))
    assert len(values.values) < 8192
    assert np.mean(values.values) == pytest.approx(25_000, rel=0.02)

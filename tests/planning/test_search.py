"""The search of allocations against an exhaustive one, and its limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_forecast import HERE, PLAN, QUICK

from querist.core.errors import ConfigError
from querist.engines.durations import Constant
from querist.planning.behaviour import Fits
from querist.planning.forecast import Allocation, Forecast, forecast
from querist.planning.placement import Placement
from querist.planning.search import Space, search


def test_the_search_finds_the_best_of_an_exhaustive_one() -> None:
    scarce = replace(QUICK, found=Constant(1), slices=Constant(0.4), fits=Fits(1.0))
    space = Space(12, {"f": 1.0}, trainers=2)

    def evaluate(one: Allocation) -> Forecast:
        return forecast(PLAN, one, scarce, members=2)

    found = search(space, evaluate)
    every = [
        evaluate(one)
        for explorers in range(1, 11)
        for trainers in (1, 2)
        if (one := space.allocation(explorers, trainers, None)) is not None
    ]
    best = min(one.seconds for one in every if one.status == "finished")
    assert found[0].seconds <= 1.02 * best
    assert len(found) < len(every)
    assert found[0].allocation.workers == 12


def test_gpus_limit_explorers_and_trainers() -> None:
    space = Space(20, {"f": 1.0}, trainers=4, gpus=2, placement=Placement(0.5, 1.0))
    assert space.allocation(2, 1, None) is not None
    assert space.allocation(2, 2, None) is None
    poor = Space(20, {"f": 1.0}, gpus=0.2, placement=Placement(1.0))
    with pytest.raises(ConfigError, match="GPUs"):
        search(poor, lambda one: forecast(PLAN, one, QUICK))


def test_too_few_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="are 3 workers"):
        Space(2, {"f": 1.0})


def test_several_oracles_share_by_weight_and_batches_are_tried() -> None:
    space = Space(14, {"f": 3.0, "g": 1.0}, batches=(1, 4))
    made = space.allocation(1, 1, 1)
    assert made is not None
    assert made.oracles == (("f", 9), ("g", 3))
    assert {one.batch for one in space.near(made)} == {1, 4}
    assert "batches of 4" in replace(HERE, batch=4).sentence()

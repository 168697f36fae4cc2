"""Plans of real campaigns' settings from a real run's journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from querist.campaign.campaign import Campaign
from querist.campaign.planned import (
    Wanted,
    behaviour_of,
    current,
    forecast_of,
    planned,
    variants,
)
from querist.campaign.settings import CampaignSettings
from querist.core.errors import ConfigError
from querist.engines.durations import Constant
from querist.planning.behaviour import Fits
from querist.planning.placement import ONE_CORE, Effects, Placement

CONFIG: dict[str, Any] = {
    "generators": {"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}},
    "model": {"use": "random_features", "options": {"members": 2, "features": 16}},
    "oracles": {"use": "function", "options": {"function": "campaign_roles:square"}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 6,
    "budget": {"labels": 20},
    "retrain": {"every_labels": 5},
    "engine": "inline",
}


def settings(**changes: Any) -> CampaignSettings:
    return CampaignSettings.model_validate({**CONFIG, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run; nobody may change it."""
    folder = tmp_path_factory.mktemp("planned") / "run"
    return Campaign(settings()).run(folder, progress=False).folder


def test_a_run_is_planned_from_its_own_journal(run) -> None:
    behaviour = behaviour_of(run, settings())
    found = planned(settings(), behaviour, Wanted(6))
    assert found[0].status == "finished"
    assert found[0].labels == 20
    assert found[0].allocation.workers == 6
    assert [one.seconds for one in found] == sorted(one.seconds for one in found)
    assert {one.allocation.trainers for one in found} == {1, 2}  # of two members
    again = forecast_of(settings(), found[0].allocation, behaviour)
    assert again.seconds == found[0].seconds


def test_the_present_allocation_is_read_from_the_settings() -> None:
    assert current(settings(explorers=2, trainers=1)).counts() == {
        "explorer.0": 1, "explorer.1": 1, "oracle.oracle": 1, "trainer": 1,
    }  # fmt: skip


def test_what_cannot_be_planned_is_refused(run) -> None:
    behaviour = behaviour_of(run, settings())
    with pytest.raises(ConfigError, match="end this campaign"):
        planned(settings(budget={}), behaviour, Wanted(6))
    by_member = {"kind": "split", "predictors": 2, "by": "member"}
    with pytest.raises(ConfigError, match="split by: member"):
        planned(settings(placement=by_member, engine="mpi"), behaviour, Wanted(6))
    split = Effects(Placement(generators=3))
    with pytest.raises(ConfigError, match="split otherwise"):
        planned(settings(), behaviour, Wanted(6), split)
    with pytest.raises(ConfigError, match="from outside"):
        planned(settings(oracles={"person": {"outside": 4}}), behaviour, Wanted(6))


def test_ranks_that_only_generate_are_planned(run) -> None:
    behaviour = replace(behaviour_of(run, settings()), predicting=0.5)
    apart = settings(placement={"kind": "split", "generators": 2}, engine="mpi")
    found = planned(apart, behaviour, Wanted(8), Effects())
    assert 2 in {one.allocation.placement.generators for one in found}  # as configured
    assert max(one.allocation.workers for one in found) == 8
    [axis] = variants(apart, Wanted(8), Effects(), behaviour)
    assert [change(ONE_CORE).generators for change in axis] == [0, 1, 2, 4, 8]
    assert not list(variants(settings(), Wanted(8), Effects(), behaviour))  # on processes


def test_gpus_go_where_they_shorten_the_run_and_nowhere_else(run) -> None:
    quick = {"slices": Constant(0.01), "found": Constant(50), "labels": {"oracle": Constant(0.01)}}
    busy = replace(behaviour_of(run, settings()), fits=Fits(3.0), predicting=0.9, **quick)
    known = Effects(gpu={"trainers": 10.0, "explorers": 10.0})
    found = planned(settings(), busy, Wanted(8, gpus=2), known)
    assert found[0].allocation.placement == Placement(trainer_gpus=1.0, **SAME)
    alone = planned(settings(), busy, Wanted(8, gpus=2))
    assert found[0].seconds < 0.5 * alone[0].seconds
    assert alone[0].allocation.placement.trainer_gpus == 0.0


SAME = {"cores": (("oracle", 1),), "oracle_gpus": (("oracle", 0.0),)}


def test_a_walltime_bounds_a_campaign_that_nothing_ends(run) -> None:
    behaviour = behaviour_of(run, settings())
    found = planned(settings(budget={}), behaviour, Wanted(4, walltime=0.2))
    assert {one.status for one in found} == {"unfinished"}

"""What runs tell of placement, and what is said to be unknown."""

from __future__ import annotations

import pytest

from querist.campaign.campaign import Campaign
from querist.campaign.effects import _ratio, effects_of, run_settings, unknown
from querist.campaign.planned import Wanted
from querist.engines.durations import Constant
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.placement import Placement

CONFIG = {
    "generators": {"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}},
    "model": {"use": "random_features", "options": {"members": 2, "features": 16}},
    "oracles": {"f": {"use": "function", "options": {"function": "campaign_roles:square"}}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 6,
    "budget": {"labels": 10},
    "engine": "inline",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("effects"), []
    for cores in (1, 4):
        oracles = {"f": {**CONFIG["oracles"]["f"], "resources": {"cores": cores}}}
        made.append(folder / str(cores))
        Campaign(**{**CONFIG, "oracles": oracles}).run(made[-1], progress=False)
    return made


def test_runs_that_differ_in_cores_tell_what_these_are_worth(runs) -> None:
    settings = run_settings(runs[0])
    assert settings is not None
    known = effects_of(runs, settings, Wanted(8))
    assert 0.0 <= known.serial["f"] <= 1.0
    assert known.sources["f"] == "measured in 2 runs"
    assert known.measured.size("f") == 1
    assert effects_of(runs[1:], settings, Wanted(8)).measured.size("f") == 4
    stated = effects_of(runs, settings, Wanted(8, serial={"f": 0.25}))
    assert (stated.serial["f"], stated.sources["f"]) == (0.25, "as stated")


def test_what_no_run_tells_is_said_to_be_unknown(runs) -> None:
    settings = run_settings(runs[0])
    assert settings is not None
    wanted = Wanted(8, gpus=2)
    left = " ".join(unknown(settings, wanted, effects_of(runs[:1], settings, wanted)))
    assert "whether trainers want GPUs" in left
    assert "--gpu-speedup explorers=8" in left
    assert "--serial f=0.05" in left
    sure = Wanted(8, gpus=2, gpu_speedup={"trainers": 8, "explorers": 2}, serial={"f": 0.1})
    assert unknown(settings, sure, effects_of(runs[:1], settings, sure)) == []


def test_fits_with_and_without_a_gpu_give_a_speed_up() -> None:
    def seen(gpus: float, seconds: float) -> tuple[Placement, Behaviour]:
        return Placement(trainer_gpus=gpus), Behaviour({"f": Constant(1.0)}, fits=Fits(seconds))

    def fitting(one: Behaviour) -> float:
        return one.fits.fixed

    both = [seen(0.0, 12.0), seen(1.0, 3.0), seen(1.0, 5.0)]
    assert _ratio("trainers", both, fitting) == pytest.approx(3.0)
    assert _ratio("trainers", both[1:], fitting) is None

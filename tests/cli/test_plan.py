"""``querist plan``: what it prints and refuses."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner, Result

from querist.campaign.campaign import Campaign
from querist.campaign.loading import load_settings
from querist.cli import main

CONFIG = {
    "generators": {"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}},
    "model": {"use": "random_features", "options": {"members": 2, "features": 16}},
    "oracles": {"use": "function", "options": {"function": "campaign_roles:square"}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 6,
    "budget": {"labels": 12},
    "engine": "inline",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    (folder / "campaign.yaml").write_text(yaml.safe_dump(CONFIG))
    Campaign.load(folder / "campaign.yaml").run(folder / "run", progress=False)
    return folder


def call(files, *more: str) -> Result:
    known = ["plan", str(files / "campaign.yaml"), "--from", str(files / "run")]
    return CliRunner().invoke(main, [*known, *more])


def test_the_best_allocations_and_the_bottleneck_are_printed(files) -> None:
    told = call(files, "--workers", "5", "--best", "2", "--walltime", "2h")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("1. ")
    assert "\n2. " in told.output
    assert "\n3. " not in told.output
    assert "Bottleneck of the first: " in told.output
    assert "Retrain interval: left as configured; not known from this run" in told.output


def test_a_plan_with_gpus_is_a_campaign_file(files) -> None:
    told = call(
        *(files, "--workers", "6", "--gpus", "2", "--nodes", "2", "--write", str(files / "p.yaml")),
        *("--gpu-speedup", "trainers=8", "--every", "4"),
    )
    assert told.exit_code == 0, told.output
    assert "trainers: 8 times as fast on a GPU (as stated)" in told.output
    assert "Left as configured: whether explorers want GPUs" in told.output
    made = load_settings(files / "p.yaml")
    assert made.oracles["oracle"].workers + made.explorers + made.trainers == 6
    assert f"explorers: {made.explorers}\n" in told.output


def test_what_makes_no_sense_is_refused_with_a_sentence(files) -> None:
    assert "should look like 3600" in call(files, "--workers", "5", "--walltime", "soon").output
    assert "should look like NAME=8" in call(files, "--workers", "5", "--serial", "f").output
    assert "all alike" in call(files, "--workers", "5", "--nodes", "2").output
    few = call(files, "--workers", "2")
    assert (few.exit_code, "are 3 workers" in few.output) == (2, True)

"""``querist effective`` on a real run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist.campaign.campaign import Campaign
from querist.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("effective") / "run"
    campaign = Campaign(
        generator={"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}},
        model={"use": "random_features", "options": {"members": 2, "features": 16}},
        oracle={"use": "function", "options": {"function": "campaign_roles:square"}},
        output="y",
        gate={"quantile": 0.5},
        initial=6,
        budget={"labels": 10},
        engine="inline",
    )
    return campaign.run(folder, progress=False).folder


def test_a_run_is_audited_in_words_and_in_json(run) -> None:
    told = CliRunner().invoke(main, ["effective", str(run)], catch_exceptions=False)
    assert told.exit_code == 0
    assert "Worker time went into:" in told.output
    data = CliRunner().invoke(main, ["effective", str(run), "--json", "--control", str(run)])
    found = json.loads(data.output)
    assert found["run"] == found["control"]
    assert found["run"]["n_train"] + found["run"]["n_other"] == 10


def test_an_oracle_that_gave_no_label_is_refused(run) -> None:
    told = CliRunner().invoke(main, ["effective", str(run), "--oracle", "dft"])
    assert told.exit_code == 2
    assert "those that did: oracle" in told.output

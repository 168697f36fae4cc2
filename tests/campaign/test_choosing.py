"""Choices between strategies in a campaign: a race on shared labels, and a bandit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from test_strategy import asked, campaign

from querist.campaign.handlers.choosing import interleaved, quality
from querist.campaign.handlers.selecting import Picked
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.prediction import Prediction
from querist.store.run_folder import RunFolder

AMONG = ["margin", "entropy", "random"]


def selections(folder) -> list:
    records = RunFolder(folder).journal_reader().read_new()
    return [record.data for record in records if record.kind == "selection.made"]


def test_a_race_is_run_by_rounds_resumed_and_decided(tmp_path) -> None:
    strategy = {"use": "auto", "among": AMONG, "batch": 4, "least": 900}
    more = {"holdout": 0.25, "queue": {"limit": 1000}}
    made = campaign(strategy, tmp_path, budget={"labels": 50}, **more)
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    rounds = len(selections(tmp_path / "run"))
    campaign(strategy, tmp_path, budget={"labels": 100}, **more).resume(
        tmp_path / "run", progress=False
    )
    told = selections(tmp_path / "run")
    assert len(told) > rounds
    choices = [one["choice"] for one in told if one["choice"]]
    race = choices[-1]["record"]
    assert [one["strategy"] for one in race["branches"]] == AMONG
    assert all(len(branch["labels"]) >= 2 for branch in race["branches"])
    assert race["paid"] <= race["budget"]
    assert any(decision["kind"] == "dropped" for decision in race["decisions"])
    # Who picked is journaled with each question, and nothing was asked for nobody.
    whys = Counter(record.data["why"] for record in asked(tmp_path / "run"))
    assert set(whys) <= {*AMONG, "initial", "holdout"}
    assert len([name for name in AMONG if whys[name]]) >= 2


def test_a_bandit_learns_from_what_it_drew(tmp_path) -> None:
    strategy = {"use": "albl", "among": AMONG, "batch": 5, "least": 900}
    made = campaign(strategy, tmp_path, budget={"labels": 50}, queue={"limit": 1000})
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    last = selections(tmp_path / "run")[-1]["choice"]
    rewards = [one["reward"] for one in last["record"]["history"]]
    assert len(rewards) >= 4
    assert min(rewards) >= 0 < max(rewards)
    chances = last["record"]["history"][-1]["probabilities"]
    assert sum(chances.values()) == pytest.approx(1.0)
    assert len(last["drawn"]) >= 30


def test_picks_are_taken_by_turns_each_once() -> None:
    picks = {
        "a": Picked(np.array([3, 1, 2]), np.array([0.3, 0.2, 0.1])),
        "b": Picked(np.array([1, 3]), np.array([9.0, 8.0])),
    }
    rows, scores, names = interleaved(picks)
    assert rows == [3, 1, 2]
    assert scores == [0.3, 9.0, 0.1]
    assert names == ["a", "b", "a"]


def test_the_quality_of_numbers_is_what_a_model_takes_off_the_error() -> None:
    truth = Dataset(Batch.stack(x=np.zeros(4)), Batch.stack(y=np.array([0.0, 0.0, 4.0, 4.0])))
    for said, wanted in (
        ([0.0, 0.0, 4.0, 4.0], 1.0),
        ([2.0] * 4, 0.0),
        ([1.0, 1.0, 3.0, 3.0], 0.5),
    ):
        metric, error = quality(Prediction(Batch.stack(y=np.array(said)), Batch({})), truth, "y")
        assert metric == pytest.approx(wanted)
        assert error > 0


def test_the_quality_of_classes_is_their_accuracy() -> None:
    truth = Dataset(Batch.stack(x=np.zeros(4)), Batch.stack(y=np.array([1, 2, 1, 2])))
    said = Batch.stack(**{"y": np.array([1, 2, 1, 1]), "y.proba": np.full((4, 2), 0.5)})
    metric, error = quality(Prediction(said, Batch({})), truth, "y")
    assert metric == 0.75
    assert error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))

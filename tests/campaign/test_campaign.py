"""A campaign from its assembly to its result, in this process."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_roles import Line, square

from querist.campaign.campaign import Campaign, RunResult, report_of, summary_of
from querist.campaign.inspecting import progress_of
from querist.core.answers import Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError
from querist.core.prediction import Prediction, Proposal
from querist.core.roles import FitResult, ModelState
from querist.store.errors import NotARun, RunExists, RunLocked
from querist.store.reader import read_journal
from querist.store.run_folder import RunFolder


def halting(x: np.ndarray) -> dict[str, Any]:
    """Fails where the sum of its numbers is above 0.2."""
    if x.sum() > 0.2:
        raise ArithmeticError("did not converge")
    return square(x)


def test_an_array_and_an_estimator_are_enough(tmp_path: Path) -> None:
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 2))
    told = {"oracle": lambda x: float(x @ x), "output": "y", "engine": "inline"}
    asked = {**told, "budget": {"labels": 12}, "initial": 6, "retrain": {"every_labels": 6}}
    result = Campaign(generator=points, model=tree(), **asked).run(tmp_path / "run", progress=False)
    assert result.require_finished().reason == "12 labels (of 12)"
    known = {tuple(row) for row in points.tolist()}
    labels = result.dataset()
    assert {tuple(row) for row in labels.inputs["x"].tolist()} <= known
    assert len(labels.inputs.ids) == len(set(labels.inputs.ids)) == 12


def test_fewer_candidates_than_the_first_model_wants_are_enough(tmp_path: Path) -> None:
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (6, 2))
    told = {"oracle": lambda x: float(x @ x), "output": "y", "engine": "inline"}
    made = Campaign(generator=points, model=tree(), initial=20, budget={"labels": 30}, **told)
    result = made.run(tmp_path / "run", progress=False).require_finished()
    assert "exhausted" in result.reason
    assert len(result.dataset()) == 6
    assert result.summary()["models"]["published"] > 0


@pytest.mark.torch
def test_a_torch_module_is_a_model_in_worker_processes_too(tmp_path: Path) -> None:
    nn = pytest.importorskip("torch").nn
    net = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 2))
    told = {"generator": points, "model": net, "oracle": lambda x: float(x @ x), "output": "y"}
    campaign = Campaign(**told, initial=6, retrain={"every_labels": 4}, budget={"labels": 10})
    assert campaign.run(tmp_path / "run", progress=False).require_finished()


def test_a_data_frame_is_candidates_by_column(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": np.linspace(0.0, 1.0, 30), "kind": ["even", "odd"] * 15})
    result = Campaign(
        generator=frame,
        model={**MODEL, "options": {**MODEL["options"], "inputs": ["size"]}},
        oracle=lambda size, kind: float(size) + (kind == "odd"),
        output="y",
        engine="inline",
        budget={"labels": 10},
    ).run(tmp_path / "run", progress=False)
    assert result.require_finished()
    assert {*result.dataset().inputs["kind"].tolist()} == {"even", "odd"}


class Live:
    """A generator of a script."""

    def open(self, context) -> None:
        self.rng = context.rng

    def propose(self) -> Proposal:
        return Proposal(Batch.stack(x=self.rng.uniform(-1, 1, (4, 2))), np.arange(4))

    def observe(self, feedback) -> None:
        pass


BOX = {"use": "uniform", "options": {"low": [-1.0, -1.0], "high": [1.0, 1.0], "batch": 8}}
MODEL = {"use": "random_features", "options": {"members": 2, "features": 16}}


def campaign(**changes: Any) -> Campaign:
    settings = {
        "generator": BOX,
        "model": MODEL,
        "oracle": {"use": "function", "options": {"function": "campaign_roles:square"}},
        "output": "y",
        "initial": 8,
        "holdout": 0.25,
        "gate": {"quantile": 0.5},
        "retrain": {"every_labels": 6},
        "budget": {"labels": 24},
        "engine": "inline",
    }
    return Campaign(**{**settings, **changes})


def live(**changes: Any) -> Campaign:
    return campaign(generator=Live(), oracle=square, **changes)


class Says:
    """A model of a script that always says the same."""

    def __init__(self, rows: int | None = None, std: float = 1.0) -> None:
        self.rows, self.std = rows, std

    def fit(self, dataset, request) -> FitResult:
        return FitResult(ModelState({"nothing": np.zeros(1)}, {}))

    def load(self, state) -> None:
        pass

    def predict(self, batch: Batch) -> Prediction:
        rows = self.rows or len(batch)
        return Prediction(Batch.stack(y=np.zeros(rows)), Batch.stack(y=np.full(rows, self.std)))


def test_a_model_that_gives_no_number_ends_the_campaign_with_a_sentence(tmp_path: Path) -> None:
    made = live(model=Says(std=np.nan), holdout=0.0)
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "failed"
    assert "nothing that explorers propose gets a number from the model of version" in result.reason


@pytest.mark.parametrize(
    ("method", "wanted"), [("propose", "Proposal"), ("fit", "FitResult"), ("predict", "Prediction")]
)
def test_a_role_that_gives_something_else_is_named(tmp_path, monkeypatch, method, wanted) -> None:
    role = Live if method == "propose" else Says
    monkeypatch.setattr(role, method, lambda *given: np.zeros(2))
    made = live(model=Says(), holdout=0.0)
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "failed"
    assert f"{role.__name__}.{method} should return a {wanted} " in result.reason


def test_a_model_that_predicts_too_few_samples_is_told(tmp_path: Path) -> None:
    made = live(model=Says(rows=1), holdout=0.0, retrain={"every_labels": 100})
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "failed"
    assert "was given 4 samples, but its mean has 1 rows" in result.reason


@pytest.mark.parametrize("avoids", [True, False])
def test_a_campaign_learns_where_its_oracle_fails(avoids: bool, tmp_path: Path) -> None:
    model = {"use": "avoiding", "options": {"model": MODEL["use"], "options": MODEL["options"]}}
    model["options"]["model"] = "querist.models.random_features:RandomFeatures"
    changes = {"budget": {"labels": 40}, "holdout": 0.0, "retry": {"attempts": 1}}
    changes |= {"retrain": {"every_labels": 2}, "queue": {"limit": 20}}
    changes |= {"slice": {"steps": 1, "seconds": None}}  # news soon reach who explores
    made = campaign(oracle=halting, model=model if avoids else MODEL, **changes)
    result = made.run(tmp_path / "run", progress=False)
    kinds = [f.kind for f in read_journal(result.folder / "journal") if f.kind[:7] == "answer."]
    share = kinds.count("answer.failure") / len(kinds)
    assert share < 0.45 if avoids else share > 0.5


def test_progress_after_a_resume_counts_failed_tries_as_status_does(tmp_path: Path, capsys) -> None:
    changes = {"retry": {"attempts": 1}, "oracle": {"use": "function"}}
    changes["oracle"]["options"] = {"function": "test_campaign:halting"}
    campaign(**changes, budget={"labels": 12}).run(tmp_path / "run", progress=False)
    assert progress_of(tmp_path / "run").failures > 0
    more = campaign(**changes, budget={"labels": 13})
    more.resume(tmp_path / "run", progress="plain")
    told = progress_of(tmp_path / "run")
    wanted = f" {told.failures} failed ({told.quarantined} for good)"
    assert wanted in capsys.readouterr().err.splitlines()[-1]


def records(folder: Path, *kinds: str) -> list[Any]:
    found = RunFolder(folder).journal_reader().read_new()
    return [record for record in found if not kinds or record.kind in kinds]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Any:
    """A run that ended well; nobody may change it."""
    return campaign().run(tmp_path_factory.mktemp("campaign") / "run", progress=False)


def test_a_campaign_learns_and_ends_within_its_budget(finished) -> None:
    assert (finished.status, finished.reason) == ("finished", "24 labels (of 24)")
    dataset = finished.dataset()
    assert len(dataset) == 24
    assert len(dataset.rows(Purpose.HOLDOUT)) == 6
    assert np.allclose(dataset.outputs["y"], (dataset.inputs["x"] ** 2).sum(axis=1))
    model = finished.model()
    x = np.random.default_rng(5).uniform(-1, 1, (50, 2))
    error = np.abs(model.predict(Batch.stack(x=x)).mean["y"] - (x**2).sum(axis=1))
    assert np.median(error) < 0.1


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ({"change_below": {"output": "y", "value": 9.0, "times": 1}}, "predictions of y changed"),
        ({"mean_uncertainty_below": {"output": "y", "value": 9.0}}, "the mean uncertainty of y"),
        ({"error_stable": {"output": "y", "value": 1.0, "times": 1}}, "the expected error of y"),
        ({"selected_error_below": 9.0}, "the error on newly selected labels is"),
        ({"gain_below": {"metric": "y.mae", "share": 1.0, "window": 2}}, "100 more labels are"),
    ],
)
def test_a_campaign_stops_by_what_its_models_predict(tmp_path, stop, reason: str) -> None:
    made = campaign(stop=stop, budget={"labels": 200}, retrain={"every_labels": 12})
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    assert result.reason.startswith(reason)
    assert len(result.dataset()) < 100


def test_the_result_leads_to_summary_and_report(finished, tmp_path) -> None:
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert summary == json.loads(finished.summary().to_json())
    assert summary_of(finished.folder).to_json() == finished.summary().to_json()
    page = finished.report(tmp_path / "page.html").read_text()
    assert "<html" in page
    assert "random_features" in page  # the configuration is part of it
    assert report_of(finished.folder, tmp_path / "other.html").exists()


def test_the_configuration_in_the_folder_makes_the_same_campaign(finished) -> None:
    assert Campaign.of_run(finished.folder).settings == campaign().settings


def test_a_finished_run_resumed_ends_at_once_and_changes_no_label(tmp_path) -> None:
    made = campaign()
    result = made.run(tmp_path / "run", progress=False)
    before = records(result.folder, "answer.label", "model.published")
    again = made.resume(tmp_path / "run", progress=False)
    assert (again.status, again.reason) == (result.status, result.reason)
    assert len(records(result.folder, "answer.label", "model.published")) == len(before)
    assert [r.data["epoch"] for r in records(result.folder, "run.started")] == [0, 1]


def test_a_larger_budget_in_the_script_continues_a_finished_run(tmp_path) -> None:
    campaign().run(tmp_path / "run", progress=False)
    result = campaign(budget={"labels": 30}).resume(tmp_path / "run", progress=False)
    assert (result.status, len(result.dataset())) == ("finished", 30)
    versions = [r.data["version"] for r in records(result.folder, "model.published")]
    assert versions == list(range(1, len(versions) + 1))
    times = [r.data["t"] for r in records(result.folder)]
    assert times == sorted(times)


def test_live_objects_run_and_resume_in_the_same_script_only(tmp_path) -> None:
    made = live()
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    with pytest.raises(RunError) as caught:
        Campaign.of_run(tmp_path / "run")
    assert "generators.0, oracles.oracle" in str(caught.value)
    assert "campaign.resume(folder) instead of campaign.run(folder)" in str(caught.value)
    assert made.model(tmp_path / "run") is not None
    more = live(budget={"labels": 26}).resume(tmp_path / "run", progress=False)
    assert len(more.dataset()) == 26


def test_nothing_is_made_where_something_is(tmp_path, finished) -> None:
    with pytest.raises(RunExists, match="querist resume"):
        campaign().run(finished.folder, progress=False)
    with pytest.raises(NotARun):
        campaign().resume(tmp_path / "nowhere", progress=False)


def test_a_run_without_a_model_says_so(tmp_path) -> None:
    made = campaign(trainers=0)
    result = made.run(tmp_path / "run", progress=False)
    assert (result.status, len(result.dataset())) == ("finished", 8)
    with pytest.raises(RunError, match="no model was trained yet"):
        result.model()
    with pytest.raises(RunError, match=r"before a model was trained \(finished: all initial"):
        result.learning_curve("y.mae")


def test_a_learning_curve_that_is_not_there_says_why(tmp_path, finished) -> None:
    assert finished.learning_curve("y.mae")
    with pytest.raises(RunError, match=r"by 'z\.mae', only by y\.mae"):
        finished.learning_curve("z.mae")
    with pytest.raises(RunError, match="there was no hold-out"):
        campaign(holdout=0.0).run(tmp_path / "blind", progress=False).learning_curve("y.mae")


def test_a_script_may_insist_that_the_run_finished(finished) -> None:
    assert finished.require_finished() is finished
    stopped = RunResult(finished.folder, "stopped", "Ctrl-C")
    with pytest.raises(RunError, match=r"was stopped: Ctrl-C \(continue with: querist resume "):
        stopped.require_finished()
    failed = RunResult(finished.folder, "failed", "training failed 3 times: X: y")
    with pytest.raises(RunError, match=r"failed: training failed .* \(see: querist failures "):
        failed.require_finished()


def test_two_controllers_of_one_run_are_one_too_many(tmp_path) -> None:
    waiting = threading.Event()

    class Slow:
        def answer(self, samples, context):
            waiting.set()
            time.sleep(0.05)
            from querist.core.answers import Label

            return [Label({"y": np.array(1.0)})]

        def __deepcopy__(self, memo):
            return self

    made = campaign(oracle=Slow(), budget={"labels": 10_000, "seconds": 1.0})
    thread = threading.Thread(target=made.run, args=(tmp_path / "run",), kwargs={"progress": False})
    thread.start()
    assert waiting.wait(20)
    with pytest.raises(RunLocked, match="is being written by process"):
        made.resume(tmp_path / "run", progress=False)
    thread.join()
    assert records(tmp_path / "run")[-1].kind == "run.ended"


def test_equal_seeds_ask_the_same(tmp_path) -> None:
    asked = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        result = campaign(seed=seed, budget={"labels": 16}).run(tmp_path / name, progress=False)
        asked.append([r.data["sample"] for r in records(result.folder, "question.asked")])
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_an_engine_option_that_is_unknown_is_a_sentence(tmp_path) -> None:
    made = campaign(engine={"kind": "inline", "options": {"sed": 1}})
    with pytest.raises(ConfigError, match=r"no option 'sed'; did you mean 'seed'"):
        made.run(tmp_path / "run", progress=False)


def test_an_oracle_that_was_renamed_is_a_sentence(tmp_path) -> None:
    oracle = {"use": "function", "options": {"function": "campaign_roles:square"}}
    first = campaign(oracle={"dft": oracle}, budget={"labels": 10})
    result = first.run(tmp_path / "run", progress=False)
    with RunFolder(result.folder).lock(), RunFolder(result.folder).journal_writer() as writer:
        (last, *_) = reversed(records(result.folder, "question.asked"))
        data = {**last.data, "sample": "f" * 32, "question": f"{'f' * 32}.dft.0"}
        writer.append("question.asked", data, last.arrays)
    with pytest.raises(RunError, match=r"asked the oracle 'dft'.* has only 'hf'"):
        campaign(oracle={"hf": oracle}).resume(result.folder, progress=False)


def test_several_generators_and_explorers_share_the_work(tmp_path) -> None:
    starts = (0.0, 1e6, 2e6)
    lines = [{"use": "campaign_roles:Line", "options": {"start": start}} for start in starts]
    made = campaign(generator=lines, explorers=2, initial=9, holdout=0.0, budget={"labels": 30})
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    x = result.dataset().inputs["x"].ravel()
    assert {int(value // 1e6) for value in x} == {0, 1, 2}
    slots = {r.data["slot"] for r in records(result.folder, "question.asked")}
    assert {0, 1} <= slots


def test_a_generator_that_ends_ends_the_campaign(tmp_path) -> None:
    class Ending(Line):
        @property
        def exhausted(self) -> bool:
            return self.x >= self.last

    made = campaign(generator=Ending(last=10), initial=4, budget={"labels": 1000}, holdout=0.0)
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    assert "exhausted" in result.reason
    assert len(result.dataset()) <= 10


def test_the_default_folder_has_the_campaigns_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = campaign(name="mine", budget={"labels": 8}).run(progress=False)
    assert result.folder == tmp_path / "runs" / "mine"


def test_a_summary_that_cannot_be_written_does_not_fail_the_run(tmp_path, monkeypatch) -> None:
    from querist.accounting.summary import Summary

    def full(summary, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Summary, "save", full)
    result = campaign(budget={"labels": 8}).run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    assert result.reason.endswith("(summary.json could not be written: No space left on device)")

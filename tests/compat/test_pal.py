"""PAL kernels run unchanged, end to end, on our engines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner

from querist.campaign.campaign import Campaign
from querist.campaign.inspecting import failures_of
from querist.cli import main
from querist.compat import pal
from querist.store.run_folder import RunFolder

TRUTH = [2.0, -3.0, 0.5]


def run(package, tmp_path, labels=30, engine="inline", **values):
    made = pal.campaign(
        package.settings,
        package.folder,
        engine=engine,
        budget={"labels": labels, "seconds": 60},
        retrain_seconds=values.pop("retrain_seconds", 1),
        **values,
    )
    return made, made.run(tmp_path / "run", progress=False, handle_signals=False)


def facts(result, kind):
    return [r for r in RunFolder(result.folder).journal_reader().read_new() if r.kind == kind]


@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_a_package_runs_to_its_budget(package, tmp_path, engine) -> None:
    package.change("oracle", "return", "import time; time.sleep(0.05); return")
    _, result = run(package, tmp_path, engine=engine)

    assert (result.status, result.reason) == ("finished", "30 labels (of 30)")
    inputs = result.dataset().inputs["x"]
    assert inputs.shape == (30, 2)
    # prediction_check decided: nothing from the left half was asked.
    assert (inputs[:, 0] > 0).all()
    # Weights travelled from objects in the mode "train" to others in the mode "predict".
    predicted = result.model().predict(result.dataset().inputs).mean["y"]
    np.testing.assert_allclose(predicted, result.dataset().outputs["y"], atol=1e-9)
    explored = facts(result, "explored")
    assert explored[-1].data["version"] >= 2


@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_user_objects_are_made_told_and_ended_as_in_pal(package, tmp_path, engine) -> None:
    run(package, tmp_path, engine=engine)

    # A worker process that has not ended a second after the run is killed.
    words = ("saved", "stopped") if engine == "inline" else ("saved",)
    # Ranks: 2-3 predict, 4-6 generate, 7-8 are oracles, 9-10 train.
    for rank in (4, 5, 6):
        for word in words:
            told = (package.results / f"generator_{rank}.{word}").read_text()
            steps, first, shapes = told.split(" ", 2)
            assert int(steps) > 1
            assert first == "True"  # began with None
            assert shapes == "[(2,)]"  # the mean, and prediction_check's own 7.0
    assert [(package.results / f"model_predict_{r}").read_text() for r in (2, 3)] == ["0", "1"]
    assert [(package.results / f"model_train_{r}").read_text() for r in (9, 10)] == ["-1", "-1"]
    assert int((package.results / "history_9").read_text()) >= 6
    if engine == "inline":
        assert (package.results / "model_train_10.stopped").exists()
        assert (package.results / "model_predict_3.stopped").exists()


def test_retraining_begins_with_each_retrain_size_of_labels(package, tmp_path) -> None:
    _, result = run(package, tmp_path, final_fit=False)
    published = facts(result, "model.published")
    assert published[0].data["why"] == "given: querist-untrained.safetensors"
    grown = [record.data["train"] for record in published]
    assert all(b - a >= 6 for a, b in pairwise(grown))
    assert len(grown) > 2


def test_a_generator_that_says_stop_ends_the_run(package, tmp_path) -> None:
    package.change("generator", "LIMIT = None", "LIMIT = 20 if True else None")
    _, result = run(package, tmp_path, labels=10**6)
    assert (result.status, result.reason) == (
        "stopped",
        "PAL: the generator of rank 4 returned stop_run",
    )
    assert (package.results / "generator_4.stopped").read_text().startswith("21 ")


def test_a_training_that_says_stop_ends_the_run(package, tmp_path) -> None:
    package.change("model", "STOP_AT = None", "STOP_AT = 12")
    _, result = run(package, tmp_path, labels=10**6, engine="processes")
    assert (result.status, result.reason) == (
        "stopped",
        "PAL: the training of rank 9 returned stop_run",
    )


def test_training_that_waits_for_new_data_is_told_of_it(package, tmp_path) -> None:
    package.change("model", "WAIT = False", "WAIT = True")
    package.change("model", "STOP_AT = None", "STOP_AT = 18")
    package.change("oracle", "return", "import time; time.sleep(0.01); return")
    _, result = run(package, tmp_path, engine="processes", retrain_seconds=50, labels=10**6)
    # Without a request that turns true, each fit would take 100 seconds and the limit is 60.
    assert result.reason == "PAL: the training of rank 9 returned stop_run"
    assert len(facts(result, "model.published")) > 1


def test_an_oracle_that_fails_costs_its_question_only(package, tmp_path) -> None:
    package.change("oracle", "return", "assert input_for_orcl[0] < 0.5, 'too far'; return")
    _, result = run(package, tmp_path, engine="processes", retry={"backoff": 0, "give_up": 1000})
    assert result.status == "finished"
    assert "AssertionError: too far" in {f.message for f in failures_of(result.folder)}
    assert (result.dataset().inputs["x"][:, 0] < 0.5).all()


def test_an_oracle_that_gives_nan_is_not_trained_on(package, tmp_path) -> None:
    package.change(
        "oracle", "return", "if input_for_orcl[1] > 0: return np.array([np.nan])\n        return"
    )
    _, result = run(package, tmp_path, retry={"backoff": 0, "give_up": 1000})
    assert result.status == "finished"
    assert all("not finite" in f.message for f in failures_of(result.folder))
    assert (result.dataset().inputs["x"][:, 1] <= 0).all()


def test_generators_may_differ_in_size(package, tmp_path) -> None:
    package.settings["fixed_size_data"] = False
    package.change("generator", "return 2", "return 2 + rank % 2")
    package.change("model", "np.append(x, 1) @ self.w", "np.append(x[:2], 1) @ self.w")
    package.change("model", "np.append(x, 1) for", "np.append(x[:2], 1) for")
    _, result = run(package, tmp_path, engine="processes")
    assert result.status == "finished"
    sizes = {len(item) for item in result.dataset().inputs.columns["x"].items()}
    assert sizes == {2, 3}


def test_several_explorers_share_the_generators(package, tmp_path) -> None:
    # So many labels that the second explorer is there before the first one is done with them.
    _, result = run(package, tmp_path, engine="processes", explorers=2, labels=300)
    assert result.status == "finished"
    assert {record.data["slot"] for record in facts(result, "explored")} == {0, 1}


def test_a_stopped_run_resumes_with_its_labels(package, tmp_path) -> None:
    run(package, tmp_path, labels=12)
    RunFolder(tmp_path / "run").inbox.post("set", {"labels": 24})
    made = Campaign.of_run(tmp_path / "run")  # as `querist resume` does, without our script
    result = made.resume(tmp_path / "run", progress=False, handle_signals=False)
    assert (result.status, result.reason) == ("finished", "24 labels (of 24)")
    # New objects were given the labels of before the stop, too.
    assert int((package.results / "history_9").read_text()) > 12


def test_an_import_error_of_a_kernel_is_told(package, tmp_path) -> None:
    package.change("utils", "import numpy as np", "import numpy as np\nimport not_installed_here")
    _, result = run(package, tmp_path, engine="processes")
    assert result.status == "failed"
    assert "not_installed_here" in result.reason


def test_many_inputs_of_one_generator_leave_a_slice(package, tmp_path) -> None:
    package.settings["gene_process"] = 1
    _, result = run(package, tmp_path, labels=40)
    first, second = (record.data for record in facts(result, "explored")[:2])
    assert first["asked"] > 10
    assert second["queued"] + second["outstanding"] > 10


def test_the_command_runs_a_package_until_its_code_stops_it(package, tmp_path) -> None:
    package.change("model", "STOP_AT = None", "STOP_AT = 6")
    path = package.folder / "al_setting.py"
    path.write_text(f"AL_SETTING = {package.settings!r}")
    options = ["--package", package.folder, "--folder", tmp_path / "run", "--engine", "inline"]
    called = CliRunner().invoke(
        main, [str(v) for v in ("pal", package.folder, *options, "--progress", "none")]
    )
    assert called.exit_code == 0, called.output
    assert "PAL: the training of rank 9 returned stop_run" in called.stderr

"""The commands of campaigns: what they print, exit statuses, sentences instead of tracebacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from command_line import call

from querist.campaign.labels import LabelReader
from querist.cli import main
from querist.store.run_folder import RunFolder

CONFIG: dict[str, Any] = {
    "generators": {"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}},
    "model": {"use": "random_features", "options": {"members": 2, "features": 16}},
    "oracles": {"use": "function", "options": {"function": "campaign_roles:square"}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 6,
    "budget": {"labels": 10},
    "retrain": {"every_labels": 5},
    "engine": "inline",
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run; nobody may change it."""
    folder = tmp_path_factory.mktemp("cli")
    result = call("run", written(folder), "--folder", folder / "run", "--progress", "plain")
    assert result.exit_code == 0, result.output
    assert "10/10 labels (100 %)" in result.stderr
    assert "finished: 10 labels (of 10)" in result.stderr
    assert f"run folder: {folder / 'run'}" in result.stderr
    return folder / "run"


def test_check_says_whether_a_file_is_sound(tmp_path) -> None:
    result = call("check", written(tmp_path))
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'campaign.yaml'} is sound.\n")
    result = call("check", written(tmp_path, initail=3, budget={"labels": "x"}))
    assert result.exit_code == 2
    assert "initail: unknown key. Did you mean 'initial'?" in result.stderr
    assert "budget.labels: should be a whole number, got 'x'" in result.stderr
    result = call("check", tmp_path / "nothing.yaml")
    assert result.exit_code == 2
    assert "nothing.yaml cannot be read" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_resume_of_a_finished_run(tmp_path) -> None:
    folder = tmp_path / "run"
    call("run", written(tmp_path), "--folder", folder, "--progress", "none")
    result = call("resume", folder, "--progress", "none")
    assert result.exit_code == 0
    assert result.stderr.startswith("finished: 10 labels (of 10)\n")
    result = call("run", written(tmp_path), "--folder", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith("querist: ")
    assert "already holds a run" in result.stderr


def test_a_failed_run_has_a_status_and_a_hint(tmp_path) -> None:
    oracle = {"use": "function", "options": {"function": "campaign_roles:odd"}}
    path = written(tmp_path, oracles=oracle, retry={"attempts": 1, "give_up": 2})
    result = call("run", path, "--folder", tmp_path / "run", "--progress", "none")
    assert result.exit_code == 1
    assert "failed: all of the first" in result.stderr
    assert f"see: querist failures {tmp_path / 'run'}" in result.stderr
    listed = call("failures", tmp_path / "run")
    assert listed.exit_code == 0
    assert listed.output.splitlines()[-1].endswith(" of them final.")
    assert "quarantined" in listed.output
    assert len(call_with_trace(tmp_path / "run").splitlines()) > len(listed.output.splitlines())


def call_with_trace(run: Path) -> str:
    result = CliRunner().invoke(main, ["failures", str(run), "--traceback"])
    assert result.exit_code == 0
    return result.output


def test_looking_at_a_run(run, tmp_path) -> None:
    assert json.loads(call("summary", run).output)
    status = call("status", run).output
    assert "10/10 labels" in status
    assert status.count("\n") == 1
    assert call("failures", run).output == "0 failures, 0 of them final.\n"
    page = tmp_path / "page.html"
    assert call("report", run, "-o", page).output == f"{page}\n"
    assert "<html" in page.read_text()
    trace = tmp_path / "trace.json"
    assert call("trace", run, "-o", trace).output == f"{trace}\n"
    assert json.loads(trace.read_text())


def test_an_interruption_has_its_own_status(run, monkeypatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("querist.campaign.inspecting.failures_of", interrupted)
    result = call("failures", run)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    monkeypatch.setattr("querist.campaign.campaign.Campaign.of_run", interrupted)
    result = call("resume", run)
    assert result.exit_code == 130
    assert "continues with: querist resume" in result.stderr


@pytest.mark.parametrize("command", ["report", "trace"])
def test_a_target_in_no_folder_is_a_sentence(run, tmp_path, command: str) -> None:
    result = call(command, run, "-o", tmp_path / "nowhere" / "file")
    assert result.exit_code == 2
    assert result.stderr == f"the folder {tmp_path / 'nowhere'} does not exist; make it first.\n"


def test_labels_go_out_and_come_in(run, tmp_path) -> None:
    out = tmp_path / "labels.npz"
    result = call("export", run, out)
    assert result.exit_code == 0
    assert "10 labels" in result.output
    holdout = call("export", run, tmp_path / "test.npz", "--purpose", "holdout").output
    assert "1 labels (1 holdout)" in holdout
    joined = tmp_path / "joined.npz"
    result = call("import", out, "-o", joined)
    assert (result.exit_code, "10 labels" in result.output) == (0, True)
    for arguments in ((out,), (out, "-o", joined, "--into", run)):
        result = call("import", *arguments)
        assert result.exit_code == 2
        assert "give either --output FILE or --into RUN" in result.stderr


def test_commands_are_posted_to_the_inbox(tmp_path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    given = (("pause",), ("go",), ("stop",), ("set", "--labels", 5, "--cost", 2.5))
    for command, *options in given:
        result = call(command, folder.path, *options)
        assert result.exit_code == 0
        assert "it is read within a second, or when the run is resumed" in result.output
    posted = [(message.kind, dict(message.data)) for message in folder.inbox.pending()]
    assert posted == [
        ("pause", {}),
        ("resume", {}),
        ("stop", {"why": "stopped by `querist stop`"}),
        ("set", {"labels": 5, "cost": 2.5}),
    ]
    result = call("set", folder.path)
    assert result.exit_code == 2
    assert "give at least one of --labels, --cost, --seconds" in result.stderr


def test_set_reaches_a_run_that_is_resumed(tmp_path) -> None:
    folder = tmp_path / "run"
    call("run", written(tmp_path), "--folder", folder, "--progress", "none")
    call("set", folder, "--labels", 14)
    assert call("resume", folder, "--progress", "none").exit_code == 0
    labels = LabelReader(folder / "journal").all()
    assert len(labels) == 14
    assert np.allclose(labels.outputs["y"], labels.inputs["x"].ravel() ** 2)


@pytest.mark.parametrize(
    "command", ["resume", "report", "summary", "status", "failures", "trace", "pause", "go", "stop"]
)
def test_a_folder_without_a_run_is_a_sentence(tmp_path, command: str) -> None:
    result = call(command, tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"querist: {tmp_path} is not the folder of a run")


def test_the_engine_can_be_chosen(tmp_path) -> None:
    path = written(tmp_path, engine="processes")
    result = call(
        "run", path, "--folder", tmp_path / "run", "--engine", "inline", "--progress", "none"
    )
    assert result.exit_code == 0
    (started,) = (
        r
        for r in RunFolder(tmp_path / "run").journal_reader().read_new()
        if r.kind == "run.started"
    )
    assert started.data["engine"] == "inline"
    assert call("run", path, "--engine", "quantum").exit_code == 2

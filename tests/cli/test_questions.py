"""People answer a run from the command line."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from command_line import call

from querist.campaign.asked import Questions
from querist.campaign.campaign import Campaign
from querist.store.run_folder import RunFolder

PETS = {"y": ["cat", "dog"]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that two people were asked by, before it was stopped."""
    settings = {
        "name": "pets",
        "generators": [{"use": "uniform", "options": {"low": [-2.0], "high": [2.0]}}],
        "model": {"use": "random_features", "options": {"outputs": ["y"], "members": 2}},
        "oracles": {"vet": {"use": "human", "outside": 2, "options": {"outputs": PETS}}},
        "gate": {"output": "y"},
        "initial": 2,
        "holdout": 0.0,
        "budget": {"labels": 9},
        "engine": "inline",
    }
    folder = tmp_path / "run"

    def stop() -> None:
        while not folder.exists() or len(Questions(folder).waiting()) < 2:
            threading.Event().wait(0.05)
        RunFolder(folder).inbox.post("stop", {})

    thread = threading.Thread(target=stop)
    thread.start()
    Campaign(**settings).run(folder, progress=False, handle_signals=False)
    thread.join()
    return folder


def test_questions_are_listed_and_answered(run: Path) -> None:
    lines = call("questions", run).stdout.splitlines()
    assert lines[0].split()[:3] == ["question", "oracle", "why"]
    assert "y=cat|dog" in lines[1]
    first, second = map(json.loads, call("questions", run, "--json").stdout.splitlines())
    assert first["form"]["outputs"][0]["classes"] == ["cat", "dog"]
    assert len(first["inputs"]["x"]) == 1
    wrong = call("answer", run, first["question"], "y=cow")
    assert (wrong.exit_code, "one of cat, dog" in wrong.output) == (2, True)
    assert call("answer", run, first["question"][:12], "y=dog", "--by", "ada").exit_code == 0
    assert call("answer", run, second["question"], "--not-sure", "too dark").exit_code == 0
    assert call("questions", run).output.strip() == "nothing is asked"
    kinds = [message.kind for message in RunFolder(run).inbox.pending()]
    assert kinds == ["answer", "abstain"]


def test_what_is_missing_is_told(run: Path) -> None:
    assert "NAME=VALUE" in call("answer", run, "x").output
    assert "0 questions that wait" in call("answer", run, "none", "y=cat").output

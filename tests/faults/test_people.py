"""A campaign that asks people is killed: its questions stay, and so do answers given meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from querist.campaign.asked import Questions
from querist.store.run_folder import RunFolder

pytestmark = pytest.mark.kill
CAMPAIGN = """
name: depths
generators: {use: uniform, options: {low: [-2.0], high: [2.0]}}
model: {use: random_features, options: {outputs: [depth], members: 2}}
oracles: {person: {use: human, outside: 4, options: {outputs: {depth: [1]}}}}
gate: {output: depth}
initial: 4
holdout: 0
budget: {labels: 4}
engine: inline
"""


def test_kill_9_loses_no_question_and_no_answer(tmp_path: Path) -> None:
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN)
    querist = [sys.executable, "-m", "querist"]
    run = tmp_path / "run"
    command = [*querist, "run", "campaign.yaml", "--folder", "run", "--progress", "none"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            before = _waited(run, 4)
            Questions(run).answer(before[0], {"depth": [0.5]})
        finally:
            process.kill()
    said = Questions(run)
    left = [one.id for one in said.waiting()]
    assert set(before) - set(left) <= {before[0]}
    for question in left:
        said.answer(question, {"depth": [1.5]}, by="ada")
    resume = [*querist, "resume", "run", "--progress", "none"]
    assert subprocess.run(resume, cwd=tmp_path, timeout=60).returncode == 0
    found = list(RunFolder(run).journal_reader().read_new())
    labels = [r.data["question"] for r in found if r.kind == "answer.label"]
    asked = [r.data["question"] for r in found if r.kind == "question.asked"]
    assert sorted(labels) == sorted(before) == sorted(asked)


def _waited(run: Path, number: int) -> list[str]:
    """The questions, once there are so many."""
    while not (run / "config.json").exists():
        time.sleep(0.05)
    asked = Questions(run)
    while len(asked.waiting()) < number:
        time.sleep(0.05)
    return [one.id for one in asked.waiting()]

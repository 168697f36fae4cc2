"""People answer a campaign: in time, late, over a stop and a resume, while others go on."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from querist.campaign.asked import Questions
from querist.campaign.campaign import Campaign
from querist.campaign.checking import problems
from querist.campaign.labels import LabelReader
from querist.campaign.loading import parse_settings
from querist.core.errors import ConfigError, RunError
from querist.oracles.function import FunctionOracle
from querist.store.run_folder import RunFolder


def settings(**changed) -> dict:
    """People who say the sine of a number."""
    plain = {
        "name": "people",
        "generators": [{"use": "uniform", "options": {"low": [-2.0], "high": [2.0]}}],
        "model": {"use": "random_features", "options": {"outputs": ["y"], "members": 3}},
        "oracles": {"person": {"use": "human", "outside": 4, "options": {"outputs": {"y": [1]}}}},
        "gate": {"output": "y", "ask": 0.05},
        "initial": 4,
        "holdout": 0.0,
        "budget": {"labels": 8},
        "engine": "inline",
    }
    return {**plain, **changed}


class Annotator(threading.Thread):
    """Answers what waits, one after the other, until told to stop."""

    def __init__(self, folder: Path, most: int = 10**6) -> None:
        super().__init__(daemon=True)
        self.folder, self.most, self.said = folder, most, 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not (self.folder / "config.json").exists():
            time.sleep(0.02)
        asked = Questions(self.folder)
        while not self.stopped.is_set() and self.said < self.most:
            for one in asked.waiting()[:1]:
                asked.answer(one.id, {"y": np.sin(one.sample["x"]).tolist()}, by="ada", seconds=2)
                self.said += 1
            time.sleep(0.02)


@pytest.fixture
def annotate():
    started: list[Annotator] = []

    def begin(folder: Path, most: int = 10**6) -> Annotator:
        started.append(Annotator(folder, most))
        started[-1].start()
        return started[-1]

    yield begin
    for one in started:
        one.stopped.set()
        one.join(10)


def facts(folder: Path, kind: str):
    return [r for r in RunFolder(folder).journal_reader().read_new() if r.kind == kind]


def test_people_carry_a_campaign(tmp_path: Path, annotate) -> None:
    folder = tmp_path / "run"
    annotate(folder)
    result = Campaign(**settings()).run(folder, progress=False, handle_signals=False)
    assert (result.status, result.reason) == ("finished", "8 labels (of 8)")
    found = LabelReader(RunFolder(folder).journal).all()
    np.testing.assert_allclose(found.outputs["y"], np.sin(found.inputs["x"]))
    labels = facts(folder, "answer.label")
    assert {(r.data["origin"], r.data["worker"], r.data["cost"]) for r in labels} == {
        ("person", "ada", 2.0)
    }
    assert Questions(folder).waiting() == []


def test_questions_and_answers_outlive_the_campaign(tmp_path: Path, annotate) -> None:
    """Stopped with open questions; answered while nothing runs; resumed."""
    folder = tmp_path / "run"
    campaign = Campaign(**settings(budget={"labels": 4}))
    stopper = threading.Thread(target=_stop_when_asked, args=(folder, 4))
    stopper.start()
    assert campaign.run(folder, progress=False, handle_signals=False).status == "stopped"
    stopper.join()
    asked = Questions(folder)
    waiting = asked.waiting()
    assert len(waiting) == 4
    for one in waiting:
        asked.answer(one.id, {"y": [0.5]})
    assert asked.waiting() == []
    assert [one.said for one in asked.waiting(answered=True)] == [True] * 4
    again = Campaign.of_run(folder).resume(folder, progress=False, handle_signals=False)
    assert again.status == "finished"
    assert {r.data["question"] for r in facts(folder, "answer.label")} == {w.id for w in waiting}
    assert len(facts(folder, "question.asked")) == 4


def _stop_when_asked(folder: Path, number: int) -> None:
    while not (folder / "config.json").exists():
        time.sleep(0.02)
    asked = Questions(folder)
    while len(asked.waiting()) < number:
        time.sleep(0.02)
    RunFolder(folder).inbox.post("stop", {"why": "lunch"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A stopped run with four open questions."""
    folder = tmp_path / "run"
    stopper = threading.Thread(target=_stop_when_asked, args=(folder, 4))
    stopper.start()
    Campaign(**settings()).run(folder, progress=False, handle_signals=False)
    stopper.join()
    return folder


def test_what_is_no_answer_is_refused_at_once(run: Path) -> None:
    asked = Questions(run)
    one = asked.waiting()[0]
    for said, words in (({"y": "deep"}, "numbers"), ({"y": [1, 2]}, "shape"), ({}, "empty")):
        with pytest.raises(ConfigError, match=words):
            asked.answer(one.id, said)
    with pytest.raises(RunError, match="0 questions"):
        asked.answer("nobody", {"y": [1.0]})
    with pytest.raises(RunError, match="4 questions"):
        asked.answer("", {"y": [1.0]})
    assert not RunFolder(run).inbox.pending()


def test_not_sure_closes_a_question_and_a_lease_is_posted(run: Path) -> None:
    asked = Questions(run)
    first, second, *_ = asked.waiting()
    asked.abstain(first.id, "too dark", by="bob")
    asked.lend(second.id, by="ada", seconds=60)
    assert [message.kind for message in RunFolder(run).inbox.pending()] == ["abstain", "lease"]
    assert first.id not in {one.id for one in asked.waiting()}
    assert second.id in {one.id for one in asked.waiting()}
    assert json.dumps(asked.form("person"))


def test_a_run_without_people_asks_nobody(tmp_path: Path) -> None:
    def square(x):
        return {"y": x**2}

    changed = settings(oracles=FunctionOracle(square, outputs="y"), budget={"labels": 4})
    Campaign(**changed).run(tmp_path / "run", progress=False, handle_signals=False)
    asked = Questions(tmp_path / "run")
    assert (asked.oracles, asked.waiting()) == ((), [])


def test_what_people_cannot_be_asked_is_told_before(tmp_path: Path) -> None:
    wrong = {"person": {"use": "human", "outside": 0, "options": {"outputs": {"y": ["cat"]}}}}
    found = problems(parse_settings(settings(oracles=wrong), "it"))
    assert any("two different names" in one for one in found)
    assert any("people have no workers" in one for one in found)
    plain = parse_settings(
        settings(oracles={"p": {"use": "human", "options": {"outputs": {"y": [1]}}}}), "it"
    )
    assert plain.oracles["p"].outside == 20
    assert problems(plain) == []

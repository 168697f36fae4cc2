"""A run's questions go to Label Studio and answers come back, over a fake server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from asked_run import Run

from querist.campaign.asked import Questions
from querist.campaign.campaign import Campaign
from querist.core.errors import ConfigError
from querist.integrations.label_studio.asking import Asking, follow, question_of
from querist.integrations.label_studio.serving import serving


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "pets")
    yield made
    made.writer.close()


def said(kind: str = "dog <&", size: str = "1 2") -> list[dict[str, Any]]:
    return [
        {"from_name": "output1", "type": "choices", "value": {"choices": [kind]}},
        {"from_name": "output2", "type": "textarea", "value": {"text": [size]}},
    ]


def test_questions_become_tasks_and_annotations_answers(run, studio, held) -> None:
    assert Asking.connect(run.questions, studio) is None  # nothing shows yet what is asked
    photo = np.zeros((9, 9, 3), np.uint8)
    asked = [run.ask(n, photo=photo, words=np.array("<b>")) for n in range(3)]
    there = Asking.connect(run.questions, studio)
    assert there is not None
    (project,) = held.projects
    assert project["title"] == "pets: person"
    assert '<Choice value="dog &lt;&amp;"/>' in project["label_config"]
    assert there.step().sent == 3
    assert there.step() == (0, 0, 0, 0, [])  # twice does nothing
    task = held.tasks[1]
    assert task["data"]["input1"].startswith("data:image/png;base64,")
    assert task["data"]["input2"] == "<b>"
    assert task["data"]["numbers"] == {"x": "0"}
    held.annotate(1, said(), lead_time=4.5)
    held.annotate(2, [], was_cancelled=True)
    held.annotate(3, said(size="1 99"))
    done = there.step()
    assert (done.answers, done.declined, len(done.broken)) == (1, 1, 1)
    assert "between 0 and 9" in done.broken[0]
    (answer,) = run.posted("answer")
    assert answer.arrays["kind"] == 1
    assert answer.arrays["size"].tolist() == [1, 2]
    assert (answer.data["worker"], answer.data["seconds"]) == ("ada@example.com", 4.5)
    assert [one.data["question"] for one in run.posted("abstain")] == [asked[1]]
    held.annotate(3, said(size="1 9"))  # corrected
    assert there.step().answers == 1
    again = Asking.connect(run.questions, studio)
    assert again is not None
    assert (again.project, again.step().answers) == (there.project, 0)


def test_stale_questions_are_withdrawn_unless_somebody_is_at_them(run, studio, held) -> None:
    asked = [run.ask(n) for n in range(3)]
    there = Asking.connect(run.questions, studio)
    assert there is not None
    there.step()
    held.tasks[2]["drafts"] = [{"result": []}]
    run.withdraw(asked[0])
    foreign = held.add(there.project, data={"numbers": {}})
    held.annotate(foreign, said())  # somebody's own task is left alone
    assert there.step().withdrawn == 1
    assert [question_of(one) for one in held.tasks.values()] == [asked[1], asked[2], ""]
    assert [one.data["question"] for one in run.posted("lease")] == [asked[1]]


def test_answers_by_webhook(run, studio, held) -> None:
    run.ask()
    there = Asking.connect(run.questions, studio)
    assert there is not None
    there.step()
    annotation = held.annotate(1, said())
    body = {"action": "ANNOTATION_CREATED", "task": held.tasks[1], "annotation": annotation}
    with serving(there, key="k") as url, httpx.Client(trust_env=False) as client:
        asked = {"headers": {"Authorization": "Bearer k"}}
        assert client.post(f"{url}/webhook", json=body).status_code == 401
        assert client.post(f"{url}/webhook", json=body, **asked).json()["answers"] == 1
        assert client.post(f"{url}/webhook", json=body, **asked).json()["answers"] == 0
        other = {"action": "PROJECT_UPDATED"}
        assert client.post(f"{url}/webhook", json=other, **asked).json()["answers"] == 0
    assert run.posted("answer")[0].data["worker"] == "ada@example.com"


def test_an_oracle_must_ask_people(run, studio) -> None:
    with pytest.raises(ConfigError, match="person"):
        Asking.connect(run.questions, studio, "code")


def test_a_campaign_ends_by_what_is_said_there(tmp_path: Path, studio, held) -> None:
    outputs = {"depth": {"shape": [1], "unit": "m"}}
    folder = tmp_path / "depths"
    campaign = Campaign(
        generator={"use": "uniform", "options": {"low": [-1.0], "high": [1.0]}},
        model={"use": "random_features", "options": {"outputs": ["depth"], "members": 2}},
        oracles={"person": {"use": "human", "outside": 2, "options": {"outputs": outputs}}},
        output="depth",
        initial=2,
        holdout=0.0,
        budget={"labels": 4},
        engine="inline",
    )
    ended: list[Any] = []
    running = threading.Thread(
        target=lambda: ended.append(campaign.run(folder, progress=False, handle_signals=False))
    )
    running.start()

    def look() -> bool:
        for number, task in list(held.tasks.items()):
            if not task["annotations"]:
                part = {"from_name": "output1", "type": "number", "value": {"number": 2.5}}
                held.annotate(number, [part])
        time.sleep(0.05)
        return True

    def connect() -> Asking | None:
        if not (folder / "manifest.json").exists():
            return None
        return Asking.connect(Questions(folder), studio)

    answers: list[int] = []
    follow(connect, lambda step: answers.append(step.answers), look)
    running.join(60)
    assert ended[0].status == "finished"
    assert sum(answers) == 4

"""Questions of a campaign over HTTP: seen, answered, refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from querist.campaign.asked import Questions
from querist.campaign.campaign import Campaign
from querist.store.run_folder import RunFolder

ASKED = {"depth": {"shape": [1], "unit": "m", "low": 0, "high": 9}}


@pytest.fixture(scope="module")
def served(lasting, tmp_path_factory):
    """A run that was stopped with three open questions."""
    folder = tmp_path_factory.mktemp("asking") / "runs" / "depths"
    campaign = Campaign(
        generator={"use": "uniform", "options": {"low": [-1.0], "high": [1.0]}},
        model={"use": "random_features", "options": {"outputs": ["depth"], "members": 2}},
        oracles={"person": {"use": "human", "outside": 3, "options": {"outputs": ASKED}}},
        output="depth",
        initial=3,
        holdout=0.0,
        budget={"labels": 9},
        engine="inline",
    )
    stopper = threading.Thread(target=_stop_when_asked, args=(folder, 3))
    stopper.start()
    campaign.run(folder, progress=False, handle_signals=False)
    stopper.join()
    found = lasting(campaigns={"runs": str(folder.parent)})
    found.run = folder
    return found


def _stop_when_asked(folder: Path, number: int) -> None:
    while not folder.exists() or len(Questions(folder).waiting()) < number:
        time.sleep(0.05)
    RunFolder(folder).inbox.post("stop", {})


def test_questions_are_seen_and_answered(served) -> None:
    path = "/v1/campaigns/runs:depths"
    page = served.http.get(f"{path}/questions", params={"limit": 2}).json()
    assert len(page["items"]) == 2
    assert page["next"]
    first, second = page["items"]
    assert first["form"]["outputs"][0]["unit"] == "m"
    assert len(first["inputs"]["x"]) == 1

    def say(**said):
        return served.http.post(f"{path}/answers", json=said)

    wrong = say(question=first["id"], outputs={"depth": [99]})
    assert (wrong.status_code, "between 0 and 9" in wrong.text) == (422, True)
    assert say(question="nobody", outputs={"depth": [1]}).status_code == 404
    assert say(question=first["id"]).status_code == 422
    assert say(question=first["id"], kind="lease", seconds=60).status_code == 202
    assert say(question=first["id"], outputs={"depth": [1.5]}, by="ada").status_code == 202
    assert say(question=second["id"], kind="not-sure", why="muddy").status_code == 202
    left = served.http.get(f"{path}/questions").json()["items"]
    assert not {first["id"], second["id"]} & {one["id"] for one in left}
    kinds = [message.kind for message in RunFolder(served.run).inbox.pending()]
    assert kinds == ["lease", "answer", "abstain"]
    assert RunFolder(served.run).inbox.pending()[1].data["worker"] == "ada"


def test_questions_are_lent_to_one_at_a_time(served) -> None:
    path = "/v1/campaigns/runs:depths"

    def lease(holder: str, **more):
        body = {"holder": holder, "number": 1, **more}
        return [one["id"] for one in served.http.post(f"{path}/leases", json=body).json()["items"]]

    waiting = [one["id"] for one in served.http.get(f"{path}/questions").json()["items"]]
    assert lease("ada") == lease("ada") == waiting[:1]
    assert lease("bob", number=9) == waiting[1:]
    assert lease("ada", back=waiting[:1]) == []
    assert lease("bob", number=9, without=waiting[1:]) == waiting[:1]
    picture = served.http.get(f"{path}/questions/{waiting[0]}/inputs/x")
    assert (picture.status_code, "no picture" in picture.text) == (409, True)
    assert served.http.get(f"{path}/questions/{waiting[0]}/inputs/y").status_code == 404

"""What trackers are told of a run, and that each value is told once."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import numpy as np

from querist.accounting.summary import summarise
from querist.integrations.trackers.points import Point, points_of, track
from querist.testing.runs import synthetic_run


class Heard:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.heard: list[Point] = []
        self.files: list[str] = []
        self.ended = ""

    def about(self, told: dict[str, str]) -> None:
        self.told |= told

    def points(self, points: list[Point]) -> None:
        self.heard += points

    def file(self, path: Path) -> None:
        self.files.append(path.name)

    def close(self, status: str) -> None:
        self.ended = status


FACTS = list(synthetic_run(np.random.default_rng(0)))
WHOLE = summarise(FACTS)


def test_the_learning_curve_goes_by_labels() -> None:
    found = list(points_of(WHOLE))
    learning = WHOLE["learning"]
    name = next(iter(learning["metrics"]))
    curve = [(one.step, one.value) for one in found if one.name == f"learning/{name}"]
    assert curve == list(zip(learning["labels"], learning["metrics"][name], strict=True))
    total = next(one for one in found if one.name == "total/labels")
    assert total.value == total.step == WHOLE["labels"]["total"]
    assert all(np.isfinite(one.value) for one in found)


def test_a_run_that_goes_on_is_followed_and_told_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    half = summarise(takewhile(lambda fact: fact.seq < len(FACTS) // 2, FACTS))
    views, waits, heard = [half, half, WHOLE], [], Heard()
    assert half["run"]["status"] == "unfinished"
    sent = track(tmp_path, [heard], True, lambda _: views.pop(0), waits.append)
    assert len(waits) == 2
    keys = [(one.name, one.step) for one in heard.heard]
    assert len(keys) == len(set(keys)) == sent
    assert {(one.name, one.step) for one in points_of(WHOLE)} <= set(keys)
    assert heard.files == ["config.json"]
    assert heard.ended == WHOLE["run"]["status"]
    assert heard.told["run.engine"]

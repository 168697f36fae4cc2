from __future__ import annotations

import pytest
from hand_journal import answer, asked, facts, failed, small

from querist.accounting.folds import FINAL_FAILURES, RETRIED_FAILURES
from querist.accounting.summary import summarise


def test_the_run_says_how_it_went() -> None:
    found = summarise(small(), "r1")["run"]
    assert (found["id"], found["status"], found["reason"]) == ("r1", "finished", "3 labels")
    assert (found["campaign_seconds"], found["wall_seconds"], found["resumes"]) == (20, 20, 0)
    assert found["pools"] == {"explorer": 1, "oracle": 1, "trainer": 1}


def test_downtime_is_wall_time_but_not_campaign_time() -> None:
    rows = facts(
        (0.0, "run.started", {"epoch": 0, "wall": 1000.0}),
        (8.0, "explored", {}),
        (8.0, "run.started", {"epoch": 1, "wall": 5000.0}),
        (10.0, "explored", {}),
    )
    found = summarise(rows)["run"]
    assert found["status"] == "unfinished"
    assert (found["campaign_seconds"], found["wall_seconds"], found["resumes"]) == (10, 4002, 1)


def test_labels_by_purpose_origin_and_level() -> None:
    found = summarise(small())["labels"]
    assert (found["total"], found["charged"], found["imported"]) == (8, 3, 5)
    assert found["by_purpose"] == {"train": 7, "holdout": 1}
    assert found["by_origin"] == {"imported": 5, "oracle": 3}
    assert found["by_level"] == {"dft": 5, "gfn2": 3}
    assert found["over_time"] == {"t": [0, 2, 6, 8], "train": [5, 6, 7, 7], "holdout": [0, 0, 0, 1]}


def test_rates_and_the_time_that_is_left() -> None:
    summary = summarise(small()[:-1])  # the last fact is at 13 s
    rates = summary["rates"]
    assert rates["labels_per_second"] == pytest.approx(3 / 13)
    assert rates["recent_labels_per_second"] == pytest.approx(2 / 11)
    assert rates["cost_per_label"] == 3
    assert summary.time_left(5) == pytest.approx(11)
    assert summary.time_left(3) == 0
    assert summarise([]).time_left(3) is None


def test_questions_and_how_they_ended() -> None:
    found = summarise(small())["questions"]
    counts = {key: found[key] for key in ("asked", "answered", "quarantined", "retried")}
    assert counts == {"asked": 5, "answered": 3, "quarantined": 1, "retried": 1}
    assert (found["outstanding"], found["dropped"]) == (1, 3)
    assert found["by_why"] == {"uncertain": 3, "initial": 1, "holdout": 1}
    assert found["by_oracle"] == {"xtb": 5}
    assert found["dropped_by_why"] == {"stale": 3}
    assert found["over_time"]["uncertain"][-1] == 3


def test_asking_again_what_is_open_is_no_new_question() -> None:
    found = summarise(facts(asked(0, "a"), asked(5, "a"), answer("a", 5, 6)))["questions"]
    assert (found["asked"], found["outstanding"]) == (1, 0)


def test_exploration_and_queue() -> None:
    summary = summarise(small())
    found = summary["exploration"]
    assert (found["slices"], found["proposed"], found["trusted"], found["filtered"]) == (
        1,
        40,
        30,
        1,
    )
    assert found["scores"] == {"t": [10], "p50": [0.2], "p95": [0.6], "limit": [0.5]}
    assert summary["queue"] == {
        "peak": 4,
        "over_time": {"t": [10], "queued": [4], "outstanding": [1]},
    }
    assert summary["gate"]["ask"] == 0.4


def test_failures_are_listed_with_their_tracebacks() -> None:
    found = summarise(small())["failures"]
    assert (found["total"], found["quarantined"], found["left_out"]) == (2, 1, 0)
    assert found["by_reason"] == {"raised an exception": 2}
    assert [row["final"] for row in found["table"]] == [False, True]
    assert found["table"][1]["traceback"].endswith("NotConverged")


def test_failures_are_bounded_and_those_for_good_are_kept() -> None:
    rows = facts(
        *[failed(f"g{i}", i, i + 1, final=True, traceback="x" * 10_000) for i in range(200)],
        *[failed(f"r{i}", i, i + 1, final=False) for i in range(500)],
    )
    found = summarise(rows)["failures"]
    assert len(found["table"]) == FINAL_FAILURES + RETRIED_FAILURES
    assert found["left_out"] == 600
    assert sum(row["final"] for row in found["table"]) == FINAL_FAILURES
    assert max(len(row["traceback"]) for row in found["table"]) < 4100


def test_commands_are_kept() -> None:
    found = summarise(small())["commands"]
    assert found == {"total": 1, "table": [{"t": 12, "kind": "set", "data": {"labels": 9}}]}

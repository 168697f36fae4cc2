from __future__ import annotations

import numpy as np
import pytest
from hand_journal import answer, facts, small, spans

from querist.accounting.summary import summarise
from querist.accounting.workers import WorkerFold


def section(rows: list) -> dict:
    return summarise(rows)["workers"]


def test_hand_computed_shares_of_workers_and_pools() -> None:
    found = section(small())
    workers = {row["name"]: row for row in found["table"]}
    assert list(workers) == ["e/0", "o/0", "t/0"]
    # o/0 is busy 0-6 without a pause, 6-8 and 8-9 of 20 seconds; t/0 is there from 5 on.
    assert (workers["o/0"]["busy"], workers["o/0"]["present"]) == (9, 20)
    assert workers["o/0"]["share"] == pytest.approx(0.45)
    assert workers["e/0"]["share"] == pytest.approx(0.5)
    assert workers["t/0"]["share"] == pytest.approx(5 / 15)
    assert workers["t/0"]["kinds"]["fit"]["intervals"] == [[6, 10, 4]]
    assert workers["t/0"]["kinds"]["evaluate"]["seconds"] == 1
    assert found["pools"]["trainer"]["kinds"] == {"fit": 4, "evaluate": 1}
    assert found["pools"]["oracle"]["tasks"] == 5


def test_utilisation_over_time_adds_up_to_the_busy_seconds() -> None:
    pool = section(small())["pools"]["oracle"]
    times, share = pool["utilisation"]["t"], pool["utilisation"]["share"]
    assert len(times) == len(share) == 200
    assert times == pytest.approx(np.linspace(0.05, 19.95, 200), abs=0.05)
    assert np.sum(share) * 20 / 200 == pytest.approx(9)
    assert share[0] == 1
    assert share[-1] == 0


def test_a_lost_worker_is_not_idle_while_it_is_gone() -> None:
    rows = facts(
        (0.0, "worker.joined", {"worker": "o/0", "pool": "oracle"}),
        answer("a", 0, 4),
        (4.0, "worker.lost", {"worker": "o/0", "pool": "oracle", "message": "killed"}),
        (10.0, "worker.joined", {"worker": "o/0", "pool": "oracle"}),
        answer("b", 11, 12),
    )
    found = section(rows)
    assert found["table"][0]["present"] == 6
    assert found["table"][0]["share"] == pytest.approx(5 / 6)
    assert found["lost"]["total"] == 1
    assert found["lost"]["table"][0]["message"] == "killed"


def test_workers_of_an_epoch_that_crashed_leave_when_the_next_begins() -> None:
    rows = facts(
        (0.0, "run.started", {"epoch": 0}),
        (0.0, "worker.joined", {"worker": "o/0", "pool": "oracle"}),
        answer("a", 0, 5),
        (5.0, "run.started", {"epoch": 1}),
        (9.0, "worker.joined", {"worker": "o/0", "pool": "oracle"}),
        answer("b", 9, 10),
    )
    assert section(rows)["table"][0]["present"] == 6


def test_many_answers_of_one_call_are_one_task() -> None:
    rows = facts(*[answer(name, 0, 4) for name in "abc"], answer("d", 5, 6))
    row = section(rows)["table"][0]
    assert (row["tasks"], row["busy"]) == (2, 5)


def test_a_worker_nobody_introduced_counts_from_its_first_task() -> None:
    rows = facts(answer("a", 2, 4), (10.0, "explored", {}))
    row = section(rows)["table"][0]
    assert (row["pool"], row["present"], row["share"]) == ("other", 8, 0.25)


def test_workers_are_sorted_as_people_count() -> None:
    rows = facts(*[answer("a", i, i + 1, worker=f"o/{i}") for i in (10, 9, 1)])
    assert [row["name"] for row in section(rows)["table"]] == ["o/1", "o/9", "o/10"]


def test_intervals_are_bounded_and_lose_no_busy_second() -> None:
    fold = WorkerFold(intervals=60)
    for task in range(3000):
        worker = "t/0" if task % 100 == 0 else f"o/{task % 20}"
        rows = facts(
            (task + 0.5, "task.ended", {"kind": "label", "pool": worker[0], "worker": worker,
                                        "spans": spans(task, task + 0.5)}),
        )  # fmt: skip
        fold.task(rows[0])
    found = fold.build(3000.0)
    intervals = [len(row["kinds"]["label"]["intervals"]) for row in found["table"]]
    assert sum(intervals) <= 60
    assert sum(row["tasks"] for row in found["table"]) == 3000
    assert sum(row["busy"] for row in found["table"]) == pytest.approx(1500)
    trainer = next(row for row in found["table"] if row["name"] == "t/0")
    assert len(trainer["kinds"]["label"]["intervals"]) == 30


def test_more_timelines_than_intervals_still_work() -> None:
    fold = WorkerFold(intervals=4)
    for task in range(200):
        row = facts(answer("a", task, task + 0.5, worker=f"o/{task % 10}"))[0]
        fold.called(row)
    found = fold.build(200.0)
    assert [len(row["kinds"]["label"]["intervals"]) for row in found["table"]] == [1] * 10
    assert sum(row["busy"] for row in found["table"]) == pytest.approx(100)


def test_ranks_that_serve_an_explorer_are_busy_as_it_tells() -> None:
    explored = {"slot": 0, "worker": "explorer.0-0", "spans": spans(0, 10), "steps": 5}
    apart = {"generator.0-0": 4.0, "predictor.0-0": 30.0}  # no more than all of the time
    rows = facts(
        (0.0, "run.started", {"epoch": 0}),
        (0.0, "worker.joined", {"worker": "generator.0-0", "pool": "generator.0"}),
        (0.0, "worker.joined", {"worker": "predictor.0-0", "pool": "predictor.0"}),
        (10.0, "explored", {**explored, "apart": apart}),
    )
    found = section(rows)
    workers = {row["name"]: row for row in found["table"]}
    assert (workers["generator.0-0"]["busy"], workers["predictor.0-0"]["busy"]) == (4, 10)
    assert workers["generator.0-0"]["kinds"]["generate"]["seconds"] == 4
    assert found["pools"]["predictor.0"]["kinds"] == {"predict": 10}

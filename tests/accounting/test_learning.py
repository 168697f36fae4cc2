from __future__ import annotations

import pytest
from hand_journal import answer, facts, failed, small

from querist.accounting.learning import Ledger
from querist.accounting.summary import summarise


def test_the_ledger_remembers_what_had_been_paid() -> None:
    ledger = Ledger()
    ledger.add(5, "train", 0.0)
    ledger.add(1, "train", 2.0)
    ledger.add(1, "holdout", 4.5)
    assert [ledger.at(n) for n in (0, 4, 5, 6, 7, 99)] == [
        (0, 0.0), (0, 0.0), (5, 0.0), (6, 2.0), (6, 4.5), (6, 4.5),
    ]  # fmt: skip


def test_a_point_of_the_curve_is_what_its_model_was_fitted_to() -> None:
    found = summarise(small())["learning"]
    # Seven labels: five imported, a (2 s) and b (3 s after a failure of 1 s).
    assert (found["labels"], found["train"], found["cost"]) == ([7], [7], [6])
    assert found["metrics"] == {"forces.mae": [0.25], "score.coverage": [0.75]}
    assert (found["on"], found["n"], found["version"]) == ("holdout", 4, [1])


def test_the_model_table_tells_what_was_recorded_when_it_was_published() -> None:
    found = summarise(small())["models"]
    assert (found["published"], found["latest"]) == (1, 1)
    row = found["table"][0]
    assert (row["labels"], row["labels_recorded"], row["fit_seconds"]) == (7, 8, 4)
    assert row["holdout"]["metrics"]["forces.mae"] == 0.25


def test_calibration_of_the_last_evaluation() -> None:
    found = summarise(small())["calibration"]
    assert (found["version"], found["n"], found["spearman"]) == (1, 4, pytest.approx(0.8))
    assert found["reported"] == {"score.coverage": 0.75}
    assert found["trusted"]["n"] == 3  # the threshold is 0.4
    assert found["trusted"]["error_max"] == 0.3


def test_recent_answers_stand_in_where_there_is_no_holdout() -> None:
    rows = facts(
        answer("a", 0, 1),
        (1.0, "model.published", {"version": 1, "dataset": 1}),
        (2.0, "model.evaluated", {"version": 1, "n": 1, "on": "recent", "metrics": {"y.mae": 2}}),
    )
    found = summarise(rows)["learning"]
    assert (found["on"], found["metrics"]) == ("recent", {"y.mae": [2]})


def test_a_metric_that_is_not_a_number_leaves_a_hole() -> None:
    rows = facts(
        (1.0, "model.published", {"version": 1, "dataset": 0}),
        (1.0, "model.evaluated", {"version": 1, "metrics": {"y.mae": 3.0}}),
        (2.0, "model.published", {"version": 2, "dataset": 0}),
        (2.0, "model.evaluated", {"version": 2, "metrics": {"y.mae": float("nan"), "z": 1}}),
    )
    found = summarise(rows)["learning"]["metrics"]
    assert found == {"y.mae": [3.0, None], "z": [None, 1]}


def test_weights_that_were_there_before_have_an_evaluation_but_no_cost() -> None:
    rows = facts((1.0, "model.evaluated", {"version": 0, "n": 2, "metrics": {"y.mae": 3.0}}))
    found = summarise(rows)
    assert found["models"]["published"] == 0
    assert found["models"]["table"][0]["cost"] is None
    assert found["learning"]["version"] == []


def test_failed_calls_are_part_of_the_cost_of_a_model() -> None:
    rows = facts(
        failed("a", 0, 5, final=True),
        answer("b", 5, 6),
        (7.0, "model.published", {"version": 1, "dataset": 1}),
    )
    assert summarise(rows)["models"]["table"][0]["cost"] == 6

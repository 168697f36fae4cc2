from __future__ import annotations

import pytest
from hand_journal import answer, asked, facts, failed, small

from querist.accounting.summary import summarise


def test_hand_computed_costs_of_the_small_journal() -> None:
    found = summarise(small())["costs"]
    assert found["spent"] == found["seconds"] == 9
    assert found["by_outcome"]["label"] == {"count": 3, "cost": 7, "seconds": 7}
    assert found["by_outcome"]["failure"] == {"count": 2, "cost": 2, "seconds": 2}
    assert found["by_purpose"] == {"train": 7, "holdout": 2}
    assert found["reserved"] == 2  # question d
    assert (found["fit_seconds"], found["predict_seconds"]) == (4, 7)
    assert found["by_oracle"]["xtb"]["mean_seconds"] == pytest.approx(7 / 3)


def test_saved_is_trusted_predictions_times_the_mean_of_a_label() -> None:
    found = summarise(small())["saved"]
    assert found["trusted_predictions"] == 30
    assert found["oracle_seconds_upper_estimate"] == pytest.approx(30 * 7 / 3)
    assert found["note"].startswith("Upper estimate")


def test_without_labels_nothing_is_claimed_to_be_saved() -> None:
    rows = facts((1.0, "explored", {"trusted": 5}))
    found = summarise(rows)["saved"]
    assert found["oracle_seconds_upper_estimate"] is None


def test_the_seconds_of_one_call_are_divided_among_its_answers() -> None:
    rows = facts(
        answer("a", 0, 6, cost=1.0), answer("b", 0, 6, cost=1.0), failed("c", 0, 6, True, cost=0.5)
    )
    found = summarise(rows)["costs"]
    assert found["seconds"] == 6
    assert found["by_outcome"]["label"] == {"count": 2, "cost": 2, "seconds": 4}
    assert found["by_outcome"]["failure"] == {"count": 1, "cost": 0.5, "seconds": 2}


def test_an_oracle_without_a_cost_is_charged_its_seconds() -> None:
    rows = facts(answer("a", 1, 4, cost=None))
    assert summarise(rows)["costs"]["spent"] == 3


def test_an_answer_from_outside_takes_no_oracle_seconds_and_no_mean() -> None:
    rows = facts(answer("a", 0, 2), answer("b", 0, 0, cost=0.0, origin="outside", worker=""))
    found = summarise(rows)
    assert found["costs"]["seconds"] == 2
    assert found["costs"]["by_oracle"]["xtb"]["mean_seconds"] == 2
    assert found["labels"]["by_origin"] == {"oracle": 1, "outside": 1}


def test_a_retried_question_stays_reserved_and_a_declined_one_does_not() -> None:
    rows = facts(asked(0, "a"), asked(0, "b"), failed("a", 0, 1, final=False))
    assert summarise(rows)["costs"]["reserved"] == 4
    declined = answer("b", 1, 2, kind="answer.abstention")
    found = summarise([*rows, *facts(declined)])
    assert found["costs"]["reserved"] == 2
    assert found["costs"]["by_outcome"]["abstention"]["count"] == 1

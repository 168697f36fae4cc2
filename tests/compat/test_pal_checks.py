"""``prediction_check`` and ``adjust_input_for_oracle`` as decisions by row."""

from __future__ import annotations

import numpy as np
import pytest

from querist.compat.pal.checks import adjusted, checked
from querist.core.errors import ContractError

ROWS = [np.array([1.0, 2.0]), np.array([3.0]), np.array([1.0, 2.0]), np.array([4.0, 5.0])]
PREDICTIONS = [np.full((2, 1), float(i)) for i in range(4)]


def test_what_is_chosen_is_found_by_content_and_equal_rows_in_turn() -> None:
    asked, told = checked(
        lambda x, y: ([x[3].copy(), x[0], x[0]], [p[0] for p in y]), ROWS, PREDICTIONS
    )
    assert asked.tolist() == [True, False, True, True]
    assert [t.tolist() for t in told] == [[0.0], [1.0], [2.0], [3.0]]


def test_user_code_may_write_into_its_arguments() -> None:
    def check(x, y):
        chosen = [x[1].copy()]
        x[1][:] = 0
        y[1][:] = 0
        return chosen, [p[0] for p in y]

    asked, _ = checked(check, ROWS, PREDICTIONS)
    assert asked.tolist() == [False, True, False, False]
    assert ROWS[1].tolist() == [3.0]
    assert PREDICTIONS[1][0, 0] == 1.0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "should return"),
        (([], []), "0 elements for 4 generators"),
        (([np.array([9.0])], [np.zeros(1)] * 4), "that it was not given"),
    ],
)
def test_other_answers_are_refused(answer, said) -> None:
    with pytest.raises(ContractError, match=said):
        checked(lambda x, y: answer, ROWS, PREDICTIONS)


def test_the_users_order_becomes_the_order_of_scores() -> None:
    rows = [np.array([float(i)]) for i in range(4)]
    scores = np.array([0.1, 0.4, 0.2, 0.3])
    new = adjusted(lambda x, y: [x[2], x[0], x[1]], rows, PREDICTIONS, scores)
    assert new.tolist() == [0.2, 0.1, 0.4, 0.0]


def test_the_users_order_holds_among_equal_scores() -> None:
    rows = [np.array([float(i)]) for i in range(4)]
    new = adjusted(lambda x, y: x[::-1], rows, PREDICTIONS, np.full(4, 1e-300))
    assert np.argsort(-new).tolist() == [3, 2, 1, 0]
    assert len(set(new.tolist())) == 4


def test_a_single_row_needs_no_order() -> None:
    def never(x, y):
        raise AssertionError("PAL asks for two at least")

    assert adjusted(never, ROWS[:1], PREDICTIONS[:1], np.array([0.5])).tolist() == [0.5]

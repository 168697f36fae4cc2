import numpy as np
import pytest

from querist.models.gradient_domain import FitInterruptedError, IllConditionedError
from querist.models.gradient_domain.solve import factorise, solve_factorised


def positive_definite(size):
    root = np.random.default_rng(0).normal(size=(size, size))
    return root @ root.T + size * np.eye(size)


@pytest.mark.parametrize("size", [1, 7, 512, 513, 1300])
def test_solving_by_panels(size):
    matrix = positive_definite(size)
    right = np.random.default_rng(1).normal(size=(size, 2))
    factor = np.where(np.tri(size, dtype=bool), matrix, np.nan)  # the upper triangle is not read
    factorise(factor)
    assert matrix @ solve_factorised(factor, right) == pytest.approx(right, abs=1e-9)


def test_an_indefinite_matrix_says_what_to_do():
    with pytest.raises(IllConditionedError, match="raise the regularisation"):
        factorise(-np.eye(3))


def test_it_asks_whether_to_stop_before_every_panel():
    answers = iter([False, True])
    with pytest.raises(FitInterruptedError):
        factorise(positive_definite(1100), lambda: next(answers))
    assert next(answers, "exhausted") == "exhausted"

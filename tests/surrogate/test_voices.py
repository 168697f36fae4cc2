"""What a fitted model says: which one it is, errors in units of the tolerance, odd answers."""

from __future__ import annotations

import numpy as np
import pytest

from querist import Batch
from querist.core.answers import Dataset
from querist.core.errors import ContractError
from querist.core.prediction import Prediction
from querist.surrogate.voices import FEW, ROWS, Tolerance, choose


@pytest.mark.parametrize(
    ("rows", "numbers", "chosen"),
    [
        (ROWS, FEW, "gaussian_process"),
        (ROWS + 1, 1, "random_features"),
        (20, FEW + 1, "random_features"),
    ],
)
def test_many_numbers_or_labels_are_for_random_features(rows, numbers, chosen) -> None:
    labels = Batch.stack(a=np.ones((rows, numbers - 1)), b=np.ones(rows))
    assert choose(None, Dataset(Batch.stack(x=np.ones(rows)), labels)) == chosen


def test_the_worst_output_decides_each_by_its_own_tolerance() -> None:
    tolerance = Tolerance({"a": 0.1, "b": 10.0})
    mean = Batch.stack(a=[0.0, 0.0], b=[0.0, 0.0], free=[0.0, 0.0])
    labels = Batch.stack(a=[0.05, 0.2], b=[20.0, 0.0], free=[9.0, 9.0])
    assert tolerance.errors(mean, labels).tolist() == pytest.approx([2.0, 2.0])
    assert tolerance.scores(Prediction(mean, labels)).tolist() == pytest.approx([2.0, 2.0])


def test_what_is_no_number_is_worse_than_any() -> None:
    mean, labels = Batch.stack(a=[[0.0, 1.0]]), Batch.stack(a=[[np.nan, 1.0]])
    assert Tolerance(1.0).errors(mean, labels).tolist() == [np.inf]
    assert Tolerance(1.0).scores(Prediction(mean, labels)).tolist() == [np.inf]


def test_an_output_that_the_model_does_not_give_is_wrong() -> None:
    both, one = Batch.stack(a=[0.0, 0.0], b=[0.0, 0.0]), Batch.stack(a=[0.0, 0.0])
    assert Tolerance(1.0).errors(one, both).tolist() == [np.inf, np.inf]
    assert Tolerance({"a": 1.0, "b": 1.0}).errors(one, both).tolist() == [np.inf, np.inf]
    assert Tolerance({"a": 1.0}).errors(both, one).tolist() == [0.0, 0.0]
    with pytest.raises(ContractError, match=r"gives none of \['b'\]"):
        Tolerance({"a": 1.0, "b": 1.0}).scores(Prediction(one, one))

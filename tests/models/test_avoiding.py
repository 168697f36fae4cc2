"""Avoiding: where the oracle failed nothing is trusted, and elsewhere nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.avoiding import Avoiding


class Said:
    """Says 0, give or take 1."""

    def fit(self, dataset, request):
        return FitResult(ModelState({"x": np.zeros(1)}, {"format": "said"}), {"rows": 3.0})

    def load(self, state):
        assert set(state.arrays) == {"x"}
        assert state.data == {"format": "said"}

    def predict(self, batch):
        zeros = Batch.stack(y=np.zeros((len(batch), 2)))
        return Prediction(zeros, Batch.stack(y=np.ones((len(batch), 2))))


def points(*values: float) -> Batch:
    return Batch.stack(x=np.array(values)[:, None])


GOOD, BAD = np.linspace(-1.0, 0.0, 15), np.linspace(0.1, 1.0, 12)


def fitted(bad=BAD, **more):
    model = Avoiding(Said(), **more)
    labels = Dataset(
        Batch.concatenate([points(*GOOD), points(*BAD)]),
        Batch.stack(y=np.zeros((27, 2))),
        (Purpose.TRAIN,) * 15 + (Purpose.HOLDOUT,) * 12,
    )
    failed = None if bad is None else points(*bad)
    result = model.fit(labels, FitRequest(failed=failed))
    model.load(result.state)
    return model, result


def test_where_it_failed_nothing_is_trusted_and_elsewhere_nothing_changes() -> None:
    model, result = fitted()
    batch = points(-0.5, 0.7)
    said = model.predict(batch)
    assert said.uncertainty("y").tolist() == [1.0, np.inf]
    assert model.fails(batch).tolist() == [0.0, 1.0]
    assert said.mean["y"].tolist() == [[0, 0], [0, 0]]
    assert result.metrics == {"rows": 3.0, "fails": 12.0}


@pytest.mark.parametrize("bad", [None, BAD[:0], BAD[:4]])
def test_few_failures_teach_nothing(bad) -> None:
    model, _ = fitted(bad)
    assert model.predict(points(0.7)).uncertainty("y").tolist() == [1.0]


def test_how_much_is_avoided_is_said() -> None:
    border = points(*np.linspace(-0.2, 0.3, 40))
    counts = [
        np.isinf(fitted(at_most=share)[0].predict(border).uncertainty("y")).sum()
        for share in (0.2, 0.5, 1.0)
    ]
    assert counts[0] > counts[1] > counts[2] > 0


def test_inputs_may_be_described_by_ones_own_numbers() -> None:
    def size(batch: Batch) -> np.ndarray:
        return np.abs(np.asarray(batch["x"]))

    model, _ = fitted(np.linspace(2, 3, 10), describe=size)
    assert np.isinf(model.predict(points(-2.5)).uncertainty("y")).all()


def test_a_sample_that_is_not_finite_teaches_nothing() -> None:
    model, _ = fitted(np.append(BAD, np.nan))
    assert np.isinf(model.predict(points(0.7)).uncertainty("y")).all()


def test_what_is_no_model_and_a_share_without_a_meaning_are_refused() -> None:
    with pytest.raises(ConfigError, match="fit, load and predict"):
        Avoiding(3)
    with pytest.raises(ConfigError, match="at_most above 0"):
        Avoiding(Said(), at_most=0.0)

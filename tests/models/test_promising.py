"""The promise: uncertain and low, or better than the best where the search has arrived."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.promising import Promising, doubt_of


class Said:
    """Says what the sample says."""

    def fit(self, dataset, request):
        return FitResult(ModelState({"x": np.zeros(1)}, {"format": "said"}))

    def load(self, state):
        assert state.data == {"format": "said"}

    def predict(self, batch):
        forces = batch["slope"][:, None, None] * np.ones((1, 2, 3)) / np.sqrt(3)
        return Prediction(
            Batch.stack(energy=batch["energy"], forces=forces), Batch.stack(energy=batch["std"])
        )


def batch(energy, std, slope=0.0, numbers=(18, 18)) -> Batch:
    return Batch.stack(
        numbers=[list(numbers)], energy=[float(energy)], std=[float(std)], slope=[float(slope)]
    )


def loaded() -> Promising:
    model = Promising(Said(), window=2.0, settled=0.1)
    inputs = Batch.concatenate([batch(0, 0), batch(0, 0), batch(0, 0, numbers=(18, 36))])
    purposes = (Purpose.TRAIN, Purpose.HOLDOUT, Purpose.TRAIN)
    labels = Dataset(inputs, Batch.stack(energy=[-3.0, -9.0, -5.0]), purposes)
    model.load(model.fit(labels, FitRequest()).state)
    return model


def promise(*values, **more) -> float:
    return float(loaded().predict(batch(*values, **more)).uncertainty("energy.promise")[0])


def test_an_uncertainty_counts_less_the_higher_it_lies() -> None:
    assert promise(-3.0, 0.5) == pytest.approx(0.5)
    assert promise(2.0, 0.5) == pytest.approx(0.5 * np.exp(-(5.0 - 1.0) / 2.0))
    assert promise(2.0, 3.0) == pytest.approx(3.0)  # it may be lower than the best


def test_what_is_better_than_the_best_is_promising_where_the_search_has_arrived() -> None:
    assert promise(-3.4, 0.0) == pytest.approx(10 * 0.4)
    assert promise(-3.4, 0.0, slope=0.2) == 0.0


def test_kinds_have_their_own_best_and_the_hold_out_does_not_count() -> None:
    assert promise(-4.0, 0.0, numbers=(36, 18)) == 0.0
    assert promise(-5.5, 0.0, numbers=(36, 18)) == pytest.approx(5.0)
    assert promise(-50.0, 0.25, numbers=(36, 36)) == 0.25  # no label: its doubt alone


def test_doubt_needs_no_best() -> None:
    assert doubt_of(np.array([1.0]), np.array([0.3]), np.array([np.nan]), 1.0) == 0.3


def test_means_and_other_uncertainties_are_the_models_own() -> None:
    said = loaded().predict(batch(-3.0, 0.5))
    assert said.mean["energy"][0] == -3.0
    assert said.uncertainty("energy")[0] == 0.5
    assert said.mean["energy.promise"][0] == 0.0


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ConfigError, match="window"):
        Promising(Said(), window=0.0)
    with pytest.raises(ConfigError, match="fit, load and predict"):
        Promising(3)

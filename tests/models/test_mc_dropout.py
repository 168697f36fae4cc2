from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError
from querist.core.roles import FitRequest
from querist.models.backends.torch import perceptron, thinned
from querist.models.mc_dropout import MCDropout
from querist.testing.models import waves

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

SHORT = {"epochs": 20}
DATA = waves(np.random.default_rng(0), 40)


def fitted(**options: Any) -> MCDropout:
    model = MCDropout(schedule=SHORT, **options)
    model.load(model.fit(DATA, FitRequest()).state)
    return model


def test_dropout_is_on_when_it_predicts() -> None:
    said = fitted(passes=10).predict(DATA.inputs)
    assert said.members is not None
    assert len(said.members) == 10
    assert len({float(member["wave"][0]) for member in said.members}) == 10
    assert (said.std["wave"] > 0).all()


def test_more_dropout_is_more_doubt() -> None:
    spread = [
        fitted(passes=50, options={"dropout": rate}).predict(DATA.inputs).std["wave"].mean()
        for rate in (0.01, 0.3)
    ]
    assert spread[1] > 3 * spread[0]


def test_each_pass_is_one_function() -> None:
    """A sample has the same prediction alone, in a batch, and again."""
    model = fitted(passes=6)
    whole = model.predict(DATA.inputs)
    for row in (0, 13):
        alone = model.predict(DATA.inputs.take([row]))
        np.testing.assert_allclose(alone.std["wave"][0], whole.std["wave"][row], rtol=1e-4)


def test_a_pass_is_continuous() -> None:
    model = fitted(passes=6)
    path = np.stack([np.linspace(-1, 1, 400), np.zeros(400)], axis=1)
    said = model.predict(Batch.stack(x=path, shift=np.zeros(400)))
    assert said.members is not None
    for member in said.members:
        assert np.abs(np.diff(member["wave"])).max() < 0.05


def test_masks_keep_the_mean_and_have_the_rate() -> None:
    torch.manual_seed(0)
    module = perceptron(2, 1, hidden=(300,), dropout=0.25)
    masks = np.stack([copy[2].mask.numpy() for copy in thinned(module, 2, 200, seed=1)])
    assert set(np.unique(masks)) == {0.0, np.float32(1 / 0.75)}
    assert abs((masks == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / masks.size)
    assert len({mask.tobytes() for mask in masks}) == 200


def test_networks_without_dropout_are_refused() -> None:
    with pytest.raises(RunError, match="uncertainty would always be zero"):
        MCDropout(options={"dropout": 0.0}).fit(DATA, FitRequest())


def test_other_kinds_of_dropout_are_refused() -> None:
    def wrong(inputs: int, outputs: int) -> Any:
        nn = torch.nn
        return nn.Sequential(nn.Linear(inputs, 8), nn.AlphaDropout(0.1), nn.Linear(8, outputs))

    model = MCDropout(wrong, schedule=SHORT)
    state = model.fit(DATA, FitRequest()).state
    with pytest.raises(RunError, match=r"wanted nn\.Dropout, but '1' is AlphaDropout"):
        model.load(state)


def test_previous_weights_are_the_start() -> None:
    first = MCDropout(schedule={"epochs": 300}).fit(DATA, FitRequest(seed=1))
    one_epoch = MCDropout(schedule={"epochs": 1})
    warm = one_epoch.fit(DATA, FitRequest(seed=2, previous=first.state)).metrics
    cold = one_epoch.fit(DATA, FitRequest(seed=2)).metrics
    assert warm["train.validation_rmse"] < 0.5 * cold["train.validation_rmse"]


def test_one_pass_is_no_committee() -> None:
    with pytest.raises(ConfigError):
        MCDropout(passes=1)

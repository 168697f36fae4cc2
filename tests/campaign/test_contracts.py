"""What a user's model or generator returns is named where it is something else."""

from __future__ import annotations

import numpy as np
import pytest

from querist.campaign.handlers.contracts import fitted, numbers, predicted, proposed, stated
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ContractError, ShapeError
from querist.core.prediction import Prediction, Proposal
from querist.core.roles import FitRequest, FitResult, ModelState

BATCH = Batch.stack(x=np.zeros((3, 2)))
Y = np.zeros(3)


class Says:
    """Returns one thing, whatever it is asked for."""

    def __init__(self, thing) -> None:
        self.thing = thing

    def propose(self):
        return self.thing

    def predict(self, batch):
        return self.thing

    def state(self):
        return self.thing

    def fit(self, dataset, request):
        return self.thing


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (None, "Says.propose should return a Proposal .* but returned NoneType"),
        (BATCH, "but returned Batch"),
        (Proposal(Y, np.arange(3)), "but returned Proposal of ndarray"),
    ],
)
def test_proposals(thing, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        proposed(Says(thing))
    good = Proposal(BATCH, np.arange(3))
    assert proposed(Says(good)) is good


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ((Y, Y), "Says.predict should return a Prediction .* but returned tuple"),
        (Prediction([0.0] * 3, Batch({})), "but returned Prediction of list, Batch"),
    ],
)
def test_predictions(thing, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        predicted(Says(thing), BATCH)
    with pytest.raises(ShapeError, match="was given 3 samples, but its mean has 2 rows"):
        predicted(Says(Prediction(Batch.stack(y=Y[:2]), Batch({}))), BATCH)
    good = Prediction(Batch.stack(y=Y), Batch({}))
    assert predicted(Says(good), BATCH) is good


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (ModelState({}), "Says.fit should return a FitResult .* but returned ModelState"),
        (FitResult({"w": Y}), "but returned FitResult of dict"),
    ],
)
def test_fits(thing, said: str) -> None:
    labels = Dataset(BATCH, Batch.stack(y=Y))
    with pytest.raises(ContractError, match=said):
        fitted(Says(thing), labels, FitRequest())
    good = FitResult(ModelState({}))
    assert fitted(Says(good), labels, FitRequest()) is good


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ({"x": Y}, "Says.state should return two mappings, .* but returned dict"),
        (({}, Y), "but returned tuple of dict, ndarray"),
    ],
)
def test_states(thing, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        stated(Says(thing))
    assert stated(Says(({"x": Y}, {}))) == ({"x": Y}, {})


def test_metrics_are_numbers() -> None:
    assert numbers({"loss": np.float32(2)}) == {"loss": 2.0}
    with pytest.raises(ContractError, match="metrics should be numbers by name"):
        numbers({"loss": "small"})

"""Networks that classify; the contract of models is held in test_contract.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError, ShapeError
from querist.core.roles import FitRequest
from querist.models.backends.torch import perceptron
from querist.models.torch_classifier import TorchClassifier

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)) * [1.0, 10.0, 0.1, 1.0] + 3.0
CENTRED = (X - X.mean(axis=0)) / X.std(axis=0)
SIDE = np.where(CENTRED[:, 0] + CENTRED[:, 1] > 0, "right", "left")
SEVERAL = np.stack([CENTRED[:, 0] > 0, CENTRED[:, 1] > 0, CENTRED[:, 2] > 1], axis=1).astype(int)
SHORT = {"epochs": 30, "patience": 30, "learning_rate": 2e-2}


def data(**outputs: np.ndarray) -> Dataset:
    return Dataset(Batch.stack(x=X), Batch.stack(**outputs))


def fitted(model: TorchClassifier, dataset: Dataset) -> TorchClassifier:
    model.load(model.fit(dataset, FitRequest(seed=1)).state)
    return model


def test_it_learns_classes() -> None:
    model = fitted(TorchClassifier(members=2, schedule=SHORT), data(side=SIDE))
    said = model.predict(Batch.stack(x=X))
    assert (said.mean["side"] == SIDE).mean() > 0.95
    assert model.classes.tolist() == ["left", "right"]
    proba = np.asarray(said.mean["side.proba"])
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(said.std["side"], 1.0 - proba.max(axis=1))


def test_it_learns_several_labels_of_a_sample() -> None:
    model = fitted(TorchClassifier(task="labels", schedule=SHORT), data(y=SEVERAL))
    said = model.predict(Batch.stack(x=X))
    assert (np.asarray(said.mean["y"]) == SEVERAL).mean() > 0.95
    proba = np.asarray(said.mean["y.label_proba"])
    assert proba.shape == (300, 3)
    assert not np.allclose(proba.sum(axis=1), 1.0, atol=0.1)
    np.testing.assert_allclose(said.uncertainty("y"), np.minimum(proba, 1 - proba).max(axis=1))
    assert model.several
    assert not model.classifies


def exact(inputs: int, outputs: int) -> Any:
    return perceptron(inputs, outputs, [8]).double()


@pytest.mark.parametrize("members", [1, 3])
def test_its_function_is_the_prediction_and_has_its_gradients(members: int) -> None:
    model = fitted(TorchClassifier(exact, members=members, schedule=SHORT), data(side=SIDE))
    rows, scores = model.rows(Batch.stack(x=X)), model.differentiable()
    batch = torch.tensor(rows, requires_grad=True)
    logits = scores(batch)
    proba = model.predict(Batch.stack(x=X)).mean["side.proba"]
    np.testing.assert_allclose(torch.softmax(logits, dim=1).detach(), proba, atol=1e-9)
    (slope,) = torch.autograd.grad(logits[:, 0].sum(), batch)
    step = 1e-4 * np.eye(4)
    for column in range(4):
        with torch.no_grad():
            ahead, behind = (scores(torch.tensor(rows + s)) for s in (step[column], -step[column]))
        numeric = (ahead - behind)[:, 0].numpy() / 2e-4
        np.testing.assert_allclose(slope[:, column], numeric, atol=1e-5, rtol=1e-5)


def test_its_gradients_are_those_of_its_last_layer() -> None:
    model = fitted(TorchClassifier(schedule=SHORT, options={"hidden": [5]}), data(side=SIDE))
    state = model.fit(data(side=SIDE), FitRequest(seed=1)).state
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.SiLU(), torch.nn.Linear(5, 2))
    weights = {k[3:]: v for k, v in state.arrays.items() if k.startswith("m0/")}
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    rows = torch.tensor(model.rows(Batch.stack(x=X[:5])), dtype=torch.float32)
    found = model.gradients(Batch.stack(x=X[:5]))
    for row in range(5):
        net.zero_grad()
        logits = net(rows[row : row + 1])
        torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1)).backward()
        np.testing.assert_allclose(found[row], net[2].weight.grad.numpy().ravel(), atol=1e-5)


def test_previous_weights_are_the_start_only_for_the_same_classes() -> None:
    model = TorchClassifier(schedule=SHORT)
    first = model.fit(data(side=SIDE), FitRequest(seed=1))
    once = TorchClassifier(schedule={"epochs": 1})
    losses = [
        once.fit(data(side=side), FitRequest(seed=2, previous=first.state)).metrics[
            "train.validation_loss"
        ]
        for side in (SIDE, np.where(SIDE == "left", "right", "wrong"))
    ]
    assert losses[0] < 0.5 * losses[1]


@pytest.mark.parametrize(
    ("task", "outputs", "says"),
    [
        ("classes", {"y": SEVERAL}, "rows of zeros and ones are task: labels"),
        ("labels", {"y": SIDE}, "row of zeros and ones"),
        ("labels", {"y": 2 * SEVERAL}, "row of zeros and ones"),
        ("classes", {"y": SIDE, "z": SIDE}, "named by 'output'"),
    ],
)
def test_labels_of_another_kind_are_refused(task, outputs, says) -> None:
    with pytest.raises(ShapeError, match=says):
        TorchClassifier(task=task).fit(data(**outputs), FitRequest())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="task"):
        TorchClassifier(task="colours")
    with pytest.raises(RunError, match="load"):
        TorchClassifier().rows(Batch.stack(x=X))
    with pytest.raises(RunError, match="load"):
        _ = TorchClassifier().classes

"""What a model that is to be differentiated must be."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.strategies.errors import NeedError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

INPUTS = np.random.default_rng(0).normal(size=(12, 2, 3))


class Network(torch.nn.Module):
    """A convolution with dropout, in training mode until told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(2, 4, 2),
            torch.nn.Tanh(),
            torch.nn.Dropout(0.5),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 3),
        )

    def forward(self, batch):
        return self.layers(batch)


@pytest.mark.parametrize("method", ["deepfool", "adversarial-bim"])
def test_a_network_is_left_as_it_was_and_dropout_rests(method: str) -> None:
    network = Network()
    network.layers[1].eval()  # one that rests already goes on resting
    first = querist.select(method, 12, inputs=INPUTS, model=network)
    again = querist.select(method, 12, inputs=INPUTS, model=network)
    assert network.training
    assert not network.layers[1].training
    assert first.scores.tolist() == again.scores.tolist()
    assert all(parameter.grad is None for parameter in network.parameters())
    with torch.no_grad():  # whatever the caller has switched off
        off = querist.select(method, 12, inputs=INPUTS, model=network.eval())
    assert off.scores.tolist() == first.scores.tolist()
    assert not network.training


def test_large_items_come_in_batches() -> None:
    batches = []

    def model(batch):
        batches.append(len(batch))
        return batch.flatten(1)[:, :2]

    images = np.random.default_rng(1).normal(size=(40, 3, 250, 250)).astype(np.float32)
    querist.select("deepfool", 1, inputs=images, model=model)
    assert max(batches) == 32


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (3, "callable"),
        (lambda batch: batch.flatten(1).sum(dim=1), "logits"),
        (lambda batch: batch.flatten(1).detach().numpy(), "logits"),
        (lambda batch: batch.flatten(1)[:2], "logits"),
        (lambda batch: batch.flatten(1).detach(), "differentiable"),
    ],
)
@pytest.mark.parametrize("method", ["deepfool", "adversarial-bim"])
def test_what_is_no_model_is_refused(method: str, model, why: str) -> None:
    with pytest.raises(NeedError, match=why):
        querist.select(method, 2, inputs=INPUTS, model=model)


def test_a_function_of_another_type_is_told_what_it_got() -> None:
    weights = torch.ones(3, 2)  # float32
    with pytest.raises(RuntimeError) as raised:
        querist.select("deepfool", 1, inputs=INPUTS[:, 0], model=lambda batch: batch @ weights)
    assert any("torch.float64" in note for note in raised.value.__notes__)

"""Built-in features as a model."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.models.features.inference import Features
from querist.models.inference import Inference, open_inference

WANTED = frozenset({"embeddings"})


def test_they_are_opened_by_name() -> None:
    model = open_inference({"use": "features"})
    assert isinstance(model, Inference)
    assert isinstance(model, Features)
    assert model.provides == WANTED
    with pytest.raises(ConfigError, match="Did you mean 'modality'"):
        open_inference({"use": "features", "modalty": "image"})


@pytest.mark.parametrize(
    ("modality", "batch", "size"),
    [
        ("auto", np.zeros((2, 8, 8, 3), np.uint8), 192),
        ("auto", ["one", "two"], 512),
        ("auto", np.zeros((2, 5), np.float32), 5),
        ("table", np.zeros((2, 5, 2), np.float32), 10),
        ("audio", np.zeros((2, 700), np.float32), 80),
    ],
)
def test_items_of_every_modality(modality, batch, size) -> None:
    out = Features(modality).infer(batch, WANTED)
    assert out["embeddings"].shape == (2, size)
    assert Features(modality).infer(batch, frozenset()) == {}


def test_the_digest_tells_modalities_apart() -> None:
    assert Features("table").digest != Features("audio").digest == Features("audio").digest


def test_what_they_are_not_is_said() -> None:
    with pytest.raises(ConfigError, match="asked for probabilities, but it provides embeddings"):
        Features().infer(["a"], frozenset({"probabilities"}))
    with pytest.raises(ShapeError, match="sounds"):
        Features().infer(np.zeros((2, 3, 4)), WANTED)

"""Which model and strategy a query uses where none is named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from querist.core.errors import ConfigError
from querist.pool.choosing import FEATURES_GIVE, check_choice, choose_model, choose_strategy
from querist.strategies import registry


@pytest.mark.parametrize(
    ("model", "chosen", "needs"),
    [
        (None, "typiclust", {"embeddings"}),
        ({"use": "features", "modality": "text"}, "typiclust", {"embeddings"}),
        ({"use": "onnx", "file": "a"}, "margin", {"probabilities"}),
        ({"use": "torch", "task": "regression"}, "qbc-variance", {"member_predictions"}),
    ],
)
def test_the_strategy_is_one_that_can_be_run(model, chosen: str, needs: set[str]) -> None:
    assert choose_strategy(model) == chosen
    assert set(registry.get(chosen).needs) == needs


def test_without_a_model_there_are_features() -> None:
    assert choose_model(None, "image") == {"use": "features", "modality": "image"}
    assert choose_model({"use": "onnx", "file": "a"}, "image") == {"use": "onnx", "file": "a"}


def test_what_features_cannot_give_is_said_before_anything_is_read() -> None:
    for name in ("typiclust", "k-center", "random"):
        check_choice(None, SimpleNamespace(use=name, options={}))
        assert set(registry.get(name).needs) <= FEATURES_GIVE | {"items"}
    with pytest.raises(ConfigError, match="bald needs member_probabilities"):
        check_choice({"use": "features"}, SimpleNamespace(use="bald", options={}))
    check_choice({"use": "python", "object": "a:b"}, SimpleNamespace(use="bald", options={}))

"""Models that are Python objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "text"}}) as pool:
        pool.add_items([{"id": str(number), "text": "x" * (number + 1)} for number in range(20)])
        yield pool


def test_a_function_of_a_batch_is_a_model(texts: Pool) -> None:
    def short(batch: list[str]) -> np.ndarray:
        first = np.array([len(text) / 20 for text in batch])
        return np.stack([first, 1 - first], axis=1)

    assert texts.query(1, model=short).ids == ["9"]  # ten letters: the model does not know


class Estimator:
    """As scikit-learn has them."""

    def predict_proba(self, batch: Any) -> Any:
        return batch


class Network:
    """As torch has them."""

    def __call__(self, batch: Any) -> Any:
        return batch

    def state_dict(self) -> Any:
        return {}


@pytest.mark.parametrize("model", ["model.onnx", Estimator(), Network(), Estimator])
def test_what_is_no_model_is_told(texts: Pool, model: Any) -> None:
    with pytest.raises(ConfigError, match=r"A model is settings, such as .*; got "):
        texts.query(1, model=model)
    assert not (texts.folder / "queries").exists()


class Near:
    """Least sure of texts of some length."""

    provides = frozenset({"probabilities"})

    def __init__(self, length: int) -> None:
        self.length = length

    def infer(self, batch: list[str], wanted: frozenset[str] = provides) -> dict[str, np.ndarray]:
        far = np.array([min(0.5, abs(len(text) - self.length) / 20) for text in batch])
        return {"probabilities": np.stack([0.5 + far, 0.5 - far], axis=1)}

    def predict_proba(self, batch: list[str]) -> np.ndarray:
        return self.infer(batch)["probabilities"]


class Told(Near):
    """One that says what it is."""

    @property
    def digest(self) -> str:
        return f"near {self.length}"


@pytest.mark.parametrize(
    "given",
    [
        lambda model: model.predict_proba,
        lambda model: lambda batch: model.predict_proba(batch),
        lambda model: model,
        lambda model: {"function": model.predict_proba, "classes": ["a", "b"]},
    ],
    ids=["a method", "a closure", "an object", "settings"],
)
def test_what_changed_unseen_is_asked_again(texts: Pool, given: Any) -> None:
    model = Near(4)
    assert texts.query(1, model=given(model)).ids == ["3"]
    model.length = 12  # as a fit changes weights
    assert texts.query(1, model=given(model)).ids == ["11"]


def test_what_says_what_it_is_is_known_again(texts: Pool) -> None:
    def inferred(model: Any) -> int:
        return int(texts.query(1, model=model).counts["inferred"])

    assert [inferred(Told(n)) for n in (4, 4, 5)] == [20, 0, 20]
    versions = [{"function": Near(4).predict_proba, "version": v} for v in ("1", "1", "2")]
    assert [inferred(model) for model in versions] == [20, 0, 20]

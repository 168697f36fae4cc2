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

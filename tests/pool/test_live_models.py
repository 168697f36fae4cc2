"""Models that are Python objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.pool.query_errors import QueryFailed


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


def rows(batch: list[str], *row: float) -> np.ndarray:
    return np.tile(row, (len(batch), 1))


@pytest.mark.parametrize(
    "function, said",
    [
        (lambda batch: np.full(len(batch), 0.5), "2 axes, a row an item.*give both columns"),
        (lambda batch: np.array(["a"] * len(batch)), "as numbers, but it gave <U1"),
        (lambda batch: rows(batch, 1.5, -2.25), "The first: .* one sums to -0.75 where 1"),
        (lambda batch: rows(batch, 40, 60), "The first: .* one sums to 100 where 1 is wanted"),
    ],
    ids=["one column", "names", "logits", "percent"],
)
def test_what_a_function_should_have_given_is_told(texts: Pool, function: Any, said: str) -> None:
    with pytest.raises(QueryFailed, match=said) as failed:
        texts.query(1, model=function, strategy="margin")
    assert "tried" not in str(failed.value)
    assert not hasattr(failed.value, "__notes__")


def test_where_a_users_code_failed_is_shown(texts: Pool) -> None:
    def broken(batch: list[str]) -> Any:
        raise KeyError("colour")

    with pytest.raises(QueryFailed, match="KeyError: 'colour'") as failed:
        texts.query(1, model=broken)
    (note,) = failed.value.__notes__
    assert __file__ in note
    assert "in broken" in note


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_tensors_are_arrays_with_a_gradient_too(texts: Pool, kind: str) -> None:
    torch = pytest.importorskip("torch")

    def short(batch: list[str]) -> Any:
        first = torch.tensor([len(text) / 32 for text in batch], dtype=getattr(torch, kind))
        return torch.stack([first, 1 - first], dim=1).requires_grad_()

    assert texts.query(1, model=short).ids == ["15"]  # sixteen letters

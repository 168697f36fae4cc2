from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError
from querist.models.inference import Inference, open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

pytestmark = pytest.mark.sklearn
skops_io = pytest.importorskip("skops.io")
ensemble = pytest.importorskip("sklearn.ensemble")
gaussian_process = pytest.importorskip("sklearn.gaussian_process")
linear_model = pytest.importorskip("sklearn.linear_model")
pipeline = pytest.importorskip("sklearn.pipeline")
preprocessing = pytest.importorskip("sklearn.preprocessing")
text = pytest.importorskip("sklearn.feature_extraction.text")

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0) * 1 + (X[:, 2] > 0.5)
OWN = frozenset({"probabilities", "embeddings"})
NUMBERS = frozenset({"predictions", "embeddings"})


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=(count, 3)).astype(np.float32)


@cache
def folder() -> Path:
    return Path(mkdtemp())


def written(estimator: Any, name: str, seed: int) -> Path:
    y = Y if hasattr(estimator, "predict_proba") else X[:, 0] ** 2
    order = np.random.default_rng(seed).permutation(60)[:45]
    file = folder() / f"{name}-{seed}.skops"
    skops_io.dump(estimator.fit(X[order], y[order]), file)
    return file


def case(name: str, make: Any, provides: frozenset[str], members: int = 1) -> InferenceCase:
    made = cache(lambda seed: written(make(), name, seed))
    numbers = "predictions" in provides

    def opened(threads: int = 1, seed: int = 0) -> Inference:
        files = [made(seed + i) for i in range(members)]
        task = "regression" if numbers else "classification"
        return open_inference({"use": "sklearn", "file": files, "task": task}, threads=threads)

    def wrong() -> Any:
        return np.zeros((2, 5), np.float32)

    return InferenceCase(name, opened, rows, provides, lambda: opened(seed=9), wrong)


def scaled_logistic() -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())


def forest() -> Any:
    return ensemble.RandomForestClassifier(5, random_state=0)


def bagging() -> Any:
    kind = linear_model.LogisticRegression()
    return ensemble.BaggingClassifier(kind, n_estimators=4, max_features=2, random_state=0)


def process() -> Any:
    return gaussian_process.GaussianProcessRegressor(alpha=0.1, optimizer=None)


CASES = [
    case("pipeline", scaled_logistic, OWN | {"gradients"}),
    case("committee", scaled_logistic, OWN | {"member_probabilities"}, members=3),
    case("forest", forest, OWN | {"member_probabilities"}),
    case("bagging", bagging, OWN | {"member_probabilities"}),
    case("process", process, NUMBERS | {"std"}),
    case("trees", lambda: ensemble.ExtraTreesRegressor(4), NUMBERS | {"std", "member_predictions"}),
]


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check: Any, case: InferenceCase) -> None:
    check(case)


def test_it_gives_what_the_estimator_gives() -> None:
    estimator = forest().fit(X, Y)
    skops_io.dump(estimator, folder() / "same.skops")
    model = open_inference({"use": "sklearn", "file": folder() / "same.skops"})
    made = model.infer(X, model.provides)
    assert model.classes == ("0", "1", "2")
    np.testing.assert_allclose(made["probabilities"], estimator.predict_proba(X), atol=1e-6)
    trees = np.stack([tree.predict_proba(X) for tree in estimator.estimators_], axis=1)
    np.testing.assert_allclose(made["member_probabilities"], trees, atol=1e-6)


def test_an_exported_estimator_gives_the_same() -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    estimator = scaled_logistic().fit(X, Y)
    file = folder() / "exported.onnx"
    made = skl2onnx.to_onnx(estimator, X[:1], options={"zipmap": False})
    file.write_bytes(made.SerializeToString())
    model = open_inference({"use": "sklearn", "file": file})
    assert model.info.backend == "onnxruntime"
    found = model.infer(X, frozenset({"probabilities"}))["probabilities"]
    np.testing.assert_allclose(found, estimator.predict_proba(X), atol=1e-5)


def test_texts_and_their_sparse_features() -> None:
    words = ["good day", "bad day", "good night", "bad night"] * 5
    made = pipeline.make_pipeline(text.TfidfVectorizer(), linear_model.LogisticRegression())
    skops_io.dump(made.fit(words, [1, 0, 1, 0] * 5), folder() / "text.skops")
    model = open_inference({"use": "sklearn", "file": folder() / "text.skops"})
    found = model.infer(words[:3], model.provides)
    np.testing.assert_allclose(found["probabilities"], made.predict_proba(words[:3]), atol=1e-6)
    assert found["embeddings"].shape == (3, 4)


def test_what_cannot_be_used_is_explained(tmp_path: Path) -> None:
    skops_io.dump(linear_model.RidgeClassifier().fit(X, Y), tmp_path / "a.skops")
    with pytest.raises(ConfigError, match="wants predict_proba, which RidgeClassifier has not"):
        open_inference({"use": "sklearn", "file": tmp_path / "a.skops"})
    (tmp_path / "b.skops").write_bytes(b"\x80\x04not a zip")
    with pytest.raises(ConfigError, match="is no skops file"):
        open_inference({"use": "sklearn", "file": tmp_path / "b.skops"})
    with pytest.raises(ConfigError, match="cannot be read"):
        open_inference({"use": "sklearn", "file": tmp_path / "c.skops"})
    many = pipeline.make_pipeline(
        text.HashingVectorizer(n_features=5000), linear_model.LogisticRegression()
    )
    skops_io.dump(many.fit(["a", "b"], [0, 1]), tmp_path / "d.skops")
    model = open_inference({"use": "sklearn", "file": tmp_path / "d.skops"})
    with pytest.raises(RunError, match="5000 columns"):
        model.infer(["a"], frozenset({"embeddings"}))

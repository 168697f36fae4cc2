from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.models.inference import open_inference
from querist.models.trainers import linear_head
from querist.models.trainers.linear_head import LinearHead, cross_validated, train_linear_head
from querist.models.trainers.trained import read_state
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

CLASSES = ["cat", "dog", "owl"]
CENTRES = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
BASE = {"use": "python", "function": "linear_head_base:embed", "provides": ["embeddings"]}


def blobs(count: int, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, count)
    return CENTRES[codes] * 3.0 + 5.0 + spread * rng.normal(size=(count, 3)), codes


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import numpy as np\n\n\ndef embed(batch):\n    return np.asarray(batch, 'f4')\n"
    (tmp_path / "linear_head_base.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)


def trained(tmp_path: Path, count: int = 80, seed: int = 0, **how: Any) -> Any:
    H, codes = blobs(count, seed)
    file = tmp_path / f"{seed}-{len(how)}.safetensors"
    return train_linear_head(H, codes, CLASSES, BASE, file, LinearHead(**{"l2": 1.0, **how}))


def test_it_learns_and_opens(tmp_path: Path) -> None:
    made = trained(tmp_path)
    model = open_inference(made.settings)
    H, codes = blobs(500, seed=9)
    found = model.infer(H, model.provides)
    assert (found["probabilities"].argmax(axis=1) == codes).mean() > 0.97
    assert model.classes == tuple(CLASSES)
    assert made.metrics["validation.accuracy"] > 0.9
    assert made.metrics["validation.rows"] == 16
    np.testing.assert_allclose(found["embeddings"], H, rtol=1e-6)


def test_it_is_the_optimum_that_scikit_learn_finds(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    H, codes = blobs(60, spread=4.0)
    how = LinearHead(l2=2.0, scale="each")
    made = train_linear_head(H, codes, CLASSES, BASE, tmp_path / "h", how)
    X = (H - H.mean(0)) / H.std(0)
    theirs = linear_model.LogisticRegression(C=0.5, tol=1e-9, max_iter=5000).fit(X, codes)
    ours = open_inference(made.settings).infer(H, frozenset({"probabilities"}))
    np.testing.assert_allclose(ours["probabilities"], theirs.predict_proba(X), atol=2e-4)


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("members", [1, 4])
def test_contract(check: Any, members: int, tmp_path: Path) -> None:
    files = [trained(tmp_path, seed=seed, members=members).settings for seed in (0, 1)]
    own = frozenset({"probabilities", "embeddings", "gradients"})
    provides = own | {"member_probabilities"} if members > 1 else own
    case = InferenceCase(
        "head",
        lambda threads: open_inference(files[0], threads=threads),
        lambda rng, count: rng.normal(size=(count, 3)).astype(np.float32),
        provides,
        lambda: open_inference(files[1]),
        lambda: np.zeros((2, 4), np.float32),
    )
    check(case)


def test_an_earlier_head_spares_steps_and_changes_nothing(tmp_path: Path) -> None:
    H, codes = blobs(80, spread=3.0)
    plain = LinearHead(l2=1.0, scale="each")
    first = train_linear_head(H[:70], codes[:70], CLASSES, BASE, tmp_path / "a", plain)
    cold = train_linear_head(H, codes, CLASSES, BASE, tmp_path / "b", plain)
    how = LinearHead(l2=1.0, scale="each", previous=tmp_path / "a")
    warm = train_linear_head(H, codes, CLASSES, BASE, tmp_path / "c", how)
    assert warm.metrics["train.iterations"] < cold.metrics["train.iterations"]
    one, two = (read_state(tmp_path / name)["weight"] for name in "bc")
    centred = [w - w.mean(axis=2, keepdims=True) for w in (one, two)]
    np.testing.assert_allclose(*centred, atol=1e-3)
    with pytest.raises(ConfigError, match=r"should have weights \(members, 3, 2\)"):
        train_linear_head(H, codes % 2, CLASSES[:2], BASE, tmp_path / "d", how)
    assert first.metrics["train.rows"] == 70.0


def test_rare_classes_are_balanced(tmp_path: Path) -> None:
    H, codes = blobs(400, spread=6.0)
    kept = (codes > 0) | (np.random.default_rng(0).random(400) < 0.1)
    share = []
    for weight in (None, "balanced"):
        how = LinearHead(l2=1.0, class_weight=weight)
        made = train_linear_head(H[kept], codes[kept], CLASSES, BASE, tmp_path / "w", how)
        found = open_inference(made.settings).infer(H, frozenset({"probabilities"}))
        share.append((found["probabilities"].argmax(1) == 0).mean())
    assert share[1] > 2.0 * share[0]


def test_calibration_lessens_the_log_loss_of_rows_set_aside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    H = rng.normal(size=(60, 40))
    codes = (H[:, 0] + rng.normal(size=60) > 0).astype(int)
    fresh = rng.normal(size=(2000, 40))
    truth = (fresh[:, 0] + rng.normal(size=2000) > 0).astype(int)
    losses = []
    for calibrate in (False, True):
        how = LinearHead(l2=0.01, calibrate=calibrate, validation=0.4)
        made = train_linear_head(H, codes, CLASSES[:2], BASE, tmp_path / "t", how)
        p = open_inference(made.settings).infer(fresh, frozenset({"probabilities"}))
        losses.append(-np.log(p["probabilities"][np.arange(2000), truth]).mean())
    assert losses[1] < 0.7 * losses[0]
    assert made.metrics["train.temperature"] > 1.0


def test_the_penalty_is_chosen_by_cross_validation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = train_linear_head(
        rng.normal(size=(60, 20)), rng.integers(0, 3, 60), CLASSES, BASE, tmp_path / "n"
    )
    H, codes = blobs(200)
    clear = train_linear_head(H, codes, CLASSES, BASE, tmp_path / "c")
    # Of noise the largest that is not above the number of rows, 48 beside those set aside.
    assert noise.metrics["train.l2"] == 10.0 > clear.metrics["train.l2"]


def test_scale_and_penalty_are_chosen_by_some_of_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 256,000 labels of 512 features all of them took ten minutes for it."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 900)
    H = np.eye(3)[codes] @ rng.normal(size=(3, 6)) + rng.normal(size=(900, 6))
    rows: list[int] = []
    fit = linear_head.fit

    def counted(problem: linear_head.Problem, *how: Any) -> Any:
        rows.append(len(problem.codes))
        return fit(problem, *how)

    monkeypatch.setattr(linear_head, "fit", counted)
    monkeypatch.setattr(linear_head, "MOST_TO_CHOOSE", 100)
    made = train_linear_head(H, codes, CLASSES, BASE, tmp_path / "a")
    assert sorted(set(rows)) == [80, 720, 900]
    assert (rows.count(720), rows.count(900)) == (1, 1)
    assert made.metrics["validation.accuracy"] > 0.6
    rows.clear()
    found = cross_validated(H, codes, CLASSES)
    assert (found.argmax(axis=1) == codes).mean() > 0.6
    assert (rows.count(720), set(rows)) == (5, {80, 720})
    rows.clear()
    train_linear_head(H, codes, CLASSES, BASE, tmp_path / "a", LinearHead(scale="each"))
    assert set(rows) == {80, 720, 900}


def test_what_cannot_be_trained_is_explained(tmp_path: Path) -> None:
    H, codes = blobs(10)
    with pytest.raises(ShapeError, match="bird are none of the classes cat, dog, owl"):
        train_linear_head(H, ["bird"] * 10, CLASSES, BASE, tmp_path / "x")
    with pytest.raises(ShapeError, match=r"for 10 labels, but got the shape \(9, 3\)"):
        train_linear_head(H[:9], codes, CLASSES, BASE, tmp_path / "x")
    with pytest.raises(ShapeError, match="values not finite"):
        train_linear_head(H * np.nan, codes, CLASSES, BASE, tmp_path / "x")
    with pytest.raises(ConfigError, match="l2 is a number"):
        LinearHead(l2=-1.0)
    made = trained(tmp_path)
    base = {**BASE, "provides": ["probabilities"]}
    with pytest.raises(ConfigError, match="wants a base that provides embeddings"):
        open_inference({**made.settings, "base": base})


@pytest.mark.parametrize(("units", "best"), [("own", "each"), ("one", "together")])
def test_scale_is_chosen_by_what_it_predicts(tmp_path: Path, units: str, best: str) -> None:
    """Columns of different units want a scale each; noise that hardly varies wants none."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    X = rng.normal(size=(60, 40)) * (1e-3 if units == "one" else 1e3)
    X[:, 0] = (y - 0.5) * (2.0 if units == "one" else 1e-3) + rng.normal(size=60) * 1e-4
    base = {"use": "features"}
    files = {scale: tmp_path / f"{scale}.safetensors" for scale in ("auto", "each", "together")}
    for scale, file in files.items():
        train_linear_head(X, y, ["a", "b"], base, file, LinearHead(scale=scale, l2=1.0))
    held = {scale: read_state(file)["weight"] for scale, file in files.items()}
    np.testing.assert_allclose(held["auto"], held[best])
    assert not np.allclose(held["each"], held["together"])


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="scale is auto, each or together"):
        LinearHead(scale="both")

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError, ShapeError
from querist.models.inference import open_inference
from querist.models.trainers.fine_tune import Augment, FineTune, Progress, Run, augmented, fine_tune
from querist.models.trainers.trained import read_state

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

PIXELS = {"use": "torch", "builder": "networks_for_tests:Pixels", "options": {"classes": 2}}
NAMES = {"classes": ["dark", "light"], "normalise": {"mean": 0.5, "std": 0.25}}


def shades(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, count)
    x = rng.integers(0, 150, (count, 8, 8, 3)) + 100 * codes[:, None, None, None]
    return x.astype(np.uint8), codes


def quick(**more: Any) -> FineTune:
    told = {"epochs": 4, "batch_size": 16, "learning_rate": 1e-2, "validation": 0.25}
    return FineTune(**{**told, **more})


def test_it_learns_and_opens(tmp_path: Path) -> None:
    X, codes = shades(80)
    seen: list[Progress] = []
    labels = np.array(NAMES["classes"])[codes]
    how = quick(augment=Augment(shift=1, brightness=0.05))
    made = fine_tune({**PIXELS, **NAMES}, X, labels, Run(tmp_path, progress=seen.append), how)
    assert [told.epoch for told in seen] == [1, 2, 3, 4]
    assert made.metrics["validation.accuracy"] == 1.0
    assert made.metrics["train.rows"] == 60
    fresh, truth = shades(50, seed=5)
    model = open_inference(made.settings)
    found = model.infer(fresh, frozenset({"probabilities"}))["probabilities"]
    assert (found.argmax(axis=1) == truth).mean() > 0.95
    again = fine_tune({**PIXELS, **NAMES}, X, labels, Run(tmp_path), how)
    assert open_inference(again.settings).digest == model.digest


def test_seeds_reproduce_and_differ(tmp_path: Path) -> None:
    X, codes = shades(40)
    states = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        made = fine_tune(PIXELS, X, codes, Run(tmp_path / name), quick(epochs=2, seed=seed))
        states.append(read_state(Path(made.settings["weights"]))["head.weight"])
    np.testing.assert_array_equal(states[0], states[1])
    assert not np.allclose(states[0], states[2])


def test_a_builder_may_be_a_class(tmp_path: Path) -> None:
    from networks_for_tests import Pixels

    X, codes = shades(40)
    told = {**PIXELS, "builder": Pixels}
    made = fine_tune(told, X, codes, Run(tmp_path / "a"), quick(epochs=1))
    same = fine_tune(PIXELS, X, codes, Run(tmp_path / "b"), quick(epochs=1))
    one, other = (read_state(Path(each.settings["weights"])) for each in (made, same))
    np.testing.assert_array_equal(one["head.weight"], other["head.weight"])
    assert open_inference(made.settings).provides >= {"probabilities"}


class _Cut(Exception):
    pass


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    X, codes = shades(48)
    how = quick(augment=Augment(shift=1))
    whole = fine_tune(PIXELS, X, codes, Run(tmp_path / "whole"), how)

    def cut(told: Progress) -> None:
        if told.epoch == 2:
            raise _Cut

    with pytest.raises(_Cut):
        fine_tune(PIXELS, X, codes, Run(tmp_path / "parts", progress=cut), how)
    seen: list[int] = []
    run = Run(tmp_path / "parts", progress=lambda told: seen.append(told.epoch))
    parts = fine_tune(PIXELS, X, codes, run, how)
    assert seen == [3, 4]
    one, two = (read_state(Path(made.settings["weights"])) for made in (whole, parts))
    assert set(one) == set(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert whole.metrics == parts.metrics
    with pytest.raises(ConfigError, match="of another training"):
        fine_tune(PIXELS, X, 1 - codes, Run(tmp_path / "parts"), how)


def test_it_does_not_go_on_with_another_builder_or_other_first_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, codes = shades(40)
    monkeypatch.syspath_prepend(tmp_path)
    text = "from networks_for_tests import Pixels as build\n"
    (tmp_path / "tuned_net.py").write_text(text)
    first = fine_tune(PIXELS, X, codes, Run(tmp_path / "first"), quick(epochs=1))
    (weights,) = [Path(first.settings["weights"])]
    told = {**PIXELS, "builder": "tuned_net:build", "weights": str(weights)}

    def again() -> None:
        sys.modules.pop("tuned_net", None)
        fine_tune(told, X, codes, Run(tmp_path / "run"), quick(epochs=1))

    again()
    again()
    (tmp_path / "tuned_net.py").write_text(f"{text}# with another activation\n")
    with pytest.raises(ConfigError, match="of another training"):
        again()
    (tmp_path / "tuned_net.py").write_text(text)
    again()
    other = fine_tune(PIXELS, X, 1 - codes, Run(tmp_path / "other"), quick(epochs=1))
    shutil.copyfile(other.settings["weights"], weights)
    with pytest.raises(ConfigError, match="of another training"):
        again()


def test_it_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, codes = rng.integers(0, 256, (40, 8, 8, 3), np.uint8), rng.integers(0, 2, 40)
    seen: list[Progress] = []
    how = quick(epochs=60, patience=3)
    made = fine_tune(PIXELS, X, codes, Run(tmp_path, progress=seen.append), how)
    best = int(np.argmin([told.validation for told in seen]))
    assert made.metrics["train.best_epoch"] == best + 1
    assert len(seen) == best + 4 < 60
    loss = made.metrics["validation.log_loss"]
    assert loss == pytest.approx(seen[best].validation, rel=1e-3)


def test_it_stops_when_asked(tmp_path: Path) -> None:
    X, codes = shades(40)
    made = fine_tune(PIXELS, X, codes, Run(tmp_path, should_stop=lambda: True), quick())
    assert made.metrics["train.epochs"] == 1


def test_members_are_a_committee(tmp_path: Path) -> None:
    X, codes = shades(40)
    made = fine_tune(PIXELS, X, codes, Run(tmp_path), quick(epochs=1, members=2))
    model = open_inference(made.settings)
    found = model.infer(X, frozenset({"member_probabilities"}))["member_probabilities"]
    assert found.shape == (40, 2, 2)
    assert np.abs(found[:, 0] - found[:, 1]).max() > 1e-4


def test_regression_and_several_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)).astype(np.float32)
    curve = {"use": "torch", "builder": "networks_for_tests:Curve"}
    how = quick(epochs=60, patience=60)
    made = fine_tune({**curve, "task": "regression"}, X, X[:, 0], Run(tmp_path / "a"), how)
    assert made.metrics["validation.rmse"] < 0.5 * X[:, 0].std()
    many = {**curve, "task": "multi-label", "options": {"outputs": 3}}
    made = fine_tune(many, X, X > 0, Run(tmp_path / "b"), how)
    assert made.metrics["validation.accuracy"] > 0.85


def test_rare_classes_are_balanced(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    codes = (X[:, 0] + rng.normal(size=300) > 2.2).astype(int)
    told = {"use": "torch", "builder": "networks_for_tests:Curve", "options": {"outputs": 2}}
    share = []
    for weight in (None, "balanced"):
        run = Run(tmp_path / str(weight))
        made = fine_tune(told, X, codes, run, quick(epochs=15, class_weight=weight))
        found = open_inference(made.settings).infer(X, frozenset({"probabilities"}))
        share.append((found["probabilities"].argmax(axis=1) == 1).mean())
    assert share[1] > 2.0 * share[0]


def test_augmentation_keeps_type_and_shape_and_differs_by_image() -> None:
    X, _ = shades(20)
    made = augmented(X, Augment(shift=2, brightness=0.2), np.random.default_rng(0))
    assert made.dtype == np.uint8
    assert made.shape == X.shape
    same = augmented(np.repeat(X[:1], 20, axis=0), Augment(shift=2), np.random.default_rng(0))
    assert len(np.unique(same.reshape(20, -1), axis=0)) > 5
    flipped = augmented(X, Augment(), np.random.default_rng(0))
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, X, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(flipped, X, strict=True)]
    assert sum(mirrored) + sum(kept) == 20
    assert 2 < sum(mirrored) < 18


def test_what_cannot_be_trained_is_explained(tmp_path: Path) -> None:
    X, codes = shades(20)
    with pytest.raises(ShapeError, match="20 items, but 19 labels"):
        fine_tune(PIXELS, X, codes[1:], Run(tmp_path), quick())
    with pytest.raises(ShapeError, match=r"\(15, 2\) for 3 classes"):
        fine_tune({**PIXELS, "classes": list("abc")}, X, codes, Run(tmp_path), quick())
    with pytest.raises(ConfigError, match="takes a model of use: torch"):
        fine_tune({"use": "hub", "repo": "a", "model": "b"}, X, codes, Run(tmp_path), quick())
    with pytest.raises(ShapeError, match="leave 'augment' out"):
        augmented(np.zeros((2, 3)), Augment(), np.random.default_rng(0))
    curve = {"use": "torch", "builder": "networks_for_tests:Curve", "task": "regression"}
    x = np.full((20, 3), np.inf, np.float32)
    with pytest.raises(RunError, match="loss of epoch 1 is not finite"):
        fine_tune(curve, x, np.ones(20), Run(tmp_path / "nan"), quick())

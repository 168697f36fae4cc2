"""A surrogate that begins with labels: what it learns from, and that they never judge."""

from __future__ import annotations

import numpy as np
import pytest

from querist import Batch, Campaign, Surrogate
from querist.core.answers import Dataset
from querist.core.errors import ConfigError
from querist.surrogate.surrogate import state_in

TOLERANCE = 0.02


def smooth(x, y):
    return float(np.sin(4 * x) * np.cos(3 * y))


def dataset(count: int, output: str = "result", shift: float = 0.0) -> Dataset:
    x, y = np.random.default_rng(9).uniform(size=(2, count))
    values = np.sin(4 * x) * np.cos(3 * y) + shift
    return Dataset(Batch.stack(x=x, y=y).with_ids(), Batch.stack(**{output: values}))


def calls_until_trusted(surrogate: Surrogate, seed: int = 1, most: int = 400) -> int:
    for number, (x, y) in enumerate(np.random.default_rng(seed).uniform(size=(most, 2))):
        surrogate(float(x), float(y))
        if surrogate.status()["threshold"] is not None:
            return number
    return most


def test_labels_save_calls_and_never_judge(tmp_path) -> None:
    how = {"tolerance": TOLERANCE, "coverage": 0.8}
    # One path hangs by single errors near the tolerance, which differ between processors.
    alone = sum(calls_until_trusted(Surrogate(smooth, **how), seed) for seed in (1, 2, 3))
    begun = {**how, "labels": dataset(150, "y")}
    assert sum(calls_until_trusted(Surrogate(smooth, **begun), seed) for seed in (1, 2, 3)) < alone
    with Surrogate(smooth, folder=tmp_path / "s", labels=dataset(150, "y"), **how) as helped:
        first = calls_until_trusted(helped)
        status = helped.status()
    assert status["began_with"] == 150
    assert status["answered_by_simulation"] <= first + 1  # what it began with is no answer of it
    state, _ = state_in(tmp_path / "s")
    assert len(state.judging) <= first + 1
    assert {float(a.inputs["x"]) for a in state.judging}.isdisjoint(dataset(150).inputs["x"])
    assert all(set(one.outputs) == {"result"} for one in state.learned if one.outputs)
    # Opened again with the labels, it has begun already.
    with Surrogate(smooth, folder=tmp_path / "s", labels=dataset(150, "y"), **how) as again:
        assert again.status()["began_with"] == 150


def test_wrong_labels_cost_calls_but_no_wrong_answer() -> None:
    how = {"tolerance": TOLERANCE, "coverage": 0.8}
    misled = Surrogate(smooth, labels=dataset(150, shift=1.0), **how)
    rng, wrong = np.random.default_rng(2), 0
    for x, y in rng.uniform(size=(120, 2)):
        wrong += abs(misled(float(x), float(y)) - smooth(x, y)) > TOLERANCE
    status = misled.status()
    assert status["began_with"] == 150
    assert wrong <= 0.2 * max(1, status["answered_by_model"])


def test_a_run_of_a_campaign_is_taken_by_its_folder(tmp_path) -> None:
    Campaign(
        generator={"use": "uniform", "options": {"low": [0, 0], "high": [1, 1], "seed": 1}},
        model={"use": "random_features", "options": {"features": 16}},
        oracle=lambda x: float(np.sin(4 * x[0]) * np.cos(3 * x[1])),
        output="y",
        initial=30,
        trainers=1,
        budget={"labels": 40},
        engine="inline",
    ).run(tmp_path / "run", progress=False)
    made = Surrogate(
        lambda x: float(np.sin(4 * x[0]) * np.cos(3 * x[1])),
        tolerance=TOLERANCE,
        labels=tmp_path / "run",
    )
    made(np.array([0.2, 0.4]))
    assert made.status()["began_with"] == 40
    assert made.model is None or made.status()["learned_from"] >= 40


def test_labels_of_another_kind_are_left_out_and_counted() -> None:
    other = Dataset(Batch.stack(z=np.arange(5.0)).with_ids(), Batch.stack(result=np.ones(5)))
    made = Surrogate(smooth, tolerance=TOLERANCE, labels=other)
    assert made(0.1, 0.2) == smooth(0.1, 0.2)
    status = made.status()
    assert (status["began_with"], status["unfit"]) == (0, 5)


def test_what_holds_no_labels_is_said(tmp_path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Surrogate(smooth, tolerance=TOLERANCE, labels=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="none"):
        Surrogate(smooth, tolerance=TOLERANCE, labels=dataset(0))

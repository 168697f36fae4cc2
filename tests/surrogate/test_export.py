"""Exported surrogates: the same answers, and the same gate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from querist import Batch, Surrogate
from querist.core.errors import ConfigError, RunError
from querist.core.roles import ModelState
from querist.models.graphs import graph_of
from querist.models.random_features import RandomFeatures
from querist.models.torch_ensemble import TorchEnsemble
from querist.store.errors import DamagedFile
from querist.surrogate.errors import NoAnswer
from querist.surrogate.export import Exported, read, write
from querist.surrogate.gate import GRID
from querist.surrogate.learner import REFUSALS

TOLD = {"tolerance": {"a": 0.1, "v": 0.2}, "coverage": 0.8}


def simulation(x, y):
    if x > 0.85:
        raise FloatingPointError("it diverged")
    return {"a": np.sin(3 * x) * y, "v": np.array([[x, y, x * y], [y, x, 1.0]])}


class Small(RandomFeatures):
    """A model that has no short name."""

    def __init__(self) -> None:
        super().__init__(members=4, features=64)

    __hash__ = object.__hash__


@cache  # nothing here changes it
def taught(model: str | RandomFeatures = "auto") -> Surrogate:
    surrogate = Surrogate(simulation, model, **TOLD)
    rng = np.random.default_rng(0)
    for _ in range(7):
        surrogate.many(x=rng.uniform(size=30), y=rng.uniform(size=30))
    assert surrogate.status()["threshold"] is not None
    return surrogate


def inputs() -> Batch:
    rng = np.random.default_rng(7)
    return Batch.stack(x=rng.uniform(size=200), y=rng.uniform(size=200))


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
@pytest.mark.parametrize("model", ["auto", "random_features"])
def test_a_file_answers_as_the_surrogate_does(tmp_path: Path, suffix: str, model: str) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    surrogate, path = taught(model), tmp_path / f"exported{suffix}"
    surrogate.export(path)
    again = Surrogate.load(path, simulation)
    batch = inputs()
    ours = surrogate._keeper.voice().say(batch)
    theirs = again._keeper.voice().say(batch)
    np.testing.assert_allclose(theirs.score, ours.score, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(theirs.mean["v"], ours.mean["v"], rtol=1e-6, atol=1e-7)
    assert np.isinf(ours.score).any()  # where the simulation fails
    assert again.status()["threshold"] == surrogate.status()["threshold"]
    answers = again.ask(batch)  # it trusts at once, audits, and would learn on
    assert 0.3 < answers.share("model") < 1.0
    alone = Surrogate.load(path)
    trusted = batch.take(np.flatnonzero(ours.score <= surrogate.status()["threshold"]))
    assert alone.ask(trusted).share("model") == 1.0  # nothing is audited where nothing can be
    with pytest.raises(NoAnswer):
        alone.ask(batch)


def test_what_is_refused_is_refused_where_it_was_loaded(tmp_path: Path) -> None:
    surrogate = Surrogate(simulation, **TOLD)
    rng = np.random.default_rng(0)
    while surrogate.status()["refusal"] is None:
        surrogate.many(x=rng.uniform(0.7, 1.0, size=30), y=rng.uniform(size=30))
    surrogate.export(tmp_path / "exported.safetensors")
    again = Surrogate.load(tmp_path / "exported.safetensors", simulation)
    for _ in range(3):  # audits go on trying some
        answers = again.many(x=np.full(40, 0.95), y=np.full(40, 0.5))
        assert answers.share("refused") > 0.3
    assert again.status()["refusal"] == surrogate.status()["refusal"]


@pytest.mark.parametrize("index", REFUSALS)
def test_each_refusal_can_be_loaded(tmp_path: Path, index: int) -> None:
    path = tmp_path / "exported.safetensors"
    taught().export(path)
    held, refusal = read(path), 1.0 - GRID[index]
    gate = {**held.about["gate"], "refusal": refusal}
    write(path, Exported({**held.about, "gate": gate}, held.states), noisy=True)
    again = Surrogate.load(path, simulation)
    assert again.many(x=np.full(20, 0.3), y=np.full(20, 0.5)).share("model") > 0.5
    again.learn()
    assert again.many(x=np.full(20, 9.0), y=np.full(20, 0.5)).share("refused") > 0.5
    assert again.status()["refusal"] == refusal


@pytest.mark.slow
def test_a_committee_of_networks_goes_into_onnx(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    options, schedule = {"hidden": (16, 8)}, {"epochs": 60}
    model = TorchEnsemble(members=3, options=options, schedule=schedule)
    surrogate = Surrogate(simulation, model, tolerance=5.0, coverage=0.8, first=40)
    rng = np.random.default_rng(0)
    while surrogate.status()["threshold"] is None:
        surrogate.many(x=rng.uniform(size=60), y=rng.uniform(size=60))
    path = tmp_path / "exported.onnx"
    surrogate.export(path)
    batch = inputs()
    ours = surrogate._keeper.voice().say(batch)
    theirs = Surrogate.load(path)._keeper.voice().say(batch)
    np.testing.assert_allclose(theirs.score, ours.score, rtol=1e-3, atol=1e-6)  # float32 here
    np.testing.assert_allclose(theirs.mean["v"], ours.mean["v"], rtol=1e-4, atol=1e-5)


def test_a_network_of_ones_own_does_not_go_into_onnx(tmp_path: Path) -> None:
    state = ModelState({}, {"format": "querist.torch_ensemble/1"})
    with pytest.raises(ConfigError, match="built-in perceptron"):
        graph_of(state)


def test_onnx_needs_nothing_of_ours_to_obey_the_gate(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    surrogate, path = taught(), tmp_path / "exported.onnx"
    surrogate.export(path)
    batch = inputs()
    said = surrogate._keeper.voice().say(batch)
    session = runtime.InferenceSession(path.read_bytes())
    trusted, a = session.run(["trusted", "a"], {"x": batch["x"], "y": batch["y"]})
    threshold = surrogate.status()["threshold"]
    np.testing.assert_array_equal(trusted, said.score <= threshold)
    np.testing.assert_allclose(a, said.mean["a"], rtol=1e-6, atol=1e-8)


def test_a_live_model_goes_into_safetensors_alone(tmp_path: Path) -> None:
    surrogate, path = taught(Small()), tmp_path / "exported.safetensors"
    surrogate.export(path)
    again = Surrogate.load(path, simulation, Small())
    assert again.ask(inputs()).share("model") > 0.3
    with pytest.raises(RunError, match="live Python object"):
        Surrogate.load(path, simulation).ask(inputs())
    with pytest.raises(ConfigError, match=r"\.safetensors or \.onnx"):
        surrogate.export(tmp_path / "exported.pickle")


def test_what_cannot_be_exported_or_loaded_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to export"):
        Surrogate(simulation, **TOLD).export(tmp_path / "a.safetensors")
    path = tmp_path / "exported.safetensors"
    taught().export(path)
    with pytest.raises(ConfigError, match="coverage"):
        Surrogate.load(path, simulation, coverage=0.99)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFile):
        Surrogate.load(path, simulation)

"""The gated callable, as users see it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from querist import Batch, Surrogate
from querist.core.errors import ConfigError, ContractError, RunError
from querist.core.prediction import Prediction
from querist.models.random_features import RandomFeatures
from querist.surrogate.errors import NoAnswer, SimulationFailed

TOLERANCE = 0.02


def smooth(x: float, y: float = 0.5) -> float:
    return float(np.sin(4 * x) * np.cos(3 * y))


def vector(x, y):
    return {"a": np.sin(4 * x), "b": np.stack([x, y, x * y])}


def fill(surrogate: Surrogate, count: int, seed: int = 0) -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(count, 2))
    return [(x, y, surrogate(float(x), y=float(y))) for x, y in points]


def test_is_called_like_the_simulation_and_stands_in_for_it() -> None:
    surrogate = Surrogate(smooth, tolerance=TOLERANCE, coverage=0.9)
    answers = fill(surrogate, 400)
    status = surrogate.status()
    assert status["answered_by_model"] > 100
    assert status["answered_by_model"] + status["answered_by_simulation"] == 400
    beyond = sum(abs(value - smooth(x, y)) > TOLERANCE for x, y, value in answers)
    assert beyond <= 0.1 * status["answered_by_model"]
    assert isinstance(surrogate(0.25), float)  # the default of y
    assert isinstance(surrogate({"x": 0.25, "y": 0.1}), float)


def test_an_estimator_is_a_committee() -> None:
    neighbours = pytest.importorskip("sklearn.neighbors").KNeighborsRegressor
    with Surrogate(lambda x: 2.0 * x, neighbours(1), tolerance=0.5) as surrogate:
        for x in np.linspace(0.0, 1.0, 40):
            surrogate(float(x))
        assert surrogate.status()["fitted"] >= 1


def test_what_is_simulated_is_returned_exactly() -> None:
    surrogate = Surrogate(smooth, tolerance=TOLERANCE)
    assert all(value == smooth(x, y) for x, y, value in fill(surrogate, 30))


def test_batches_and_several_outputs() -> None:
    surrogate = Surrogate(vector, tolerance={"a": TOLERANCE, "b": 2 * TOLERANCE})
    rng = np.random.default_rng(3)
    for _ in range(8):
        x, y = rng.uniform(size=(2, 50))
        answers = surrogate.many(x=x, y=y)
        assert len(answers) == 50
        assert answers["b"].shape == (50, 3)
        assert np.abs(answers["a"] - np.sin(4 * x)).max() < 5 * TOLERANCE
    assert answers.share("model") > 0.5
    assert set(answers.source) <= {"model", "simulation"}
    again = surrogate(Batch.stack(x=x[:3], y=y[:3]))
    assert again.outputs["a"].shape == (3,)


def test_a_failing_simulation_says_so_and_others_go_on() -> None:
    def picky(x):
        if x < 0:
            raise ValueError("no negative numbers")
        return x

    surrogate = Surrogate(picky, tolerance=1.0)
    with pytest.raises(SimulationFailed, match="no negative numbers"):
        surrogate(-1.0)
    answers = surrogate.many(x=np.array([1.0, -1.0, 2.0]))
    assert list(answers.source) == ["simulation", "failed", "simulation"]
    assert list(answers.answered) == [0, 2]
    assert "no negative numbers" in answers.messages[1]
    assert repr(surrogate) == "<Surrogate: 0 of 2 calls by the model>"


def test_a_folder_resumes_with_model_and_gate(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    told = {"tolerance": 0.2, "coverage": 0.8, "folder": folder}
    rng = np.random.default_rng(0)
    with Surrogate(smooth, **told) as first:
        for _ in range(4):
            first.many(x=rng.uniform(size=30), y=rng.uniform(size=30))
        before = first.status()
    assert before["threshold"] is not None
    with Surrogate(smooth, **told) as second:
        after = second.status()
        assert after | {"seconds": 0.0} == before | {"seconds": 0.0}
        assert second.many(x=rng.uniform(size=20), y=rng.uniform(size=20)).share() > 0.5
    with Surrogate(None, **told) as alone, pytest.raises(NoAnswer):
        alone.many(x=np.full(9, 0.5), y=np.full(9, 50.0))
    with pytest.raises(ConfigError, match="tolerance"):
        Surrogate(smooth, tolerance=0.5, folder=folder)


def other(x, y):
    return smooth(x, y) + 100.0


def test_a_model_does_not_stand_in_for_another_simulation(tmp_path: Path) -> None:
    told = {"tolerance": 0.2, "coverage": 0.8, "folder": tmp_path / "kept"}
    rng = np.random.default_rng(0)
    with Surrogate(smooth, **told) as first:
        for _ in range(4):
            first.many(x=rng.uniform(size=30), y=rng.uniform(size=30))
        first.export(tmp_path / "kept.safetensors")
    for wrong in (other, f"{__name__}:other", lambda x, y: 3.0):
        with pytest.raises(ConfigError, match=f"stands in for {__name__}:smooth, and not for"):
            Surrogate(wrong, **told)
        with pytest.raises(ConfigError, match=f"stands in for {__name__}:smooth, and not for"):
            Surrogate.load(tmp_path / "kept.safetensors", wrong)
    for same in (f"{__name__}:smooth", smooth, None):
        Surrogate(same, **told).close()
        Surrogate.load(tmp_path / "kept.safetensors", same).close()


def test_a_tolerance_of_what_is_no_output_is_told_by_each_call() -> None:
    surrogate = Surrogate(lambda x: {"energy": x}, tolerance={"enrgy": 0.1})
    with pytest.raises(SimulationFailed, match=r"gave no enrgy.*outputs are \['energy'\]"):
        surrogate(1.0)
    assert surrogate.status()["failed"] == 1
    with pytest.raises(SimulationFailed, match="gave no number"):
        Surrogate(lambda x: {"text": "none"}, tolerance=0.1)(1.0)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="tolerance"):
        Surrogate(smooth, tolerance=-1.0)
    with pytest.raises(ConfigError, match=r"coverages: unknown key\. Did you mean 'coverage'"):
        Surrogate(smooth, tolerance=1.0, coverages=0.9)
    with pytest.raises(ConfigError, match="audit: should be less than 1, got 2"):
        Surrogate(smooth, tolerance=1.0, audit=2)
    with pytest.raises(ConfigError, match="model should be"):
        Surrogate(smooth, object(), tolerance=1.0)


def test_inputs_of_other_names_are_told_as_such() -> None:
    answers = Surrogate(lambda x: x * x, tolerance=0.1).many(z=[1.0])
    assert answers.messages[0].count("'x' was one mapping of the fields ['z']") == 1


def test_it_says_how_other_processes_get_it_where_it_is_pickled() -> None:
    with pytest.raises(TypeError, match=r"open that in each of them .*engine='processes'"):
        pickle.dumps(Surrogate(smooth, tolerance=TOLERANCE))


def test_a_closed_one_does_not_answer_by_its_model_either() -> None:
    surrogate = Surrogate(smooth, tolerance=0.2, coverage=0.8)
    fill(surrogate, 120)
    assert surrogate.status()["threshold"] is not None
    surrogate.close()
    with pytest.raises(RunError, match="was closed"):
        fill(surrogate, 5)
    assert surrogate.status()["threshold"] is not None


@pytest.mark.parametrize("seed", [0, 7])
def test_audits_know_nothing_of_inputs_that_are_drawn_from_the_same_seed(seed) -> None:
    def hard(x):  # there no model is right
        return float(np.sin(3 * x) + (0.4 * np.sin(1e6 * x) if 0.6 < x < 0.75 else 0.0))

    surrogate, rng = Surrogate(hard, tolerance=0.1, seed=seed), np.random.default_rng(seed)
    inputs = rng.uniform(size=800)
    wrong = sum(abs(surrogate(float(x)) - hard(x)) > 0.1 for x in inputs)
    assert wrong <= 0.05 * surrogate.status()["answered_by_model"]


def test_arrays_that_are_filled_anew_for_each_call_are_learned_from_as_they_were() -> None:
    def share(fill_anew: bool) -> float:
        surrogate = Surrogate(smooth, tolerance=TOLERANCE, coverage=0.8)
        rng, held = np.random.default_rng(0), np.zeros((2, 25))
        for _ in range(10):
            if not fill_anew:
                held = np.zeros((2, 25))
            held[:] = rng.uniform(size=(2, 25))
            answers = surrogate.ask(Batch.stack(x=held[0], y=held[1]))
        return answers.share()

    assert share(True) == share(False) > 0.5


class Breaking(RandomFeatures):
    """A model that breaks down on one side."""

    def predict(self, batch):
        if (batch["x"] > 0.8).any():
            raise RuntimeError("out of memory")
        return super().predict(batch)


def test_where_the_model_breaks_down_the_simulation_is_asked() -> None:
    surrogate = Surrogate(smooth, Breaking(), tolerance=TOLERANCE, coverage=0.8)
    with pytest.warns(UserWarning, match="could not predict: RuntimeError: out of memory"):
        answers = fill(surrogate, 400)
    assert all(value == smooth(x, y) for x, y, value in answers if x > 0.8)
    status = surrogate.status()
    assert status["answered_by_model"] > 50
    assert status["answered_by_model"] + status["answered_by_simulation"] == 400


def test_numbers_that_overflow_are_simulated() -> None:
    def capped(x, y):
        return smooth(min(x, 1.0), y)

    surrogate = Surrogate(capped, tolerance=TOLERANCE, coverage=0.8)
    fill(surrogate, 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy has several for it, and the surrogate one
        answers = surrogate.many(x=np.full(30, 1e308), y=np.full(30, 0.5))
    assert answers.share("simulation") == 1.0


class Loud(RandomFeatures):
    """Its uncertainties rank errors, a million times too large."""

    def predict(self, batch):
        said = super().predict(batch)
        return Prediction(said.mean, Batch.stack(result=1e6 * said.std["result"]))


def test_the_scale_of_uncertainties_does_not_matter() -> None:
    surrogate = Surrogate(smooth, Loud(), tolerance=TOLERANCE, coverage=0.8)
    fill(surrogate, 300)
    assert surrogate.status()["answered_by_model"] > 50


@pytest.mark.parametrize("unit", [1e-19, 1e12])
def test_units_are_no_matter_either(unit) -> None:
    def charge(x, y):
        along = np.linspace(0.0, 1.0, 5) * np.array([0.0, 1.0, 1.0, 1.0, 0.0])  # fixed at both ends
        return unit * along * np.sin(4 * x / unit) * np.cos(3 * y)

    surrogate = Surrogate(charge, tolerance=TOLERANCE * unit, coverage=0.8)
    rng = np.random.default_rng(0)
    for _ in range(8):
        answers = surrogate.many(x=unit * rng.uniform(size=25), y=rng.uniform(size=25))
    assert answers.share() > 0.5


class Unteachable(RandomFeatures):
    """A model whose fits fail."""

    def fit(self, dataset, request):
        raise RuntimeError("the optimiser gave up")


def test_a_fit_that_fails_is_told_and_calls_go_on() -> None:
    surrogate = Surrogate(smooth, Unteachable(), tolerance=TOLERANCE)
    with pytest.warns(UserWarning, match="the optimiser gave up"):
        fill(surrogate, 60)
    status = surrogate.status()
    assert "the optimiser gave up" in status["unlearned"]
    assert "no model yet: the last fit failed" in status["untrusted"]
    assert "the optimiser gave up" in status["untrusted"]
    assert status["answered_by_simulation"] == 60


def test_a_model_without_uncertainty_is_refused() -> None:
    class Sure(RandomFeatures):
        def predict(self, batch):
            return Prediction(super().predict(batch).mean, Batch({}))

    surrogate = Surrogate(smooth, Sure(), tolerance=TOLERANCE)
    with pytest.raises(ContractError, match="uncertainty"):
        fill(surrogate, 80)

"""Which of two decays is right: evidence against quadrature, choices against what is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.tuning.search import make_search
from querist.tuning.study import Study, study_of
from querist.tuning.trial import Problem, Trial

TIMES = {"t": {"real": [0.05, 6.0]}}
NOISE = 0.02
RATES = {name: {"rate": {"real": [0.2, 3.0]}} for name in ("first", "second")}


def first(t, rate=1.0):
    return math.exp(-rate * t)


def second(t, rate=1.0):
    return {"y": 1.0 / (1.0 + rate * t)}


MODELS = {"first": first, "second": second}


def search(space=TIMES, models=MODELS, noise=NOISE, **options):
    problem = Problem.read(space, {"minimise": "y"}, 20, 0)
    return make_search("discriminate", problem, {"models": models, "noise": noise, **options})


def measured(t: float, rng: np.random.Generator) -> Trial:
    return Trial({"t": t}, {"y": 1.0 / (1.0 + 0.8 * t) + NOISE * rng.standard_normal()})


def test_models_without_parameters_are_told_apart_where_they_differ_most() -> None:
    made = search(noise=0.05)
    [point] = made.ask(1, [])
    assert 1.5 < point["t"] < 2.8
    assert made.probabilities == {"first": 0.5, "second": 0.5}
    made.tell([Trial(point, {"y": 1.0 / (1.0 + point["t"])})])
    assert made.probabilities["second"] > 0.9
    bound = search(noise=0.05, criterion="box_hill")
    points = [{"t": t} for t in np.linspace(0.1, 5.0, 9).tolist()]
    assert (bound.information(points) >= search(noise=0.05).information(points)).all()


def test_evidence_is_that_of_quadrature_also_after_draws_were_moved() -> None:
    made, rng = search(parameters=RATES, draws=512), np.random.default_rng(1)
    trials = [measured(t, rng) for t in (0.3, 5.0, 1.2, 2.5, 0.7)]
    made.tell(trials)
    rates = np.linspace(0.2, 3.0, 4001)
    for rival, model in zip(made.rivals, (lambda r, t: np.exp(-r * t), None), strict=True):
        log = np.zeros(len(rates))
        for trial in trials:
            t, y = trial.settings["t"], trial.outputs["y"]
            said = model(rates, t) if model else 1.0 / (1.0 + rates * t)
            log += -0.5 * ((y - said) / NOISE) ** 2 - 0.5 * math.log(2 * math.pi * NOISE**2)
        top = log.max()
        exact = top + math.log(np.exp(log - top).mean())
        assert rival.evidence == pytest.approx(exact, abs=0.5 if model is None else 1.5)
    rates_left = [rival.space.point(p)["rate"] for rival in made.rivals[1:] for p in rival.places]
    assert np.mean(rates_left) == pytest.approx(0.8, abs=0.06)
    assert 0.002 < np.std(rates_left) < 0.06


def test_a_study_asks_until_it_is_sure(tmp_path) -> None:
    rng = np.random.default_rng(0)
    options = {"models": MODELS, "noise": NOISE, "parameters": RATES, "sure": 0.99, "draws": 64}
    study = Study(
        space={"t": {"integer": [1, 60]}},
        minimise="y",
        simulation=lambda t: {"y": 1 / (1 + 0.08 * t) + NOISE * rng.standard_normal()},
        search={"use": "discriminate", "options": {**options, "models": SCALED}},
        budget={"runs": 25},
        engine="inline",
    )
    result = study.run(tmp_path / "run", progress=False)
    assert 2 <= len(result.trials) < 20
    told = make_search("discriminate", result.problem, {**options, "models": SCALED})
    told.tell(result.trials)
    assert told.probabilities["second"] > 0.95
    assert result.reason.startswith("nothing is left to ask: second is probably right (")
    assert "; probably right: second (" in result.sentence()
    assert "right" not in study_of(tmp_path / "run").sentence()  # its models were Python objects


def test_a_study_that_has_no_experiment_left_says_so(tmp_path) -> None:
    options = {"models": SCALED, "noise": 10.0, "parameters": RATES, "sure": 0.99, "draws": 16}
    study = Study(
        space={"t": {"choice": [1, 2]}},
        minimise="y",
        simulation=lambda t: {"y": float(t)},
        search={"use": "discriminate", "options": options},
        budget={"runs": 5},
        engine="inline",
    )
    reason = study.run(tmp_path / "run", progress=False).reason
    assert "every experiment was made, and the most probable model is" in reason


SCALED = {
    "first": lambda t, rate: first(t / 10, rate),
    "second": lambda t, rate: second(t / 10, rate),
}


def test_parameters_of_one_model_are_learned_where_they_matter() -> None:
    alone = search(models={"first": first}, parameters={"first": RATES["first"]})
    points = [{"t": t} for t in (0.05, 0.8, 6.0)]
    little, much, late = alone.information(points)
    assert much > 1.3 * little  # nothing has decayed yet
    assert much > late
    # While the same is under way, another time tells more than the same again.
    busy = alone.information([{"t": 0.8}, {"t": 0.8}], pending=[{"t": 0.8}])
    assert busy.max() < 0.8 * much


def test_a_failed_run_teaches_nothing_and_runs_at_once_differ() -> None:
    made = search(parameters=RATES, draws=64)
    made.tell([Trial({"t": 1.0}, failure="it broke")])
    assert made.probabilities["first"] == pytest.approx(0.5)
    times = [values["t"] for values in made.ask(3, [])]
    assert len(set(times)) == 3


def test_what_cannot_be_told_apart_is_said() -> None:
    with pytest.raises(ConfigError, match="only parameters"):
        search(models={"first": first}, criterion="models")
    with pytest.raises(ConfigError, match="all of them or none"):
        search(prior={"first": 0.2})
    with pytest.raises(ConfigError, match="noise"):
        search(noise=0.0)
    with pytest.raises(ConfigError, match="callable"):
        search(models={"first": 3})


def test_from_a_folder_alone_it_is_said_which_is_right(tmp_path) -> None:
    named = {name: f"test_discriminate:{name}" for name in MODELS}
    study = Study(
        space=TIMES,
        minimise="y",
        simulation="test_discriminate:second",
        search={"use": "discriminate", "options": {"models": named, "noise": 0.05}},
        budget={"runs": 2},
        engine="inline",
    )
    result = study.run(tmp_path / "run", progress=False)
    assert result.said.startswith("probably right: second (")
    assert study_of(tmp_path / "run").said == result.said

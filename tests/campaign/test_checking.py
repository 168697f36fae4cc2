"""What would stop a campaign is found before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_roles import Deaf, Line, Mean
from test_loading import SMALL

from querist.campaign.campaign import Campaign
from querist.campaign.checking import problems
from querist.campaign.loading import parse_settings
from querist.core.errors import ConfigError
from querist.oracles.function import FunctionOracle


def found(**changes: Any) -> str:
    return "\n".join(problems(parse_settings({**SMALL, **changes}, "here")))


def test_a_sound_campaign_has_no_problem() -> None:
    assert found() == ""


def test_built_in_roles_are_sound() -> None:
    box = {"use": "uniform", "options": {"low": [0.0], "high": [1.0]}}
    assert found(generators=box, gate={"output": "y", "filters": ["finite"]}) == ""


def test_options_may_be_arrays_of_numpy() -> None:
    box = {"use": "uniform", "options": {"low": np.zeros(2), "high": (np.float64(1.0), 2)}}
    settings = parse_settings({**SMALL, "generators": box}, "here")
    assert problems(settings) == []
    assert settings.generators[0].options == {"low": [0.0, 0.0], "high": (1.0, 2)}


def square(x: Any) -> Any:
    return x[0] ** 2


@pytest.mark.parametrize(
    ("oracles", "workers"),
    [
        ({"cheap": square, "dear": square}, 1),
        ({"dear": {"live": square, "workers": 3}}, 3),
        ({"live": square, "workers": 3}, 3),
        ({"use": "function", "options": {"function": square, "outputs": "y"}, "workers": 3}, 3),
    ],
    ids=["by name", "with workers", "alone with workers", "as in a file"],
)
def test_functions_are_oracles_wherever_they_are_given(oracles: Any, workers: int) -> None:
    routes = {"cheap": 0.0, "dear": 0.1} if "cheap" in oracles else None
    made = Campaign(**{**SMALL, "oracles": oracles}, **({"routes": routes} if routes else {}))
    for role in made.settings.oracles.values():
        assert isinstance(role.live, FunctionOracle)
        assert role.live.outputs == "y"
        assert role.workers == workers
    told = {"use": "function", "options": {"function": square, "output": "y"}}
    with pytest.raises(ConfigError, match=r"no such option.*Did you mean 'outputs'"):
        Campaign(**{**SMALL, "oracles": told})


def test_options_that_a_file_cannot_hold_are_told() -> None:
    model = {"use": "committee", "options": {"estimator": object()}}
    assert "estimator: <object object" in found(model=model)
    assert "give its import path, or the model itself as 'live'" in found(model=model)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"oracles": "campaign_roles:Deaf"}, "Deaf lacks the method 'answer'"),
        ({"oracles": Deaf()}, "Deaf lacks the method 'answer'"),
        ({"model": "campaign_roles:Line"}, "Line lacks the method 'predict'"),
        ({"generators": "campaign_roles:Mean"}, "Mean lacks the method 'propose'"),
        ({"model": Mean}, "Mean is a class; give an instance"),
        ({"oracles": "function_"}, "Did you mean 'function'?"),
        ({"model": "random_feature"}, "Did you mean 'random_features'?"),
        ({"model": "campaign_roles:Meen"}, "has no attribute 'Meen'"),
        ({"model": "no_such_package:X"}, "No module named 'no_such_package'"),
        ({"model": "campaign_roles"}, "neither a built-in model"),
        (
            {"oracles": {"use": "campaign_roles:Picky", "options": {"table": "t", "witdh": 2}}},
            "Picky has no such option; it has table, width. Did you mean 'width'?",
        ),
        ({"oracles": "campaign_roles:Picky"}, "options.table: campaign_roles:Picky requires it"),
        (
            {"oracles": dict.fromkeys("ab", "campaign_roles:Line")},
            "oracles.b: would never be asked; say from which uncertainty on, such as routes: {a",
        ),
        ({"oracles": "campaign_roles:square"}, 'options: {function: "campaign_roles:square"'),
        (
            {
                "oracles": {
                    "use": "campaign_roles:Line",
                    "validator": {"use": "campaign_roles:odd", "options": {"limt": 3}},
                }
            },
            "options.limt: campaign_roles:odd has no such option",
        ),
        (
            {"oracles": {"use": "campaign_roles:Picky", "options": {"table": "/no/t.npz"}}},
            "options.table: the file /no/t.npz does not exist",
        ),
        ({"start": {"labels": "/no/l.npz"}}, "start.labels: the file /no/l.npz does not exist"),
        ({"start": {"test_set": "/no/t.npz"}}, "start.test_set: the file /no/t.npz does not"),
        ({"initial": 0}, "initial: 0 needs start.labels or start.weights"),
        ({"routes": {"orakel": 0.5}}, "routes.orakel: there is no such oracle. Did you mean"),
        (
            {"oracles": {**SMALL["oracles"], "workers": 0}},
            "oracles.oracle: has no workers",
        ),
        ({"gate": {"output": "y", "ask": 2, "reject": 1}}, "gate.reject: 1 should be above"),
        (
            {
                "model": {"use": "torch_ensemble", "options": {"device": "cuda:0"}},
                "gpus": {"explorers": 1},
            },
            "give gpus: {trainers: 1}",
        ),
        ({"budget": {}}, "budget: the campaign would never end"),
        (
            {"holdout": 0, "stop": {"any": [{"labels": 9}, {"change_below": "y"}]}},
            "stop.change_below: is over the hold-out; give holdout",
        ),
        ({"stop": {"change_belov": "y"}}, "Did you mean 'change_below'?"),
        ({"stop": {"error_stable": {"outputs": "y"}}}, "Did you mean 'output'?"),
        ({"placement": "split"}, "placement: split needs ranks of its own, so engine: mpi"),
        (
            {"placement": "split", "engine": "mpi", "explorers": 2},
            "explorers: with placement: split there are none",
        ),
        (
            {"placement": {"kind": "split", "generators": 1, "predictors": 2}, "engine": "mpi"},
            "placement.generators: 2 replicas need one each, but got 1",
        ),
        (
            {
                "placement": {"kind": "split", "predictors": 2, "by": "member"},
                "engine": "mpi",
                "model": "campaign_roles:Mean",
            },
            "placement.by: Mean has no predict_members",
        ),
        ({"stop": {"label": 3}}, "stop.label: unknown rule"),
        ({"retrain": {"every_labels": "x"}}, "retrain.every_labels should be a whole number"),
        ({"gate": {"output": "y", "filters": [5]}}, "int cannot be called"),
    ],
)
def test_problems_are_named_with_a_remedy(changes: dict[str, Any], said: str) -> None:
    assert said in found(**changes)


def test_a_module_that_cannot_be_imported_is_told_with_its_cause(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "unparsable_role.py").write_text("x = 1\nclass A:\n  def f(self:\n")
    (tmp_path / "exploding_role.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = found(oracles="unparsable_role:A", model="exploding_role:B")
    assert "unparsable_role.py, line 3: " in said
    assert "ZeroDivisionError" in said


def test_all_problems_come_in_one_error() -> None:
    with pytest.raises(ConfigError) as caught:
        Campaign(generator=Line(), model=Line(), oracle=Deaf(), output="y", budget={})
    assert len(caught.value.problems) == 5


def test_a_first_program_without_output_gets_a_sentence() -> None:
    with pytest.raises(ConfigError, match="gate: is required but missing"):
        Campaign(generator=Line(), model=Mean(), oracle=lambda x: x, budget={"labels": 1})


def test_an_option_that_names_something_to_import_must_find_it() -> None:
    options = {"function": "math:cosine", "outputs": "y"}
    with pytest.raises(ConfigError, match=r"options.function: module 'math' has no attribute"):
        Campaign(
            generator={"use": "uniform", "options": {"low": [0], "high": [1]}},
            model="random_features",
            oracle={"use": "function", "options": options},
            output="y",
            budget={"labels": 1},
        )

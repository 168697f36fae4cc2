"""What is not installed is said, with the command that installs it, before there is a run."""

from __future__ import annotations

import sys

import pytest

from querist.campaign.checking import problems
from querist.campaign.extras import brought_by, missing_extra
from querist.campaign.loading import parse_settings
from querist.core.tasks import resolve
from querist.models.torch_ensemble import TorchEnsemble

BASE = {
    "generators": {"use": "uniform", "options": {"low": [0.0], "high": [1.0]}},
    "model": "random_features",
    "oracles": {"use": "function", "options": {"function": "math:sqrt", "outputs": "y"}},
    "gate": {"output": "y"},
    "budget": {"labels": 3},
}


@pytest.mark.parametrize(
    "changes, package, extra",
    [
        ({"model": "torch_ensemble"}, "torch", "torch"),
        ({"model": "mc_dropout"}, "torch", "torch"),
        (
            {"model": {"use": "committee", "options": {"estimator": "math:sqrt"}}},
            "skops",
            "sklearn",
        ),
        ({"oracles": "xtb"}, "tblite", "xtb"),
        ({"oracles": "hartree_fock"}, "pyscf", "chem"),
        ({"oracles": {"use": "queue", "options": {"command": ["a"]}}}, "psij", "queue"),
    ],
)
def test_a_role_without_its_package_is_refused(changes, package, extra, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = "\n".join(problems(parse_settings({**BASE, **changes}, "here")))
    assert f"needs the package '{package}', which is not installed" in said
    assert f"pip install 'querist[{extra}]'" in said


def test_a_model_that_was_made_is_asked_too(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    said = problems(parse_settings({**BASE, "model": TorchEnsemble(len)}, "here"))
    assert "TorchEnsemble needs the package 'torch'" in "\n".join(said)


def test_an_option_that_cannot_be_imported_comes_with_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    oracle = {"use": "calculator", "options": {"calculator": "ase.another:Calculator"}}
    said = "\n".join(problems(parse_settings({**BASE, "oracles": oracle}, "here")))
    assert said.count("pip install 'querist[atoms]'") == 2  # the role itself wants it, too


def test_only_what_an_extra_has_is_offered() -> None:
    assert missing_extra("querist.models.random_features:RandomFeatures", "random_features") == ""
    assert missing_extra("problem:Mine", "problem:Mine") == ""
    assert brought_by(None) == ""
    assert brought_by(ValueError("odd")) == ""
    with pytest.raises(Exception, match="no_such_package") as caught:
        resolve("no_such_package:X")
    assert brought_by(caught.value.__cause__) == ""

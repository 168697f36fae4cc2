"""From YAML to settings: what is wrong is named, with what was wanted instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from querist.campaign.campaign import Campaign
from querist.campaign.loading import importable, load_settings, parse_settings
from querist.campaign.settings import CampaignSettings
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder

SMALL: dict[str, Any] = {
    "generators": "campaign_roles:Line",
    "model": "random_features",
    "oracles": {"use": "function", "options": {"function": "campaign_roles:square"}},
    "gate": {"output": "y"},
    "budget": {"labels": 10},
}
LARGE: dict[str, Any] = {
    **SMALL,
    "name": "large",
    "folder": "runs/large",
    "seed": 3,
    "engine": {"kind": "processes", "options": {"cancel_grace": 0.1}},
    "generators": ["uniform", {"use": "campaign_roles:Line", "options": {"start": 2.0}}],
    "explorers": 2,
    "calibrate": {"method": "isotonic"},
    "trainers": 2,
    "oracles": {
        "cheap": {"use": "xtb", "workers": 3, "batch": 4, "timeout": 5, "memory_mb": 100},
        "dear": {
            "use": "function",
            "options": {"function": "campaign_roles:square"},
            "cost": 2.5,
            "level": "ccsd",
            "validator": "campaign_roles:odd_validator",
        },
        "people": {"outside": 5},
    },
    "gate": {"output": "forces", "ask": 0.1, "reject": 9, "filters": ["finite"]},
    "routes": {"dear": 0.3},
    "policy": {"use": "campaign_roles:Line"},
    "calibration": 0.1,
    "budget": {"labels": 10, "cost": 3.5, "seconds": 60},
    "retrain": {"every_labels": 5},
    "stop": {"any": [{"labels": 3}, {"all": [{"cost": 1.0}, {"wall_time": 9}]}]},
    "retry": {"attempts": 3, "backoff": 0, "give_up": 2},
    "queue": {"limit": 10, "max_fresh": 4},
    "slice": {"steps": 10, "seconds": None},
    "error_metric": "forces.rmse",
    "start": {"labels": ["a.npz", "b.npz"], "test_set": "c.npz", "weights": "w.safetensors"},
}


def parse(**changes: Any) -> CampaignSettings:
    return parse_settings({**SMALL, **changes}, "here")


def problems(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(**changes)
    return str(caught.value)


@pytest.mark.parametrize("config", [SMALL, LARGE], ids=["small", "large"])
def test_settings_go_to_json_and_yaml_and_back(config: dict[str, Any]) -> None:
    settings = parse_settings(config, "here")
    dumped = settings.model_dump(mode="json")
    assert parse_settings(dumped, "there") == settings
    assert parse_settings(yaml.safe_load(yaml.safe_dump(dumped)), "there") == settings


def test_short_forms_mean_the_long_ones() -> None:
    short = parse(engine="inline", start={"labels": "a.npz"})
    long = parse(
        engine={"kind": "inline"},
        generators=[{"use": "campaign_roles:Line"}],
        model={"use": "random_features"},
        oracles={"oracle": SMALL["oracles"]},
        start={"labels": ["a.npz"]},
    )
    assert short == long


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"modell": "x"}, "modell: unknown key. Did you mean 'model'?"),
        ({"budget": {"lables": 3}}, "budget.lables: unknown key. Did you mean 'labels'?"),
        ({"zzz": 1}, "zzz: unknown key. Known: name, folder"),
        ({"workers": 4}, "workers: unknown key. It is a key of 'oracles'"),
        ({"queue": {"max_fresch": 3}}, "queue.max_fresch: unknown key. Did you mean 'max_fresh'?"),
        ({"gate": {"output": "y", "asks": 1}}, "gate.asks: unknown key. Did you mean 'ask'?"),
        (
            {"oracles": {"use": "xtb", "wokers": 2}},
            "oracles.oracle.wokers: unknown key. Did you mean 'workers'?",
        ),
        (
            {"generators": [{"use": "x:y", "option": {}}]},
            "generators.0.option: unknown key. Did you mean 'options'?",
        ),
        ({"initial": "many"}, "initial: should be a whole number, got 'many'"),
        ({"initial": 2.5}, "initial: should be a whole number, got 2.5"),
        ({"holdout": "some"}, "holdout: should be a number, got 'some'"),
        ({"final_fit": "perhaps"}, "final_fit: should be true or false, got 'perhaps'"),
        ({"budget": 5}, "budget: should be a mapping, got 5"),
        ({"budget": {"labels": -1}}, "budget.labels: should be greater than or equal to 0, got -1"),
        ({"name": 5}, "name: should be a text, got 5"),
        ({"gate": {}}, "gate.output: is required but missing"),
        (
            {"engine": "procesess"},
            "engine.kind: should be 'processes', 'inline', 'mpi' or 'simulated', got 'procesess'",
        ),
        ({"model": {"options": {}}}, "model: a role needs 'use'"),
        (
            {"oracles": {"my oracle": {"use": "xtb"}}},
            "the oracle's name 'my oracle' should be letters",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    assert said in problems(**changes)


def test_all_problems_are_told_at_once() -> None:
    said = problems(initial="x", holdout=2, nonsense=1)
    assert said.startswith("here cannot be used:\n")
    assert said.count("\n  - ") == 3


def test_files_beside_the_configuration_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "data.npz").touch()
    config = {
        **SMALL,
        "generators": {
            "use": "candidates",
            "options": {"batch": "data.npz", "kind": "fcc.lattice"},
        },
        "start": {"labels": "labels.npz"},
    }
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(config))
    settings = load_settings(tmp_path / "campaign.yaml")
    assert settings.generators[0].options == {
        "batch": str(tmp_path / "data.npz"),
        "kind": "fcc.lattice",
    }
    assert settings.start.labels == (tmp_path / "labels.npz",)


@pytest.mark.parametrize(
    "text, said",
    [("a: [1, 2", "is not valid YAML"), ("- 1\n- 2\n", "should hold a mapping"), ("", "mapping")],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_settings(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not a text file in UTF-8"):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml cannot be read: No such file"):
        load_settings(tmp_path / "nowhere.yaml")


def test_live_roles_are_listed() -> None:
    settings = parse(generators=[object(), "x:y"], oracles={"a": object(), "b": "x:y"})
    assert settings.live_roles == ["generators.0", "oracles.a"]
    assert parse().live_roles == []


def test_modules_that_were_moved_with_their_run(tmp_path, monkeypatch) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    (before / "moved_roles.py").write_text("def square(x):\n    return {'y': float(x @ x)}\n")
    function = {"use": "function", "options": {"function": "moved_roles:square"}}
    (before / "campaign.yaml").write_text(yaml.safe_dump({**SMALL, "oracles": function}))
    monkeypatch.setattr(sys, "path", [*sys.path])
    kept = Campaign.load(before / "campaign.yaml")._kept()
    RunFolder.create(before / "run", kept)
    before.rename(after)
    sys.modules.pop("moved_roles")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(before)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"before, where the modules of this run were, is gone"):
        Campaign.of_run(after / "run")
    monkeypatch.chdir(after)
    assert Campaign.of_run(after / "run")._import_path == after
    assert sys.modules.pop("moved_roles").__file__ == str(after / "moved_roles.py")


@pytest.mark.parametrize("stray", ["types.py", "logging/__init__.py", "querist.py"])
def test_a_file_with_the_name_of_a_module_of_python_hides_it_from_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stray: str
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "stray_problem.py").write_text("def answer(x):\n    return {'y': x}\n")
    importable(tmp_path)
    assert sys.path[0] == str(tmp_path)
    sys.path.remove(str(tmp_path))
    (tmp_path / stray).parent.mkdir(exist_ok=True)
    (tmp_path / stray).write_text("raise RuntimeError('hidden')\n")
    importable(tmp_path)
    code = f"import sys; sys.path[:] = {sys.path}; import types, logging, querist.engines.worker"
    code += "; import stray_problem"
    subprocess.run([sys.executable, "-c", code], check=True)

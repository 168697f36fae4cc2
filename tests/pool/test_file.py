"""pool.yaml: what it means, and every way of getting it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.core.errors import ConfigError
from querist.pool.file import PoolFile, load_pool_file

SMALL = "data:\n  from: photos\nbudget: 20\n"


@pytest.fixture
def load(tmp_path: Path):
    """Returns a function: text -> what the file means."""

    def loaded(text: str) -> PoolFile:
        path = tmp_path / "pool.yaml"
        path.write_text(text)
        return load_pool_file(path)

    return loaded


def problems(load, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return list(caught.value.problems) or [str(caught.value)]


def test_two_keys_are_enough(load, tmp_path: Path) -> None:
    found = load(SMALL)
    assert found.data.from_ == (str(tmp_path / "photos"),)
    assert (found.budget, found.model, found.strategy, found.server) == (20, None, None, None)
    assert found.folder == str(tmp_path / "pool")
    assert found.settings().name == "pool"


def test_all_keys(load, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    found = load(
        """
name: birds
folder: kept/birds
data:
  from: [photos, "s3://bucket/day/*.jpg"]
  modality: image
  task: classification
  classes: [owl, 7, "no"]
  labels: labels.csv
  transform: {size: 32, resize: stretch}
  sources: {s3: {region: eu-west-1}}
  access: {max_bytes: 1000}
model: {use: torch, builder: "nets:make", weights: net.onnx}
strategy: {use: k-center, options: {}}
budget: 2.5 %
query: {where: all, seed: 3, engine: {kind: processes, workers: 2}, scan: {batch: 64}}
server: {use: "https://al.example.org", insecure: false}
"""
    )
    assert found.data.from_ == (str(tmp_path / "photos"), "s3://bucket/day/*.jpg")
    assert found.data.labels == (str(tmp_path / "labels.csv"),)
    assert found.data.classes == ("owl", "7", "no")
    assert found.budget == pytest.approx(0.025)
    assert found.model is not None
    assert found.model["weights"] == str(tmp_path / "net.onnx")
    assert found.model["builder"] == "nets:make"
    settings = found.settings()
    assert settings.transform == {"size": 32, "resize": "stretch", "modality": "image"}
    assert (settings.classes, settings.access.max_bytes) == (("owl", "7", "no"), 1000)
    assert found.folder == str(tmp_path / "kept/birds")
    assert found.asked() == {
        "model": {**found.model},
        "budget": pytest.approx(0.025),
        "where": "all",
        "seed": 3,
        "engine": {"kind": "processes", "workers": 2},
        "scan": {"batch": 64},
        "strategy": "k-center",
    }


def test_short_forms(load) -> None:
    found = load(SMALL + "model: features\nstrategy: k-center\nserver: http://127.0.0.1:8600\n")
    assert found.model == {"use": "features"}
    assert found.strategy is not None
    assert found.strategy.use == "k-center"
    assert found.server is not None
    assert found.server.use == "http://127.0.0.1:8600"
    assert found.asked()["model"] == {"use": "features"}
    assert load(SMALL + "query: {engine: mpi}\n").query.engine == {"kind": "mpi"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SMALL + "stategy: random\n", "line 4, stategy: unknown key. Did you mean 'strategy'?"),
        (SMALL + "xyz: 1\n", "line 4, xyz: unknown key. Known: name, folder, data, model"),
        (
            "data:\n  form: photos\nbudget: 3\n",
            "line 2, data.form: unknown key. Did you mean 'from'?",
        ),
        ("data:\n  from: photos\n", "line 1, budget: is required but missing."),
        ("budget: 3\n", "line 1, data: is required but missing."),
        ("data: {}\nbudget: 3\n", "line 1, data.from: is required but missing."),
        ("data:\n  from: []\nbudget: 3\n", "line 2, data.from: "),
        (SMALL.replace("20", "-1"), "line 3, budget: should be a number of items from 1 on"),
        (SMALL.replace("20", "0"), "got 0."),
        (SMALL.replace("20", "lots"), "got 'lots'."),
        (SMALL.replace("20", "250 %"), "got '250 %'."),
        (SMALL.replace("20", "yes"), "line 3, budget: should be a number of items"),
        (
            "data:\n  from: a\n  classes: [yes, no]\nbudget: 3\n",
            "line 3, data.classes.0: is True in YAML; write the word in quotes",
        ),
        (
            "data:\n  from: a\n  modality: image\n  transform: {siez: 3}\nbudget: 3\n",
            "line 4, data.transform: 'siez' is not known. Did you mean 'size'?",
        ),
        (
            "data:\n  from: a\n  access: {host: a}\nbudget: 3\n",
            "data: access.host: unknown key. Did you mean 'hosts'?",
        ),
        (SMALL + "strategy: margn\n", "line 4, strategy: "),
        (SMALL + "strategy: margin\n", "margin needs probabilities, which built-in features"),
        (
            SMALL + "strategy: {use: typiclust, options: {neighbors: 3}}\n",
            "typiclust has no option 'neighbors'. Did you mean 'neighbours'?",
        ),
        (SMALL + "model: {use: onx}\n", "line 4, model: a model's 'use' says where it is from"),
        (SMALL + "query: {sed: 3}\n", "line 4, query.sed: unknown key. Did you mean 'seed'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(load, text: str, sentence: str) -> None:
    said = "\n".join(problems(load, text))
    assert sentence in said


def test_all_that_is_wrong_is_said_at_once(load) -> None:
    said = problems(load, "data:\n  form: a\nbudget: -1\nstategy: x\n")
    assert len(said) == 4
    assert [line.split(",")[0] for line in said] == ["line 1", "line 2", "line 3", "line 4"]


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n"])
def test_a_file_of_something_else_names_the_template(load, text: str) -> None:
    assert "querist init pool" in problems(load, text)[0]

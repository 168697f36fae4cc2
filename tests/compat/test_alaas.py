"""ALaaS's configuration in our words: every key and strategy that it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from querist.compat.alaas import STRATEGIES, read, translate
from querist.core.errors import ConfigError
from querist.strategies import registry

# As its documentation and examples have it; every key that its types know is here.
IMAGE = """
name: "IMG_CLASSIFICATION_TORCH"
version: 0.1
active_learning:
  strategy:
    type: "LeastConfidence"
    model:
      name: "resnet18"
      hub: "pytorch/vision:v0.10.0"
      batch_size: 16
      device: "cuda:0"
      args: []
      kwargs: {pretrained: true}
  al_worker:
    protocol: "http"
    host: "0.0.0.0"
    port: 8081
    replicas: 2
"""

TEXT = """
name: "TXT_CLASSIFICATION_TORCH"
version: 0.1
active_learning:
  strategy:
    type: "LeastConfidence"
    model:
      name: "distilbert-base-uncased"
      hub: "huggingface/pytorch-transformers"
      batch_size: 2
      device: "cpu"
      task: "text-classification"
      tokenizer: "distilbert-base-uncased"
  al_worker:
    protocol: "grpc"
    host: "0.0.0.0"
    port: 60035
    replicas: 1
"""


def changed(text: str, **strategy: Any) -> Any:
    config = yaml.safe_load(text)
    config["active_learning"]["strategy"] |= strategy
    return config


def test_images(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.yml"
    path.write_text(IMAGE)
    made = read(path)
    assert made.pool == {
        "name": "IMG_CLASSIFICATION_TORCH",
        "data": {
            "from": "photos",
            "modality": "image",
            "transform": {"size": 224, "short": 256, "resize": "crop"},
        },
        "model": {
            "use": "hub",
            "repo": "pytorch/vision:v0.10.0",
            "model": "resnet18",
            "options": {"pretrained": True},
            "trust": False,
            "normalise": {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2023, 0.1994, 0.2010]},
        },
        "strategy": "least-confidence",
        "budget": 100,
        "query": {
            "where": "all",
            "engine": {"kind": "processes", "device": "cuda:0", "workers": 2},
            "scan": {"batch": 16},
        },
    }
    assert made.service["listen"] == {"host": "0.0.0.0", "port": 8081}
    assert made.service["models"]["hub"] == ["pytorch/vision:v0.10.0"]
    assert any("trust: true" in note for note in made.notes)


def test_texts() -> None:
    made = translate(yaml.safe_load(TEXT), "distilbert.yml")
    assert made.pool["model"] == {"use": "huggingface", "name": "distilbert-base-uncased"}
    assert made.pool["data"]["modality"] == "text"
    assert made.pool["query"] == {"where": "all", "scan": {"batch": 2}}
    assert made.service["models"]["huggingface"] == ["distilbert-base-uncased"]
    assert made.service["listen"]["port"] == 60035
    assert any("no grpc" in note for note in made.notes)


@pytest.mark.parametrize("kind", sorted(STRATEGIES))
def test_every_strategy_has_one_of_ours(kind: str) -> None:
    name = translate(changed(IMAGE, type=kind), "a.yml", n_drop=5).pool["strategy"]
    assert registry.get(name).name == name


def test_passes_with_dropout() -> None:
    made = translate(changed(IMAGE, type="BayesianDisagreement"), "a.yml")
    assert made.pool["model"]["mc_dropout"] == {"passes": 20}
    made = translate(changed(IMAGE), "a.yml", n_drop=7)
    assert made.pool["model"]["mc_dropout"] == {"passes": 7}
    made = translate(changed(IMAGE, type="VarRatioSampling"), "a.yml")
    assert (made.pool["strategy"], "mc_dropout" in made.pool["model"]) == (
        "least-confidence",
        False,
    )


def test_random_needs_no_model() -> None:
    assert "model" not in translate(changed(IMAGE, type="RandomSampling"), "a.yml").pool


def test_another_tokenizer_is_said() -> None:
    model = yaml.safe_load(TEXT)["active_learning"]["strategy"]["model"] | {"tokenizer": "other"}
    assert any("not other" in note for note in translate(changed(TEXT, model=model), "a").notes)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("words", "is no configuration of ALaaS"),
        ({"name": "x"}, "active_learning is no mapping"),
        (changed(IMAGE, type="LeastConfidance"), "Did you mean 'LeastConfidence'?"),
        (changed(IMAGE, modle={}), "knows no key 'modle' in active_learning.strategy"),
    ],
)
def test_what_is_none_of_alaas_is_a_sentence(config: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace("?", "[?]")):
        translate(config, "a.yml")


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        read(tmp_path / "nothing.yml")

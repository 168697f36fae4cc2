"""Values on the command line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from querist.cli.values import budget_of, model_of, pairs
from querist.core.errors import ConfigError

OPTION = click.Option(["--budget"])


@pytest.mark.parametrize(
    ("text", "value"), [("20", 20), (" 7 ", 7), ("0.05", 0.05), ("5%", 0.05), ("2.5 %", 0.025)]
)
def test_budgets(text: str, value: float) -> None:
    found = budget_of(click.Context(click.Command("x")), OPTION, text)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["0", "-3", "1.0", "1.5", "100%", "0%", "many", "", "nan", "inf"])
def test_budgets_that_are_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither a number of items"):
        budget_of(click.Context(click.Command("x")), OPTION, text)


def test_pairs_are_read_as_yaml() -> None:
    said = ["size=64", "resize=pad", "mean=[0.5, 1]", "note=a=b", "flag=true"]
    assert pairs(said, "-t") == {
        "size": 64,
        "resize": "pad",
        "mean": [0.5, 1],
        "note": "a=b",
        "flag": True,
    }
    for wrong in ("size", "=3", "a=[1"):
        with pytest.raises(ConfigError, match="-t"):
            pairs([wrong], "-t")


def test_models(tmp_path: Path) -> None:
    assert model_of([]) is None
    assert model_of(["features"]) == {"use": "features"}
    assert model_of(["my-model"]) == "my-model"
    assert model_of(["use=onnx", "file=a.onnx"]) == {"use": "onnx", "file": "a.onnx"}
    assert model_of(["use=features"]) == {"use": "features"}
    assert model_of(["net.onnx"]) == {"use": "onnx", "file": str(Path("net.onnx").absolute())}
    settings = tmp_path / "model.yaml"
    settings.write_text("use: features\nmodality: text\n")
    assert model_of([str(settings)]) == {"use": "features", "modality": "text"}
    settings.write_text("- a\n")
    with pytest.raises(ConfigError, match="should hold a model's settings"):
        model_of([str(settings)])

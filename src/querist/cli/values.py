"""Values on the command line: ``key=value``, models, budgets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from querist.core.errors import ConfigError

MODEL_FILES = {".onnx": "onnx", ".skops": "sklearn"}


def budget_of(_context: click.Context, _option: click.Parameter, text: str) -> int | float:
    """A number of items, or a share: ``20``, ``0.05``, ``5%``; as a callback of an option."""
    said = text.strip()
    try:
        share = float(said[:-1]) / 100 if said.endswith("%") else float(said)
    except ValueError:
        share = 0.0
    if said.isdigit() and share >= 1:
        return int(said)
    if not 0 < share < 1:
        raise click.BadParameter(
            f"{text!r} is neither a number of items from 1 on nor a share such as 5%."
        )
    return share


def pairs(texts: Iterable[str], option: str) -> dict[str, Any]:
    """``name=value`` texts as a mapping; values are read as YAML, so that 3 is a number.

    Raises:
        ConfigError: If one has no ``=``.
    """
    import yaml

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} takes NAME=VALUE, got {text!r}.")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"{option} {text!r}: the value cannot be read: {error}") from error
    return found


def columns_of(texts: Iterable[str]) -> dict[str, str]:
    """``role=column`` texts as a mapping; names of columns stay as they are written.

    Raises:
        ConfigError: If one has no ``=``.
    """
    found = {}
    for text in texts:
        role, equals, column = text.partition("=")
        if not (role and equals and column):
            raise ConfigError(f"--column takes ROLE=COLUMN, such as text=review, got {text!r}.")
        found[role.strip()] = column
    return found


def model_of(texts: Iterable[str]) -> str | dict[str, Any] | None:
    """What ``--model`` names.

    One text: a file of settings (``.yaml``), of a model (``.onnx``, ``.skops``), "features", or the
    name of a model at a service. Several ``key=value`` texts: settings.
    """
    from querist.campaign.loading import importable

    given = list(texts)
    if not given:
        return None
    importable(Path.cwd())
    if len(given) > 1 or "=" in given[0]:
        return pairs(given, "--model")
    (text,) = given
    suffix = Path(text).suffix.lower()
    if suffix in (".yaml", ".yml"):
        from querist.pool.model_places import beside
        from querist.pool.yaml_lines import read_yaml

        value = read_yaml(Path(text)).value
        if not isinstance(value, dict):
            raise ConfigError(f"{text} should hold a model's settings, such as use: onnx.")
        folder = Path(text).absolute().parent
        importable(folder)
        return beside(value, folder)
    if suffix in MODEL_FILES:
        return {"use": MODEL_FILES[suffix], "file": str(Path(text).absolute())}
    return {"use": "features"} if text == "features" else text


def named_model(texts: Iterable[str]) -> dict[str, Any] | None:
    """As :func:`model_of`, of a model of this machine.

    Raises:
        ConfigError: If it is a name, which only a service knows.
    """
    found = model_of(texts)
    if isinstance(found, str):
        raise ConfigError(
            f"--model {found}: a model of this machine is a file of settings (model.yaml), an ONNX "
            "or skops file, or use=... settings."
        )
    return found

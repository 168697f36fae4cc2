"""Configuration files: their text and what their YAML holds, or a sentence that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from querist.core.errors import ConfigError


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: If it cannot be read, or is not in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file in UTF-8: {error.reason}.") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; None if it is empty.

    Raises:
        ConfigError: If it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(text_of(path))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error

"""YAML whose errors say the line: values, and where each stood."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from querist.campaign.yaml_file import text_of
from querist.core.errors import ConfigError

Place: TypeAlias = tuple[int | str, ...]


class Located(NamedTuple):
    """What a YAML file holds.

    Attributes:
        value: As ``yaml.safe_load`` gives it.
        lines: Path of keys and positions in lists -> line, from 1.
    """

    value: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing that holds it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_yaml(path: Path) -> Located:
    """Read a YAML file.

    Raises:
        ConfigError: If it cannot be read, is no YAML, or gives a key twice; with the line.
    """
    return parse_yaml(text_of(path), str(path))


def parse_yaml(text: str, where: str) -> Located:
    """Read YAML; ``where`` names it in errors."""
    try:
        value, lines = _parsed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{where}, line {line}: not valid YAML: {_said(error)}.") from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{where} is not a text: it has the character #x{error.character:04x}."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise ConfigError(f"{where} is not valid YAML: {error}.") from error
    return Located(value, lines)


def _parsed(text: str) -> tuple[Any, dict[Place, int]]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines = dict(_lines((), node))
        return loader.construct_document(node), lines
    finally:
        loader.dispose()


def _said(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or error.context or "it cannot be understood"
    if "'\\t'" in said:
        said += "; indent with spaces, not with tabs"
    if "mapping values are not allowed" in said:
        said += "; is a text with a colon in it not in quotes, or a line indented too far"
    return said


def _lines(place: Place, node: yaml.Node) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else str(key)
            line = key.start_mark.line + 1
            if name in seen and name != "<<":
                problem = f"the key {name!r} stands in line {seen[name]} already"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen[name] = line
            yield from _lines((*place, name), value)
            yield (*place, name), line
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines((*place, number), value)

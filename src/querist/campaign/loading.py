"""A YAML file to settings, with errors a person can act upon."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from querist.campaign.nearest import suggest
from querist.campaign.settings import CampaignSettings, Role
from querist.campaign.yaml_file import read_yaml
from querist.core.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)

_WORDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "path_type": "a path",
}


_BRANCHES = {"int", "float", "constrained-int", "constrained-float", "str", "dict[str,any]"}


def load_settings(path: Path | str) -> CampaignSettings:
    """Read ``campaign.yaml``.

    Modules beside the file can be imported by its roles, and relative paths are relative to it.

    Raises:
        ConfigError: With every problem found.
    """
    path = Path(path)
    config = read_yaml(path)
    folder = path.resolve().parent
    importable(folder)
    return parse_settings(config, str(path), folder)


def importable(folder: Path) -> None:
    """Let modules of a folder be imported, here and in workers (they inherit ``sys.path``).

    It comes first, as a script's does. Where it has a ``types.py`` or ``queue.py`` no worker could
    start by that, so it comes last.
    """
    if str(folder) not in sys.path:
        sys.path.insert(len(sys.path) if _hides(folder) else 0, str(folder))


def _hides(folder: Path) -> bool:
    """Whether a file of it has the name of a module of Python, or of us, that is in use."""
    names = {file.stem for file in folder.glob("*.py")}
    names |= {file.parent.name for file in folder.glob("*/__init__.py")}
    return not names.isdisjoint({"querist", *sys.stdlib_module_names}.intersection(sys.modules))


def importable_again(kept: str | None) -> Path | None:
    """Let the modules of a run be imported from where they were, as its folder has kept it.

    Where that is gone, since all was moved, they are looked for in the current folder.
    """
    if not kept:
        return None
    folder = Path(kept) if Path(kept).is_dir() else Path.cwd()
    importable(folder)
    return folder


@contextmanager
def modules_of(kept: str | None) -> Iterator[Path | None]:
    """As :func:`importable_again`; what cannot be used then says that they were moved."""
    folder = importable_again(kept)
    try:
        yield folder
    except ConfigError as error:
        if kept is None or folder == Path(kept):
            raise
        moved = f"{kept}, where the modules of this run were, is gone; go to where they are now"
        sentence = f"{moved} ({folder} was looked in): {error.message}"
        raise ConfigError(sentence, error.problems) from error


def parse_settings(config: Any, where: str, folder: Path | None = None) -> CampaignSettings:
    """Settings from a mapping.

    Args:
        config: What the YAML file holds.
        where: Its name, for errors.
        folder: What relative paths are relative to; None leaves them as they are.

    Raises:
        ConfigError: With every problem found.
    """
    if folder is not None and isinstance(config, Mapping):
        config = _locate(dict(config), folder)
    return checked(CampaignSettings, config, where)


def checked(kind: type[Settings], config: Any, where: str) -> Settings:
    """Settings of a kind from a mapping; those that are of the kind are given back.

    Args:
        kind: The class of the settings.
        config: What was given.
        where: Its name, for errors.

    Raises:
        ConfigError: If it is no mapping, or with every problem; unknown keys with the nearest known
            one.
    """
    if isinstance(config, kind):
        return config
    if not isinstance(config, Mapping):
        raise ConfigError(f"{where} should hold a mapping of settings, got {config!r}.")
    try:
        return kind.model_validate(dict(config))
    except ValidationError as error:
        # Without its cause: Pydantic's own text repeats what was given, secrets included.
        raise ConfigError(f"{where} cannot be used:", problems_of(error, kind)) from None


def _locate(value: Any, folder: Path) -> Any:
    """Texts that name an existing file beside the configuration become absolute paths."""
    if isinstance(value, dict):
        return {
            key: _start(item, folder) if key == "start" else _locate(item, folder)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_locate(item, folder) for item in value]
    if isinstance(value, str) and _looks_like_path(value) and (folder / value).exists():
        return str(folder / value)
    return value


def _start(value: Any, folder: Path) -> Any:
    """In ``start`` everything is a path."""
    if isinstance(value, dict):
        return {key: _start(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_start(item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value


def _looks_like_path(text: str) -> bool:
    return 0 < len(text) < 500 and "\n" not in text and ("." in text or "/" in text)


def problems_of(error: ValidationError, root: type[BaseModel]) -> tuple[str, ...]:
    """What is wrong with a configuration, a sentence each; unknown keys with the nearest known one.

    Args:
        error: What validating it by ``root`` raised.
        root: The model of the whole configuration.
    """
    return tuple(dict.fromkeys(_problems(error, root)))


def _problems(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    for item in error.errors():
        place = place_of(item["loc"])
        where = ".".join(map(str, place))
        if item["type"] == "extra_forbidden":
            yield f"{where}: unknown key.{_meant(place, root)}"
        elif item["type"] == "missing":
            yield f"{where}: is required but missing."
        elif item["type"] in _WORDS:
            yield f"{where}: should be {_WORDS[item['type']]}, got {item['input']!r}."
        else:
            message = item["msg"].removeprefix("Value error, ")
            message = message.replace("Input should be", "should be")
            got = "" if item["type"] == "value_error" else f", got {item['input']!r}"
            yield from _sentences(where, message + got)


def _meant(place: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """What an unknown key may have been meant to be: one of a section, or one spelled alike."""
    key, known = str(place[-1]), _known_keys(place[:-1], root)
    if len(place) == 1:
        sections = {name: _section(field.annotation) for name, field in root.model_fields.items()}
        found = [name for name, one in sections.items() if one and key in one.model_fields]
        if found:
            return f" It is a key of {' or '.join(map(repr, found))}."
    return suggest(key, known) or " Known: " + ", ".join(known)


def place_of(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A place in a file, from one in the schema, which also names branches of unions."""
    return tuple(part for part in location if part not in _BRANCHES)


def _sentences(where: str, message: str) -> Iterator[str]:
    """One problem, or each of those that a ConfigError within lists, which say where they are."""
    first, *listed = message.split(str(ConfigError("", ("",))))
    if listed:
        yield from listed
    else:
        ended = first if first.endswith("?") else first.removesuffix(".") + "."
        yield f"{where}: " * bool(where) + ended


def _known_keys(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Keys that are allowed at a place of the configuration."""
    model = root
    for part in location:
        field = None if isinstance(part, int) else model.model_fields.get(part)
        if field is not None:  # else the place of a list's item, or the name of an oracle
            model = _section(field.annotation) or Role
    return [name for name in model.model_fields if name != "live"]


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments = getattr(annotation, "__args__", ())
    return next((found for a in arguments if (found := _section(a)) is not None), None)

"""Files and code that a model's settings name: where they are, and which are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from querist.core.errors import RoleFailed
from querist.core.tasks import resolve

_CODE = ("object", "function", "builder")
_FILES = ("file", "weights")


class Missing(NamedTuple):
    """What a model names and is not there."""

    key: str
    sentence: str


def beside(model: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings in which texts that name a file beside their own file are its path.

    Of files and weights also where it is not there: another message tells that.
    """
    return {
        key: value if key == "use" else _there(value, folder, key in _FILES)
        for key, value in model.items()
    }


def _there(value: Any, folder: Path, always: bool) -> Any:
    if isinstance(value, list | tuple):
        return [_there(one, folder, always) for one in value]
    if not isinstance(value, str) or not value or ":" in value:  # an upload, a module
        return value
    return str(folder / value) if always or (folder / value).exists() else value


def missing(model: Mapping[str, Any]) -> Iterator[Missing]:
    """Code that cannot be imported, and files that are not there."""
    for key in _CODE:
        target = model.get(key)
        if isinstance(target, str):
            try:
                resolve(target)
            except RoleFailed as error:
                yield Missing(key, str(error))
    for key in _FILES:
        value = model.get(key)
        for name in value if isinstance(value, list | tuple) else [value]:
            if isinstance(name, str) and not Path(name).exists():
                yield Missing(key, f"there is no file {name}.")

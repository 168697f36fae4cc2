"""What a model suggested for items of a pool: kept beside them, by row.

``POOL/suggestions.json`` holds the last suggestions: a label each, and how sure the model is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.store.files import atomic_write

FILE = "suggestions.json"


class Suggestion(NamedTuple):
    """What a model says of an item.

    Attributes:
        value: A label, as people give it.
        score: How sure it is, 0 to 1; None where it does not tell.
    """

    value: Any
    score: float | None = None


class Kept(NamedTuple):
    """What was suggested last.

    Attributes:
        version: Of the model, in the words of whoever asked.
        said: By row.
    """

    version: str
    said: Mapping[int, Suggestion]


def keep(folder: Path, said: Mapping[int, Suggestion], version: str) -> None:
    """Keep suggestions in place of earlier ones."""
    _write(folder, Kept(version, said))


def kept(folder: Path) -> Kept:
    """What was suggested last; nothing where nothing was."""
    path = folder / FILE
    try:
        found = path.stat()
    except FileNotFoundError:
        return Kept("", {})
    return _read(path, (found.st_ino, found.st_mtime_ns))


def erase(folder: Path, rows: NDArray[np.int64]) -> None:
    """Remove what was suggested for items that are forgotten."""
    gone, found = set(rows.tolist()), kept(folder)
    left = {row: one for row, one in found.said.items() if row not in gone}
    if len(left) < len(found.said):
        _write(folder, Kept(found.version, left))


@lru_cache(maxsize=4)
def _read(path: Path, _: tuple[int, int]) -> Kept:
    found = json.loads(path.read_text(encoding="utf-8"))
    said = {int(row): Suggestion(*one) for row, one in found["said"].items()}
    return Kept(found["version"], said)


def _write(folder: Path, what: Kept) -> None:
    said = {str(row): list(one) for row, one in what.said.items()}
    content = json.dumps({"version": what.version, "said": said}).encode()
    atomic_write(folder / FILE, content)

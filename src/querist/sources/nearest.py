"""The nearest known name, for errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from querist.core.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def refuse_unknown(settings: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ConfigError if a setting is not among the known ones, naming each unknown one."""
    known = list(known)
    problems = tuple(
        f"{name!r} is not known.{nearest(name, known)}"
        for name in map(str, settings)
        if name not in known
    )
    if problems:
        raise ConfigError(f"{what} takes {', '.join(known)}.", problems)

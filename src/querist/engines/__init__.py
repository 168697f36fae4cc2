"""Where the work runs: in this process, in worker processes, or in simulated time."""

from __future__ import annotations

import difflib
import inspect
from importlib import import_module
from typing import Any, cast

from querist.core.errors import ConfigError
from querist.core.roles import Engine

_ENGINES = {
    "inline": "querist.engines.inline:Inline",
    "mpi": "querist.engines.mpi:Mpi",
    "processes": "querist.engines.processes:Processes",
    "simulated": "querist.engines.simulated:Simulated",
}


def names() -> list[str]:
    """The engines that :func:`create` knows."""
    return sorted(_ENGINES)


def create(name: str, **options: Any) -> Engine:
    """Make an engine by name; only its own module is imported.

    Args:
        name: One of :func:`names`.
        options: Keyword arguments of its class.

    Raises:
        ConfigError: If there is no such engine, or it has no such option.
    """
    if name not in _ENGINES:
        raise ConfigError(f"there is no engine {name!r}; {_nearest(name, names())}")
    module, _, attribute = _ENGINES[name].partition(":")
    made = getattr(import_module(module), attribute)
    known = list(inspect.signature(made).parameters)
    for option in options:
        if option not in known:
            raise ConfigError(
                f"engine {name!r} has no option {option!r}; {_nearest(option, known)}"
            )
    return cast("Engine", made(**options))


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {known}."

"""Where the work runs: in this process, in worker processes, over MPI, or in simulated time.

``inline``, ``processes``, ``mpi`` and ``simulated`` are the engines. Those with workers are a
``foreman`` (which worker gets what; events of what they say) with a ``staff`` of ``seat`` objects,
the engine's side of one worker each; ``worker`` is the other side, ``wire`` what goes between them,
and ``lifeline`` what lets no process outlive its parent. Files that begin with ``mpi_`` are the
same parts for ranks. All share ``opening`` and ``fair``.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from querist.core.errors import ConfigError

if TYPE_CHECKING:
    # Some launchers' variables must be read before NumPy is loaded.
    from querist.core.roles import Engine
    from querist.core.tasks import PoolSpec

_ENGINES = {
    "inline": "querist.engines.inline:Inline",
    "mpi": "querist.engines.mpi:Mpi",
    "processes": "querist.engines.processes:Processes",
    "simulated": "querist.engines.simulated:Simulated",
}


@runtime_checkable
class SupportsFit(Protocol):
    """An engine that may make more workers of a pool than asked for."""

    def fit(self, specs: Sequence[PoolSpec]) -> list[PoolSpec]:
        """The pools that ``start`` will make of these."""


@runtime_checkable
class SupportsMove(Protocol):
    """An engine whose workers may change their pool."""

    def move(self, source: str, target: str) -> bool:
        """Let a worker of a pool, once it has nothing to do, serve another; whether one can."""


def is_virtual(engine: Engine) -> bool:
    """Whether an engine's time passes only while somebody waits for its events."""
    return bool(getattr(engine, "virtual", False))


def fitted(engine: Engine, specs: Sequence[PoolSpec]) -> list[PoolSpec]:
    """The pools that an engine will make of these."""
    return engine.fit(specs) if isinstance(engine, SupportsFit) else list(specs)


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

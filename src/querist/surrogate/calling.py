"""From a call's arguments to a sample, and from outputs back to what the simulation returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from querist.core.batch import Array, Sample, as_array
from querist.core.errors import ConfigError, RoleFailed, ShapeError
from querist.core.roles import Oracle, TaskContext
from querist.core.tasks import Factory, resolve
from querist.oracles.function import FunctionOracle, call

_ITSELF = "querist.surrogate.calling:itself"
BARE = "result"  # the output of a simulation that returns a bare number or array


@dataclass(frozen=True, slots=True)
class Named:
    """A function whose bare return value is given a name."""

    function: Callable[..., Any]

    def __call__(self, fields: Mapping[str, Any], /) -> Any:
        """Call it as :class:`~querist.oracles.function.FunctionOracle` would."""
        raw = call(self.function, fields, cast("TaskContext", _NoContext()))
        return raw if isinstance(raw, Mapping) else {BARE: raw}


class _NoContext:
    """Of a simulation that nobody stops."""

    def should_stop(self) -> bool:
        return False


def itself(thing: Any) -> Any:
    """The very object: in this process it is called, not a copy of it."""
    return thing


def oracle_of(simulation: Any) -> Factory | None:
    """How workers make the oracle behind a simulation; None where there is none.

    Args:
        simulation: A function, "package.module:function", an oracle, a factory of one, or None.

    Raises:
        ConfigError: If it is something else.
        RoleFailed: If its name cannot be imported.
    """
    if simulation is None or isinstance(simulation, Factory):
        return simulation
    found = resolve(simulation) if isinstance(simulation, str) else simulation
    if isinstance(found, Oracle):
        return Factory(_ITSELF, {"thing": found})
    if callable(found):
        return Factory(_ITSELF, {"thing": FunctionOracle(Named(found))})
    raise ConfigError(
        f"a simulation should be a function, an oracle or 'package.module:function', but is "
        f"{type(simulation).__name__} {simulation!r}."
    )


def importable(simulation: Any) -> str | None:
    """The "module:function" by which another process finds a simulation; None where it cannot."""
    if isinstance(simulation, str):
        return simulation
    module, name = (getattr(simulation, k, None) for k in ("__module__", "__qualname__"))
    if not module or not name or module == "__main__" or "<" in name:
        return None
    try:
        return f"{module}:{name}" if resolve(f"{module}:{name}") is simulation else None
    # Isolation boundary: another import of a user's module may raise anything.
    except Exception:  # noqa: BLE001
        return None


def require_same(simulation: Any, kept: str | None, where: Path | str) -> None:
    """See that a model is not asked in place of another simulation than the one it stands in for.

    One that was moved or renamed, or is no part of a module, is taken on trust.

    Raises:
        ConfigError: If what can be imported by the name that was kept is another simulation.
    """
    if simulation is None or not kept or simulation == kept or _name_of(simulation) == kept:
        return
    try:
        same = (resolve(simulation) if isinstance(simulation, str) else simulation) is resolve(kept)
    except RoleFailed:
        return
    if not same:
        raise ConfigError(
            f"the surrogate in {where} stands in for {kept}, and not for {simulation!r:.80}: its "
            "model would answer as the former does. Take another place for this one."
        )


def _name_of(simulation: Any) -> str:
    return f"{getattr(simulation, '__module__', '')}:{getattr(simulation, '__qualname__', '')}"


class Form:
    """How a simulation is called, and what it returns.

    Args:
        simulation: As for :func:`oracle_of`.
    """

    def __init__(self, simulation: Any) -> None:
        found = resolve(simulation) if isinstance(simulation, str) else simulation
        plain = callable(found) and not isinstance(found, Oracle)
        self._signature = _signature(found) if plain else None

    def sample(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Array]:
        """The named arrays of a call.

        Raises:
            TypeError: If the simulation could not be called in this way.
            ShapeError: If an argument is not numbers, text or an array of them, or there is none.
        """
        named = self._named(args, kwargs)
        if not named:
            raise ShapeError("a call needs an input, or there is nothing to learn from; got none.")
        return {name: as_array(value, name) for name, value in named.items()}

    def _named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        if len(args) == 1 and not kwargs and isinstance(args[0], Sample):
            return args[0].arrays
        if len(args) == 1 and not kwargs and isinstance(args[0], Mapping):
            return args[0]
        if self._signature is None:
            if args:
                raise TypeError("give the inputs by name, or as one mapping of names to arrays.")
            return kwargs
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        named: dict[str, Any] = {}
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                named |= bound.arguments[name]
            elif parameter.kind is parameter.VAR_POSITIONAL:
                raise ShapeError(f"a simulation's inputs need names, but it takes *{name}.")
            elif bound.arguments[name] is not None and name != "context":
                named[name] = bound.arguments[name]
        return named


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        found = inspect.signature(function)
    except ValueError:  # some built-ins have none
        return None
    if not isinstance(function, np.ufunc):
        return found
    inputs = list(found.parameters.values())[: function.nin]  # not where, casting, dtype ...
    return found.replace(parameters=inputs)


def returned(outputs: Mapping[str, Array]) -> Any:
    """What the simulation would have returned: a number, an array, or a mapping of arrays."""
    if set(outputs) != {BARE}:
        return dict(outputs)
    value = outputs[BARE]
    return value.item() if np.ndim(value) == 0 else value

"""Strategies by their standard names: those shipped, those of entry points, those registered.

Shipped ones are found by their files: the file ``margin.py`` in the folder of a family defines the
strategy ``margin``; those in ``modifiers`` define what wraps others. A package
adds its own with an entry point::

    [project.entry-points."querist.strategies"]
    my-strategy = "my_package.strategies:my_strategy"
"""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

import querist.strategies
from querist.strategies.composing import compose
from querist.strategies.contract import Strategy
from querist.strategies.errors import NeedError, UnknownStrategy
from querist.strategies.modifying import Modifier

GROUP = "querist.strategies"
MODIFIERS = "modifiers"
NO_STRATEGIES = (MODIFIERS, "choosing")  # folders of what wraps strategies or decides between them
_OWN: dict[str, Strategy] = {}


def register(strategy: Strategy) -> Strategy:
    """Make one's own strategy available by its name, in this process.

    Registering a function of the same module and name again replaces it, as in a notebook.

    Raises:
        NeedError: If another strategy has the name, or it is no strategy.
    """
    if not isinstance(strategy, Strategy):
        raise NeedError(
            f"register wants a strategy, but got {strategy!r}; decorate the function with "
            "querist.strategies.contract.pointwise or batchwise."
        )
    holder = _known().get(strategy.name)
    if holder is not None and _origin(holder) != _origin(strategy):
        raise NeedError(f"the name {strategy.name!r} is that of {_origin(holder)}; choose another.")
    _OWN[strategy.name] = strategy
    return strategy


def unregister(name: str) -> None:
    """Forget a strategy that was registered in this process."""
    _OWN.pop(name, None)


def names() -> list[str]:
    """The standard names, by family, then by alphabet."""
    return [strategy.name for strategy in strategies()]


def strategies() -> list[Strategy]:
    """All strategies, by family, then by alphabet; their own extras need not be installed."""
    return sorted(_known().values(), key=lambda one: (one.family == "own", one.family, one.name))


def modifiers() -> list[Modifier]:
    """What wraps strategies, by alphabet."""
    found = pkgutil.iter_modules([f"{path}/{MODIFIERS}" for path in querist.strategies.__path__])
    return [_modifier(one.name) for one in sorted(found, key=lambda one: one.name)]


def everything() -> list[Strategy | Modifier]:
    """All strategies, then all modifiers."""
    return [*strategies(), *modifiers()]


def get(name: str) -> Strategy:
    """The strategy of a name or alias, or of a text such as ``"cost-aware(bait(noise=0.1))"``.

    In names ``_`` and upper case are forgiven.

    Raises:
        UnknownStrategy: If there is none; it names the nearest.
        ConfigError: If a text does not say how to put strategies together.
    """
    if "(" in name:
        return compose(name, find)
    found = find(name)
    if isinstance(found, Modifier):
        raise UnknownStrategy(f"{name} wraps another strategy; write for example {name}(margin).")
    return found


def find(name: str) -> Strategy | Modifier:
    """The strategy or the modifier of a name or alias.

    Raises:
        UnknownStrategy: If there is none; it names the nearest.
    """
    if "(" in name:
        return compose(name, find)
    wanted = name.lower().replace("_", "-")
    stem = wanted.replace("-", "_")
    if stem in _files():
        return _shipped(_files()[stem])
    known: dict[str, Strategy | Modifier] = {one.name: one for one in modifiers()}
    known |= _known()
    aliases = {alias: one for one in known.values() for alias in one.aliases}
    found = known.get(wanted) or aliases.get(wanted)
    if found is None:
        near = get_close_matches(wanted, [*known, *aliases], n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownStrategy(f"there is no strategy {name!r}.{hint} See: querist strategies.")
    return found


def _known() -> dict[str, Strategy]:
    shipped = {one.name: one for one in map(_shipped, _files().values())}
    return {**shipped, **_plugins(), **_OWN}


def _origin(strategy: Strategy) -> str:
    return f"{strategy.function.__module__}.{strategy.function.__qualname__}"


@cache
def _files() -> dict[str, str]:
    """Stem of a method's file -> its module."""
    found = {}
    for family in pkgutil.iter_modules(querist.strategies.__path__, "querist.strategies."):
        if family.ispkg and family.name.rpartition(".")[2] not in NO_STRATEGIES:
            folder = import_module(family.name)
            for method in pkgutil.iter_modules(folder.__path__):
                found[method.name] = f"{family.name}.{method.name}"
    return found


@cache
def _shipped(module: str) -> Strategy:
    """The one strategy that a file defines, by the file's name."""
    strategy = getattr(import_module(module), module.rpartition(".")[2])
    assert isinstance(strategy, Strategy), f"{module} defines no strategy of its own name"
    return strategy


@cache
def _modifier(stem: str) -> Modifier:
    """The one modifier that a file defines, by the file's name."""
    found = getattr(import_module(f"{querist.strategies.__name__}.{MODIFIERS}.{stem}"), stem)
    assert isinstance(found, Modifier), f"{stem} defines no modifier of its own name"
    return found


@cache
def _plugins() -> dict[str, Strategy]:
    """Strategies of other packages.

    Raises:
        NeedError: If an entry point holds no strategy, or takes a name that is in use.
    """
    shipped = {_shipped(module).name for module in _files().values()}
    found: dict[str, Strategy] = {}
    for point in entry_points(group=GROUP):
        strategy = point.load()
        if not isinstance(strategy, Strategy):
            raise NeedError(f"the entry point {point.value!r} of {GROUP} is no strategy.")
        if strategy.name in shipped or strategy.name in found:
            raise NeedError(f"the entry point {point.value!r} takes the name of another strategy.")
        found[strategy.name] = strategy
    return found

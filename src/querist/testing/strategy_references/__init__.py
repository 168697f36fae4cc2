"""Brute-force definitions of the strategies, written for clarity, for pools of a few dozen items.

One file a family, found by itself. A method needs exactly one of these:

- :func:`exact`: a function of the data (float64 arrays by name) and ``budget`` that returns the
  indices in order and their scores;
- :func:`law`: of methods that draw: a function of the data and ``budget`` that returns the
  probability of every ordered pick, ``{(3, 0): 0.125, ...}``, for a pool of half a dozen;
- :func:`condition`: where several results are right: a function of the selection and the data
  that asserts what must hold.

For a strategy of one's own, decorate a function in the test and use it the same way.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """A definition to compare with.

    Attributes:
        kind: "exact", "law" or "condition".
        function: As described above.
        largest: Budget up to which it can be computed.
    """

    kind: str
    function: Function
    largest: int = 50


_KNOWN: dict[str, Reference] = {}


def _recorded(kind: str, name: str, largest: int = 50) -> Callable[[Function], Function]:
    def record(function: Function) -> Function:
        _KNOWN[name] = Reference(kind, function, largest)
        return function

    return record


def exact(name: str, largest: int = 50) -> Callable[[Function], Function]:
    """Record ``(budget, **data) -> (indices, scores)`` as the definition of a strategy.

    ``largest`` is the budget up to which it can be computed.
    """
    return _recorded("exact", name, largest)


def law(name: str) -> Callable[[Function], Function]:
    """Record ``(budget, **data) -> {ordered picks: probability}``."""
    return _recorded("law", name)


def condition(name: str) -> Callable[[Function], Function]:
    """Record ``(selection, **data) -> None``, which asserts."""
    return _recorded("condition", name)


def reference(name: str) -> Reference | None:
    """The definition of a strategy; None if nobody wrote one."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return _KNOWN.get(name)


def ranked(
    scores: NDArray[np.float64], budget: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The highest scores first, equals by index."""
    order = np.argsort(-scores, kind="stable")[:budget]
    return order, scores[order]

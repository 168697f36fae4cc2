"""Prey and predators: the base model, what it may lack, and a truth that has what it lacks.

Populations are in units of their balance, time in years. All is written in logarithms, so that no
population becomes negative and a term is a rate per head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rate = Callable[[Floats, Floats, float | Floats], Floats]

STEP = 1 / 26  # a fortnight, between two observations
YEARS, AHEAD = 8, 2  # observed; then forecast
COUNT = YEARS * 26 + 1
BASE = ("a", "b", "c", "d")
USUAL = np.array([3.0, 3.0, 2.5, 2.5])
START = np.log([4.0, 0.4])
HIGHEST = 5.0  # of a logarithm: no model may run away farther


def _cos(t: float | Floats) -> Floats:
    return np.cos(2 * np.pi * np.asarray(t))


def _sin(t: float | Floats) -> Floats:
    return np.sin(2 * np.pi * np.asarray(t))


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What a model may have besides the base.

    Attributes:
        equation: 0 for the growth of prey per head, 1 for that of predators.
        terms: By name; one coefficient each.
    """

    equation: int
    terms: dict[str, Rate]


def _terms(own: int) -> dict[str, dict[str, Rate]]:
    """Candidates for one equation; the base has 1 and the other species."""

    def other(x: Floats, y: Floats) -> Floats:
        return x if own else y

    def same(x: Floats, y: Floats) -> Floats:
        return y if own else x

    return {
        "crowding": {"own": lambda x, y, _: same(x, y)},
        "crowding squared": {"own^2": lambda x, y, _: same(x, y) ** 2},
        "encounters squared": {"other^2": lambda x, y, _: other(x, y) ** 2},
        "encounters, both": {"own other": lambda x, y, _: x * y},
        "seasonal growth": {
            "cos": lambda x, _, t: _cos(t) + 0 * x,
            "sin": lambda x, _, t: _sin(t) + 0 * x,
        },
        "seasonal encounters": {
            "other cos": lambda x, y, t: other(x, y) * _cos(t),
            "other sin": lambda x, y, t: other(x, y) * _sin(t),
        },
    }


MECHANISMS: dict[str, Mechanism] = {
    f"{name} of {species}": Mechanism(equation, terms)
    for equation, species in enumerate(("prey", "predators"))
    for name, terms in _terms(equation).items()
}
CROWDING, SEASON = "crowding of prey", "seasonal growth of prey"
TRUTHS: dict[str, dict[str, tuple[float, ...]]] = {
    "nothing": {},
    "crowding": {CROWDING: (-0.3,)},
    "season": {SEASON: (0.6, 0.5)},
    "both": {CROWDING: (-0.3,), SEASON: (0.6, 0.5)},
}


def columns(added: Sequence[str]) -> tuple[tuple[int, Rate], ...]:
    """Equation and function of each coefficient of the mechanisms, in order."""
    return _columns(tuple(added))


@cache
def _columns(added: tuple[str, ...]) -> tuple[tuple[int, Rate], ...]:
    return tuple((MECHANISMS[n].equation, f) for n in added for f in MECHANISMS[n].terms.values())


def rates(state: Floats, t: float, parameters: Floats, added: Sequence[str]) -> Floats:
    """``(n, 2)`` time derivatives of the logarithms ``state`` ``(n, 2)``; ``parameters`` (n, p)."""
    x, y = np.exp(_bounded(state)).T
    a, b, c, d = parameters[:, :4].T
    found = np.empty((len(state), 2))
    found[:, 0] = a - b * y
    found[:, 1] = c * x - d
    for i, (equation, term) in enumerate(columns(added)):
        found[:, equation] += parameters[:, 4 + i] * term(x, y, t)
    return found


def _bounded(state: Floats) -> Floats:
    return np.minimum(np.maximum(state, -HIGHEST), HIGHEST)  # for few numbers faster than np.clip


def advanced(
    state: Floats,
    t: float,
    parameters: Floats,
    added: Sequence[str],
    extra: Callable[[Floats, float], Floats] | Floats = 0.0,  # type: ignore[assignment]
) -> Floats:
    """One step of Runge and Kutta's fourth order; ``extra`` is added to the rates."""

    def slope(s: Floats, at: float) -> Floats:
        return rates(s, at, parameters, added) + (extra(s, at) if callable(extra) else extra)

    h = STEP
    k1 = slope(state, t)
    k2 = slope(state + h / 2 * k1, t + h / 2)
    k3 = slope(state + h / 2 * k2, t + h / 2)
    k4 = slope(state + h * k3, t + h)
    return _bounded(state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


def course(
    start: Floats,
    parameters: Floats,
    added: Sequence[str],
    count: int,
    first: int = 0,
    extra: Callable[[Floats, float], Floats] | None = None,
) -> Floats:
    """``(count, n, 2)`` states from ``start`` (n, 2) on, which is that at step ``first``."""
    found = [start]
    for k in range(first, first + count - 1):
        found.append(advanced(found[-1], k * STEP, parameters, added, extra or 0.0))  # type: ignore[arg-type]
    return np.stack(found)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A truth and what was seen of it.

    Attributes:
        truth: ``(COUNT + 26 AHEAD, 2)`` logarithms without noise.
        seen: ``(COUNT, 2)`` logarithms with noise.
        noise: Its standard deviation, a share of the population.
        has: True coefficients by mechanism.
    """

    truth: Floats
    seen: Floats
    noise: float
    has: dict[str, tuple[float, ...]]


def world(name: str, noise: float, seed: int) -> World:
    """One truth, seen with noise; its start and rates differ a little from seed to seed."""
    rng = np.random.default_rng([seed, list(TRUTHS).index(name), round(1000 * noise)])
    has = TRUTHS[name]
    values = [*(USUAL * rng.uniform(0.9, 1.1, 4)), *[v for one in has.values() for v in one]]
    start = START + rng.normal(0.0, 0.1, 2)
    truth = course(start[None], np.array([values]), tuple(has), COUNT + 26 * AHEAD)[:, 0]
    return World(truth, truth[:COUNT] + rng.normal(0.0, noise, (COUNT, 2)), noise, has)

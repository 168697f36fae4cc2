"""A simulation to tune that takes no time, and searches of other programs' kinds."""

from __future__ import annotations

import time

import numpy as np

from querist.tuning.bounded import BoundedSpace
from querist.tuning.space import Space

SPACE = {
    "x": {"real": [0.0, 1.0]},
    "rate": {"real": [1e-4, 1.0], "log": True},
    "order": {"integer": [1, 8]},
    "method": {"choice": ["a", "b", "c"]},
    "mix": {"real": [0.0, 1.0], "when": {"method": "b"}},
}
GOAL = {"minimise": "loss", "constraints": {"error": {"at_most": 0.5}}}
UNIT = {"real": [0.0, 1.0]}
MIXED = {
    "a": UNIT,
    "b": {"real": [1e-4, 1.0], "log": True},
    "n": {"integer": [0, 10]},
    "kind": {"choice": ["p", "q"]},
    "m": {"real": [0.0, 1.0], "when": {"kind": "q"}},
}
SHARES = dict.fromkeys("abcd", UNIT)
TRUE_BEST = 0.0  # at x 0.3, rate 0.01, order 5, method b, mix 0.7


def bounded(space: dict, *where: str) -> BoundedSpace:
    """A space where sums are bounded."""
    return BoundedSpace.keeping(Space.of(space), list(where))


def simulate(x, rate, order, method, mix=0.5):
    """A bowl whose limit cuts off a part; order 8 explodes."""
    if order == 8:
        raise ValueError("order 8 explodes")
    loss = 4 * (x - 0.3) ** 2 + (np.log10(rate) + 2) ** 2 / 2 + (order - 5) ** 2 / 8
    loss += {"a": 0.3, "b": 0.0, "c": 0.6}[method] + 2 * (mix - 0.7) ** 2
    return {"loss": float(loss), "error": abs(x - 0.2) + 0.05 * order, "hours": 1.0 + x}


def slowly(**settings):
    """The same in a moment, so that all workers get some."""
    time.sleep(0.05)
    return simulate(**settings)


def hill(x, kind):
    """Highest, 1, at x 0.7 of kind b."""
    return {"y": 1.0 - (x - 0.7) ** 2 - 0.2 * (kind == "a")}


def two(x):
    """Two bowls; the front is x from 0 to 2."""
    return {"near": x**2, "far": (x - 2) ** 2}


class Evolution:
    """A small evolution strategy over the unit cube: ``ask(n)`` and ``tell(points, values)``."""

    def __init__(self, width: int, seed: int = 0) -> None:
        self.rng, self.mean, self.step = np.random.default_rng(seed), np.full(width, 0.5), 0.3
        self.told: list[tuple[np.ndarray, np.ndarray]] = []

    def ask(self, n: int) -> np.ndarray:
        points = self.mean + self.step * self.rng.normal(size=(n, len(self.mean)))
        return np.clip(points, 0.0, 1.0)

    def tell(self, points, values) -> None:
        self.told.append((points, values))
        if len(points) > 1:
            self.mean = points[np.argsort(values)[: len(points) // 2]].mean(axis=0)
            self.step *= 0.9


def plain_values(x, kind):
    """A bare number, from a table that only plain text can be looked up in."""
    return {"a": x, "b": 2.0 + x, "c": 7.0}[kind]


def not_seven(sample, outputs):
    """A validator."""
    return "seven is no answer" if outputs["y"] == 7.0 else None

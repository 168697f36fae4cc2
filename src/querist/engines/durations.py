"""How long simulated tasks take: distributions, drawn in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.core.tasks import Spans

Seconds = NDArray[np.float64]


class Distribution(Protocol):
    """Seconds that a task takes."""

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` independent durations in seconds, none negative."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    seconds: float

    def __post_init__(self) -> None:
        _check(self.seconds >= 0, self)

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` equal durations."""
        del rng
        return np.full(size, self.seconds)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Evenly between ``low`` and ``high`` seconds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check(0 <= self.low <= self.high, self)

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` durations."""
        return rng.uniform(self.low, self.high, size)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half take less than ``median`` seconds; ``sigma`` is the deviation of the logarithm."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        _check(self.median > 0 and self.sigma >= 0, self)

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` durations."""
        return rng.lognormal(math.log(self.median), self.sigma, size)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless, ``mean`` seconds."""

    mean: float

    def __post_init__(self) -> None:
        _check(self.mean > 0, self)

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` durations."""
        return rng.exponential(self.mean, size)


@dataclass(frozen=True, slots=True)
class Empirical:
    """Drawn with replacement from measured ``seconds``."""

    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        _check(bool(self.seconds) and all(0 <= s < math.inf for s in self.seconds), self)

    @classmethod
    def of(cls, spans: Iterable[Spans]) -> Empirical:
        """From the spans of a real run."""
        return cls(tuple(span.seconds for span in spans))

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` durations."""
        return rng.choice(np.asarray(self.seconds), size)


KINDS: dict[str, Callable[..., Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "lognormal": LogNormal,
    "exponential": Exponential,
}


def read(told: Any) -> Distribution:
    """A distribution from plain data: seconds, or such as ``{"lognormal": {"median": 60, ...}}``.

    Raises:
        ConfigError: If there is no such distribution or it cannot have these numbers.
    """
    if isinstance(told, int | float) and not isinstance(told, bool):
        return Constant(float(told))
    if isinstance(told, Mapping) and len(told) == 1:
        [(name, numbers)] = told.items()
        if name in KINDS and isinstance(numbers, Mapping):
            try:
                return KINDS[name](**{key: float(value) for key, value in numbers.items()})
            except (TypeError, ValueError) as error:
                raise ConfigError(f"{name} of {dict(numbers)}: {error}.") from error
    raise ConfigError(
        f"wants seconds, or a distribution such as {{lognormal: {{median: 60, sigma: 1}}}}, of "
        f"{', '.join(KINDS)}; got {told!r}."
    )


class Stream:
    """Single draws of a distribution at the price of blocks.

    Args:
        distribution: What to draw from.
        rng: Used by this stream alone.
    """

    __slots__ = ("_block", "_distribution", "_rng", "_size")

    def __init__(self, distribution: Distribution, rng: np.random.Generator) -> None:
        self._distribution = distribution
        self._rng = rng
        self._block: list[float] = []
        self._size = 16

    def next(self) -> float:
        """One more duration in seconds."""
        if not self._block:
            self._block = self._distribution.draw(self._rng, self._size).tolist()
            self._size = min(4096, 2 * self._size)
        return self._block.pop()


def _check(good: bool, what: object) -> None:
    if not good:
        raise ConfigError(f"durations are seconds, none negative or missing; got {what}.")

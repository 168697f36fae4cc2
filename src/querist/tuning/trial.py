"""A trial: the settings of one run and what came of it; what a study is after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from querist.core.errors import ConfigError
from querist.tuning.space import Space, Value, Values

ABOVE, BELOW = "at_least", "at_most"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the simulation.

    Attributes:
        settings: What was set.
        outputs: The numbers that it gave; empty where it failed.
        cost: What it cost, None where nobody knows.
        failure: Why it gave no result; "" where it did.
        origin: "run", "model" (a trusted prediction), or the name of where it was taken from.
        ended: Seconds of campaign time at its end; None for what was known before.
    """

    settings: Values
    outputs: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    failure: str = ""
    origin: str = "run"
    ended: float | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON-able data that :meth:`of` reads."""
        return {
            "settings": dict(self.settings),
            "outputs": dict(self.outputs),
            "cost": self.cost,
            "failure": self.failure,
            "origin": self.origin,
            "ended": self.ended,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Trial:
        """What :meth:`plain` gave."""
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on an output: quality, memory, anything that must hold.

    Attributes:
        output: Its name.
        bound: The number.
        side: "at_most" or "at_least".
    """

    output: str
    bound: float
    side: str = BELOW

    def excess(self, value: float) -> float:
        """By how much the bound is missed: above zero where it is."""
        return value - self.bound if self.side == BELOW else self.bound - value


@dataclass(frozen=True, slots=True)
class Problem:
    """What a search is told: the space, what is wanted, and how much may be tried.

    Attributes:
        space: What may be set.
        output: The number that is optimised.
        maximise: Whether larger is better.
        limits: What must hold besides.
        runs: How many runs are planned, None for no plan.
        seed: Of everything random.
    """

    space: Space
    output: str
    maximise: bool = False
    limits: tuple[Limit, ...] = ()
    runs: int | None = None
    seed: int = 0

    @classmethod
    def read(cls, space: Any, goal: Mapping[str, Any], runs: int | None, seed: int) -> Problem:
        """From plain data: ``goal`` has ``minimise`` or ``maximise``, and ``constraints``.

        Raises:
            ConfigError: If there is not exactly one objective, or a constraint has no bound.
        """
        named = {word: goal[word] for word in ("minimise", "maximise") if goal.get(word)}
        if len(named) != 1:
            raise ConfigError("a study wants one of minimise and maximise: the name of an output.")
        word, output = next(iter(named.items()))
        limits = tuple(
            limit
            for name, bounds in (goal.get("constraints") or {}).items()
            for limit in _limits(name, bounds)
        )
        return cls(Space.of(space), output, word == "maximise", limits, runs, seed)

    def goal(self) -> dict[str, Any]:
        """The plain data that :meth:`read` takes as ``goal``."""
        bounds: dict[str, dict[str, float]] = {}
        for limit in self.limits:
            bounds.setdefault(limit.output, {})[limit.side] = limit.bound
        return {"maximise" if self.maximise else "minimise": self.output, "constraints": bounds}

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the outputs that every run must give."""
        return tuple(dict.fromkeys((self.output, *(limit.output for limit in self.limits))))

    def loss(self, trial: Trial) -> float:
        """The objective as a number that should be small."""
        value = trial.outputs[self.output]
        return -value if self.maximise else value

    def holds(self, trial: Trial) -> bool:
        """Whether a trial gave a result that keeps all limits."""
        return not trial.failure and all(x <= 0 for x in self.excesses(trial))

    def excesses(self, trial: Trial) -> list[float]:
        """By how much each limit is missed, in order."""
        return [limit.excess(trial.outputs[limit.output]) for limit in self.limits]

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """The best trial that keeps all limits."""
        good = [trial for trial in trials if self.holds(trial)]
        return min(good, key=self.loss, default=None)

    def judged(self, trial: Trial) -> Trial:
        """The trial, as a failure where it lacks a wanted number or that is not finite."""
        if trial.failure:
            return trial
        missing = [n for n in self.wanted if not math.isfinite(trial.outputs.get(n, math.nan))]
        if not missing:
            return trial
        known = ", ".join(sorted(trial.outputs)) or "no number"
        why = f"it gave no finite number {missing[0]!r}, only: {known}"
        return Trial(trial.settings, {}, trial.cost, why, trial.origin, trial.ended)


def _limits(name: str, bounds: Any) -> list[Limit]:
    sides = set(bounds) if isinstance(bounds, Mapping) else set()
    if not sides or not sides <= {ABOVE, BELOW}:
        raise ConfigError(
            f"constraints.{name}: wants at_most, at_least or both, such as {{at_most: 0.01}}; "
            f"got {bounds!r}."
        )
    return [Limit(name, float(bound), side) for side, bound in bounds.items()]


def described(settings: Values) -> str:
    """Settings in one line for a person."""
    return ", ".join(f"{name} {_short(value)}" for name, value in settings.items())


def _short(value: Value) -> str:
    is_float = isinstance(value, float)
    return f"{value:.4g}" if is_float else str(value)

"""When to stop: rules over a :class:`~querist.control.rules.View`. The one home of stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass

from querist.control.rules import Rule, View


@dataclass(frozen=True, slots=True)
class Labels(Rule):
    """After ``count`` labels that were paid for.

    Answers in flight by then still arrive; a budget (``Plan.labels``) is never exceeded.
    """

    count: int

    def __call__(self, view: View) -> str | None:
        """Holds when they are durable."""
        return f"{view.labels} labels (of {self.count})" if view.labels >= self.count else None


@dataclass(frozen=True, slots=True)
class Cost(Rule):
    """When ``limit`` is spent (oracle seconds, unless oracles declare another cost)."""

    limit: float

    def __call__(self, view: View) -> str | None:
        """Holds when the cost of durable answers reaches the limit."""
        if view.cost >= self.limit:
            return f"the cost reached {view.cost:.4g} (of {self.limit:g})"
        return None


@dataclass(frozen=True, slots=True)
class WallTime(Rule):
    """After ``seconds`` of campaign time; downtime between resumes does not count."""

    seconds: float

    def __call__(self, view: View) -> str | None:
        """Holds when the time has passed."""
        if view.now >= self.seconds:
            return f"the wall time reached {view.now:.0f} s (of {self.seconds:g} s)"
        return None

    def deadlines(self) -> tuple[float, ...]:
        """When it begins to hold."""
        return (self.seconds,)


@dataclass(frozen=True, slots=True)
class ErrorBelow(Rule):
    """When a hold-out ``metric`` is below ``value`` for ``times`` models in a row."""

    metric: str
    value: float
    times: int = 2

    def __call__(self, view: View) -> str | None:
        """Holds when the last evaluations are all below."""
        last = [errors.get(self.metric, math.nan) for errors in view.errors[-self.times :]]
        if len(last) == self.times and all(error < self.value for error in last):
            return f"{self.metric} on the hold-out is {last[-1]:.4g}, below {self.value:g}"
        return None


@dataclass(frozen=True, slots=True)
class ErrorConverged(Rule):
    """When ``patience`` models improved the best hold-out ``metric`` by no more than ``share``."""

    metric: str
    share: float = 0.02
    patience: int = 3

    def __call__(self, view: View) -> str | None:
        """Holds when the learning curve is flat."""
        errors = [
            e[self.metric] for e in view.errors if math.isfinite(e.get(self.metric, math.nan))
        ]
        if len(errors) <= self.patience:
            return None
        before, after = min(errors[: -self.patience]), min(errors[-self.patience :])
        if after >= (1 - self.share) * before:
            return (
                f"{self.metric} improved by no more than {self.share:.1%} over "
                f"{self.patience} models (best {min(before, after):.4g})"
            )
        return None


@dataclass(frozen=True, slots=True)
class UncertaintyBelow(Rule):
    """When the ``quantile`` of the uncertainties that explorers meet falls below ``value``."""

    value: float
    quantile: float = 0.95
    at_least: int = 200

    def __call__(self, view: View) -> str | None:
        """Holds when enough was seen with the newest model and it is certain enough."""
        if view.scores.count < self.at_least:
            return None
        level = view.scores.quantile(self.quantile)
        if level < self.value:
            return (
                f"{self.quantile:.0%} of the explored samples have an uncertainty below "
                f"{level:.3g} (target {self.value:g})"
            )
        return None

"""When to stop: rules over a :class:`~querist.control.rules.View`. The one home of stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice, pairwise

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
        errors, least = _curve(_Same(view.errors), self.metric)
        if len(errors) <= self.patience:
            return None
        before, after = least[-self.patience - 1], min(errors[-self.patience :])
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


@dataclass(frozen=True, slots=True)
class PredictionsStable(Rule):
    """When models in a row agree on the classes of the hold-out, whatever its labels say.

    The mean of the last ``window`` values of Cohen's kappa between a model and the one before is at
    least ``kappa`` (Bloodgood & Vijay-Shanker 2009, section 3, with their defaults).
    """

    output: str
    kappa: float = 0.99
    window: int = 3

    def __call__(self, view: View) -> str | None:
        """Holds when agreement is high."""
        last = _last(view, f"{self.output}.kappa", self.window)
        if last and sum(last) / len(last) >= self.kappa:
            return (
                f"the last models agree on {self.output} with a mean kappa of "
                f"{sum(last) / len(last):.4g} (target {self.kappa:g})"
            )
        return None


@dataclass(frozen=True, slots=True)
class ChangeBelow(Rule):
    """When predictions of the hold-out changed by no more than ``value``, ``times`` in a row.

    Of classes it is the share of samples whose class is another (Zhu, Wang & Hovy 2008,
    classification change; 0 is their criterion), of numbers the root mean squared difference.
    """

    output: str
    value: float = 0.0
    times: int = 2

    def __call__(self, view: View) -> str | None:
        """Holds when little changed."""
        most = _most(view, f"{self.output}.change", self.times)
        if most > self.value:
            return None
        return (
            f"predictions of {self.output} changed by no more than {most:.3g} over "
            f"{self.times} models (limit {self.value:g})"
        )


@dataclass(frozen=True, slots=True)
class ErrorStable(Rule):
    """When the expected error can hardly have changed, ``times`` models in a row.

    The bound is a share of the range of the loss, from the divergence of a model's predictions
    from those of the one before (in the way of Ishibashi & Hino 2021, arXiv 2104.01836).
    """

    output: str
    value: float = 0.05
    times: int = 3

    def __call__(self, view: View) -> str | None:
        """Holds when the bound is low."""
        most = _most(view, f"{self.output}.shift", self.times)
        if most > self.value:
            return None
        return (
            f"the expected error of {self.output} changed by at most {most:.2%} of its "
            f"range over {self.times} models (limit {self.value:.2%})"
        )


@dataclass(frozen=True, slots=True)
class MeanUncertaintyBelow(Rule):
    """When the mean uncertainty of the hold-out is below ``value`` for ``times`` models in a row.

    Overall uncertainty of Zhu, Wang & Hovy 2008, section 3.
    """

    output: str
    value: float
    times: int = 2

    def __call__(self, view: View) -> str | None:
        """Holds when the model is confident of what it was not trained on."""
        if _most(view, name := f"{self.output}.uncertainty", self.times) >= self.value:
            return None
        now = view.errors[-1][name]
        return f"the mean uncertainty of {self.output} is {now:.3g} (target {self.value:g})"


@dataclass(frozen=True, slots=True)
class UncertaintyRises(Rule):
    """When the mean uncertainty of the hold-out rose ``times`` models in a row.

    Then questions no longer teach what is general (Vlachos 2008, section 3, confidence drops).
    """

    output: str
    times: int = 3

    def __call__(self, view: View) -> str | None:
        """Holds when it only rose."""
        last = _last(view, f"{self.output}.uncertainty", self.times + 1)
        if last and all(a < b for a, b in pairwise(last)):
            return (
                f"the mean uncertainty of {self.output} rose {self.times} times in a row, "
                f"to {last[-1]:.3g}"
            )
        return None


@dataclass(frozen=True, slots=True)
class SelectedErrorBelow(Rule):
    """When the newest model's error on labels that were selected after it is below ``value``.

    The model then answers the questions itself (selected accuracy, the minimum error of Zhu, Wang &
    Hovy 2008). The error is the campaign's ``error_metric``.
    """

    value: float

    def __call__(self, view: View) -> str | None:
        """Holds when the error is known and low."""
        if view.recent_error < self.value:
            return (
                f"the error on newly selected labels is {view.recent_error:.4g}, "
                f"below {self.value:g}"
            )
        return None


@dataclass(frozen=True, slots=True)
class GainBelow(Rule):
    """When ``labels`` more are expected to lower a hold-out ``metric`` by less than ``share``.

    A power law of the training labels is fitted to the last ``window`` evaluations by least squares
    of logarithms (Figueroa et al. 2012; Hestness et al. 2017, arXiv 1712.00409) and continued.
    """

    metric: str
    share: float = 0.01
    labels: int = 100
    window: int = 5

    def __call__(self, view: View) -> str | None:
        """Holds when the expected gain is small."""
        known = (
            (math.log(e["train"]), math.log(e[self.metric]))
            for e in reversed(view.errors)
            if e.get("train", 0) > 0 and 0 < e.get(self.metric, math.nan) < math.inf
        )
        points = [*islice(known, max(self.window, 2))][::-1]
        slope = _slope(points) if len(points) >= max(self.window, 2) else None
        if slope is None:
            return None
        now = math.exp(points[-1][0])
        gain = 1.0 - ((now + self.labels) / now) ** slope
        if gain < self.share:
            return (
                f"{self.labels} more labels are expected to lower {self.metric} by "
                f"{max(gain, 0.0):.2%}, less than {self.share:.2%}"
            )
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A tuple that equals itself only."""

    held: tuple[Mapping[str, float], ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


@lru_cache(maxsize=16)
def _curve(errors: _Same, metric: str) -> tuple[list[float], list[float]]:
    """The known values of a metric, and the least up to each.

    Kept, as rules look after every event and a new model comes once in thousands of them.
    """
    known = [e[metric] for e in errors.held if math.isfinite(e.get(metric, math.nan))]
    return known, list(accumulate(known, min))


def _slope(points: list[tuple[float, float]]) -> float | None:
    """Of a least-squares line; None where all points stand at one place."""
    middle = sum(x for x, _ in points) / len(points)
    level = sum(y for _, y in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    if spread <= 1e-12:
        return None
    return sum((x - middle) * (y - level) for x, y in points) / spread


def _most(view: View, name: str, count: int) -> float:
    """The largest of the last ``count`` values; infinite where one is not known."""
    return max(_last(view, name, count), default=math.inf)


def _last(view: View, name: str, count: int) -> list[float]:
    """The last ``count`` values if they are all known, else nothing."""
    found = [errors.get(name, math.nan) for errors in view.errors[-count:]]
    return found if len(found) == count and all(map(math.isfinite, found)) else []

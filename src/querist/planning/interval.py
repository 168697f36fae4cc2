"""How often to retrain: the time until a wanted error, by simulated time and a law from runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from querist.control.plan import Plan
from querist.control.policy import StandardPolicy
from querist.control.stop import Labels
from querist.planning.behaviour import Behaviour
from querist.planning.forecast import Allocation, virtual
from querist.planning.worth import Floats, Law, Worth

BEYOND = 4.0  # labels that are followed, by those that a fresh model would need
MOST = 200_000  # and in any case
CLEAR = 1.5  # times as long as the best: what a choice may cost at most where it counts as known
STEPS = 6  # of doubling an interval


@dataclass(frozen=True, slots=True)
class Reached:
    """When an allocation reaches the wanted error, over the draws of a law.

    Attributes:
        allocation: With its interval.
        seconds: ``(draws,)``; infinite where it does not get there.
        labels: ``(draws,)`` training labels of the model that gets there, likewise.
        fits: Models until then, in the middle.
    """

    allocation: Allocation
    seconds: Floats
    labels: Floats
    fits: int

    @property
    def typical(self) -> float:
        """The median of the seconds."""
        return float(np.median(self.seconds))

    def between(self) -> tuple[float, float]:
        """The central nine tenths of the seconds."""
        ordered = np.sort(self.seconds)
        return float(ordered[len(ordered) // 20]), float(ordered[-1 - len(ordered) // 20])


@dataclass(frozen=True, slots=True)
class Interval:
    """What is known of the retrain interval.

    Attributes:
        error: Wanted.
        law: By which it is reached.
        tried: The best allocation with each interval, the best first.
        regret: Times as long as the best interval takes, that the first one takes in all but a
            tenth of the draws.
    """

    error: float
    law: Law
    tried: tuple[Reached, ...]
    regret: float

    @property
    def known(self) -> bool:
        """Whether what runs taught is enough to choose."""
        return math.isfinite(self.tried[0].typical) and self.regret <= CLEAR

    @classmethod
    def of(cls, aim: Aim, tried: Sequence[Reached]) -> Interval:
        """From the best allocation with each interval, the best first."""
        return cls(aim.error, aim.law, tuple(tried), regret(tried))


def most_labels(law: Law, error: float) -> int:
    """Training labels that a simulated campaign is followed to."""
    needed = float(np.quantile(law.wanted(error), 0.9))
    return int(min(MOST, max(1.0, BEYOND * needed)))


def intervals(labels: int) -> list[int]:
    """Intervals to try for a campaign of so many labels: doubled, of two digits at most."""
    top = max(1.0, labels / 2)
    found = [max(1, round(top / 2**step)) for step in range(STEPS + 1)]
    return sorted({round(one, 1 - len(str(one))) if one > 99 else one for one in found})


@dataclass(frozen=True, slots=True)
class Aim:
    """What a campaign is followed to.

    Attributes:
        law: By which errors fall.
        error: Wanted.
        members: Members of the committee that may be fitted apart.
        seed: Of all draws.
        limit: Campaign seconds after which nothing is followed.
    """

    law: Law
    error: float
    members: int = 1
    seed: int = 0
    limit: float = 1e9


def reach(plan: Plan, allocation: Allocation, behaviour: Behaviour, aim: Aim) -> Reached:
    """When the draws of a law reach an error, by one campaign in simulated time.

    Its stopping rules, and its budgets of labels and cost, are left out.
    """
    assert isinstance(plan.policy, StandardPolicy)
    share = max(0.05, 1.0 - plan.holdout - plan.calibration)
    most = math.ceil(most_labels(aim.law, aim.error) / share)
    policy = replace(plan.policy, stop=Labels(most))
    endless = replace(plan, policy=policy, labels=most, cost=math.inf)
    worth, made = Worth(), allocation.plan(endless, aim.members)
    virtual(made, allocation, behaviour, aim.seed, worth.add).run(aim.limit)
    trained = [train for _, _, train in worth.fits]
    enough = worth.of([0, *trained])[aim.law.rate] >= aim.law.wanted(aim.error)[:, None]
    first = np.where(enough.any(axis=1), enough.argmax(axis=1), len(trained) + 1)
    seconds = np.array([0.0, *(t for t, _, _ in worth.fits), math.inf])
    labels = np.array([0.0, *trained, math.inf])
    return Reached(allocation, seconds[first], labels[first], int(np.median(first)))


def chosen(
    starts: Sequence[Allocation],
    every: Sequence[int | None],
    evaluate: Callable[[Allocation], Reached],
    near: Callable[[Allocation], Iterable[Allocation]],
) -> list[Reached]:
    """The best allocation that was found for each interval, the best interval first.

    Args:
        starts: Allocations to begin with.
        every: Intervals; None for the configured rule.
        evaluate: Gives the time to the error.
        near: Neighbours of an allocation, with the same interval.
    """
    tried: dict[Allocation, Reached] = {}

    def look(found: Iterable[Allocation]) -> None:
        for one in found:
            if one not in tried:
                tried[one] = evaluate(one)

    look([replace(one, every=k) for one in starts for k in every])
    best = min(tried.values(), key=_order)
    for _ in range(3):  # rounds of neighbours of the best
        look(near(best.allocation))
        before, best = best, min(tried.values(), key=_order)
        if best is before:
            break
    look([replace(best.allocation, every=k) for k in every])
    by_interval: dict[int | None, Reached] = {}
    for one in sorted(tried.values(), key=_order):
        by_interval.setdefault(one.allocation.every, one)
    return sorted(by_interval.values(), key=_order)


def regret(tried: Sequence[Reached]) -> float:
    """Times as long as the best that the first takes, in all but a tenth of the draws."""
    every = np.stack([one.seconds for one in tried])
    best = every.min(axis=0)
    known = np.isfinite(best)
    if known.mean() < 0.9:
        return math.inf
    return float(np.quantile(every[0, known] / best[known], 0.9, method="higher"))


def _order(found: Reached) -> tuple[float, float]:
    """By the mean logarithm of the seconds; what does not get there last."""
    there = np.isfinite(found.seconds)
    if there.mean() < 0.5:
        return (1.0, -float(there.mean()))
    within = np.where(there, found.seconds, 10 * found.typical)
    return (0.0, float(np.log(np.maximum(within, 1e-6)).mean()))

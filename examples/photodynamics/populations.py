"""Where trajectories end, on learned and on true surfaces, and the exact answer beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from problem import trajectories
from tully import Exits, adiabatic

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdicts

Predict = Callable[[Batch], Prediction]
WAYS = ("through, lower", "through, upper", "back, lower", "back, upper")


class Outcome(NamedTuple):
    """Of trajectories of one momentum.

    Attributes:
        shares: Of the four ways out (:data:`WAYS`).
        count: Trajectories.
        steps: Predictions of one sample.
    """

    shares: Exits
    count: int
    steps: int


def truth(model: str) -> Predict:
    """The true surfaces in a model's place."""

    def predict(batch: Batch) -> Prediction:
        there = adiabatic(model, batch["positions"][:, 0])
        return Prediction(Batch.stack(**there._asdict()), Batch({}))

    return predict


def outcome(model: str, momentum: float, predict: Predict, count: int, seed: int) -> Outcome:
    """Run that many trajectories to their ends.

    Args:
        model: Of Tully's.
        momentum: In atomic units.
        predict: The surfaces.
        count: How many.
        seed: Of their hops.
    """
    generator = trajectories(model, (momentum,), count, again=False, seed=seed)
    steps = 0
    while len((proposal := generator.propose()).walkers):
        none = np.zeros(len(proposal.walkers))
        verdicts = Verdicts(none.astype(np.int8), none)
        said = predict(proposal.batch)
        generator.observe(Feedback(proposal.walkers, said, verdicts))
        steps += len(none)
    ways = [2 * int(one.positions[0] < 0) + one.state for one in generator.ended]
    shares = np.bincount(ways, minlength=4) / len(ways)
    return Outcome(Exits(*shares.tolist()), len(ways), steps)


def furthest(one: Outcome, other: Outcome) -> float:
    """The largest difference of two outcomes' shares, in its own standard errors."""
    worst = 0.0
    for p, q in zip(one.shares, other.shares, strict=True):
        pooled = (p * one.count + q * other.count) / (one.count + other.count)
        error = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / one.count + 1 / other.count))
        worst = max(worst, abs(p - q) / error if p != q else 0.0)
    return worst

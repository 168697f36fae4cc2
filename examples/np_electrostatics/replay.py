"""Learn which settings are good from few runs: the choice of runs replayed on a finished table.

Every arm has the same model, the same first runs and the same test rows; what differs is the
strategy that chooses the next runs. What is paid is the wall time of the chosen runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from runs import Runs
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, recall_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import querist

FIRST = 30
SHARE = 0.95  # of the full pool's score, that is to be reached
HELD = 3  # rounds in a row that it must be held, so that no lucky fit counts
TEST = 0.3

Make = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Point:
    """The model after a round.

    Attributes:
        hours: Paid so far.
        runs: Made so far.
        precision: Average precision on the test rows.
        recall: Share of the good test rows that are called good at probability one half.
    """

    hours: float
    runs: int
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Replay:
    """One arm on one split: the score of the whole pool, and the points until it was reached."""

    full: Point
    points: tuple[Point, ...]

    @property
    def reached(self) -> Point:
        """The first point of the rounds that held ``SHARE`` of the full pool's score."""
        wanted = SHARE * self.full.precision
        good = [point.precision >= wanted for point in self.points]
        for start in range(len(good)):
            if all(good[start : start + HELD]):
                return self.points[start]
        raise ValueError("the full pool's score was not reached")


def forest(seed: int) -> Any:
    """The model of all arms."""
    return RandomForestClassifier(100, max_features=None, random_state=seed)


def network(seed: int) -> Any:
    """The published kind of model: a network of two hidden layers on scaled inputs."""
    layers = MLPClassifier((30, 48), max_iter=2000, random_state=seed)
    return make_pipeline(StandardScaler(), layers)


def split(runs: Runs, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Test rows and pool rows of a numbered split, the same for all arms."""
    order = np.random.default_rng(number).permutation(len(runs))
    cut = round(TEST * len(runs))
    return order[:cut], order[cut:]


def replay(runs: Runs, number: int, strategy: str, make: Make = forest) -> Replay:
    """Buy runs by a strategy until the model is as good as ``SHARE`` of what the pool can teach."""
    test, pool = split(runs, number)
    rng = np.random.default_rng([number, 1])
    bought = rng.choice(len(pool), FIRST, replace=False)
    full = judged(runs, test, pool, make(0))[0]
    points: list[Point] = []
    while len(bought) < len(pool):
        point, model = judged(runs, test, pool[bought], make(len(bought)))
        points.append(point)
        if ended(points, SHARE * full.precision):
            break
        left = np.setdiff1d(np.arange(len(pool)), bought)
        pick = choose(strategy, Offer(runs, pool[left], pool[bought], model), rng)
        bought = np.append(bought, left[pick])
    else:
        points.append(full)
    return Replay(full, tuple(points))


def ended(points: list[Point], wanted: float) -> bool:
    """Whether the last rounds all held it."""
    return len(points) >= HELD and all(point.precision >= wanted for point in points[-HELD:])


def judged(runs: Runs, test: Any, known: Any, model: Any) -> tuple[Point, Any]:
    """The model of some runs, and its point; no model of runs that are all good or all bad."""
    good, hours = runs.good[known], float(runs.hours[known].sum())
    if good.all() or not good.any():
        return Point(hours, len(known), float(runs.good[test].mean()), 0.0), None
    model.fit(runs.inputs[known], good)
    found = model.predict_proba(runs.inputs[test])[:, 1]
    precision = average_precision_score(runs.good[test], found)
    recall = recall_score(runs.good[test], found >= 0.5)
    return Point(hours, len(known), float(precision), float(recall)), model


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What may be bought next and what is known, as rows of the table, and the model of those."""

    runs: Runs
    left: NDArray[np.int64]
    known: NDArray[np.int64]
    model: Any

    @property
    def budget(self) -> int:
        """Runs of the next round."""
        return min(20 if len(self.known) < 1000 else 60, len(self.left))


def choose(strategy: str, offer: Offer, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places in ``offer.left`` of the next runs; hours of runs not yet made are never looked at."""
    if strategy == "random" or offer.model is None:
        return rng.choice(len(offer.left), offer.budget, replace=False)
    inputs, hours = offer.runs.inputs, offer.runs.hours
    data: dict[str, Any] = {"probabilities": offer.model.predict_proba(inputs[offer.left])}
    if "learned-cost" in strategy:
        data["embeddings"] = inputs[offer.left]
        data["labelled_embeddings"] = inputs[offer.known]
        data["labelled_costs"] = hours[offer.known]
    return querist.select(strategy, offer.budget, rng=rng, **data).indices

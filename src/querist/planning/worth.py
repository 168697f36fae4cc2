"""What labels are worth that an old model chose, and the law by which a model learns from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.accounting.facts import FactLike, metrics, number, text, whole
from querist.core.events import Fact

Floats = NDArray[np.float64]
RATES = (0.0, *(2.0**step for step in range(-2, 10)))  # of losing worth, that are tried
LEAST = 5  # evaluations that a law is fitted to
PROPOSED = 4000  # draws, of which some are kept
STEEP = 1.0  # spread of the powers that are expected; learning curves of most models lie below
NEAR = 2.0  # times the wanted error, or a part of it: those farther away count less and less


class Worth:
    """Folds facts into what the training labels of each model are worth.

    A label counts ``1 / (1 + rate * staleness)``. Its staleness is the number of training questions
    that were asked since the labels that its chooser was trained on, divided by the number of
    these: how much of what is known by now that chooser did not know. So what is asked side by side
    is stale as well, and what was asked before there was a model, at random, is not.

    Args:
        metric: Of the hold-out, for example "y.mae"; "" for none.
    """

    def __init__(self, metric: str = "") -> None:
        self._metric = metric
        self._asked = 0
        self._open: dict[str, float] = {}
        self._stale: list[float] = []
        self._known = {0: 0}  # training labels by version
        self.fits: list[tuple[float, int, int]] = []  # seconds, version, training labels
        self.errors: list[tuple[int, float]] = []  # training labels, error

    def add(self, fact: FactLike | Fact) -> None:
        """Take the next fact, in the journal's order."""
        handler = _HANDLERS.get(fact.kind)
        if handler is not None:
            handler(self, fact.data)

    def _question(self, data: Mapping[str, Any]) -> None:
        if text(data, "purpose") == "train":
            known = self._known.get(whole(data, "version"), 0)
            stale = max(0, self._asked - known) / known if known else 0.0
            self._open[text(data, "question")] = stale
            self._asked += 1

    def _label(self, data: Mapping[str, Any]) -> None:
        if text(data, "purpose") == "train":
            self._stale.append(self._open.pop(text(data, "question"), 0.0))

    def _imported(self, data: Mapping[str, Any]) -> None:
        if text(data, "purpose") == "train":
            self._asked += whole(data, "count")
            self._stale += [0.0] * whole(data, "count")

    def _published(self, data: Mapping[str, Any]) -> None:
        train = whole(data, "train") or len(self._stale)
        self._known[whole(data, "version")] = train
        self.fits.append((number(data, "t"), whole(data, "version"), train))

    def _evaluated(self, data: Mapping[str, Any]) -> None:
        error, train = metrics(data).get(self._metric), whole(data, "train")
        if text(data, "on") in ("", "holdout") and error is not None and error > 0 and train:
            self.errors.append((train, error))

    def of(self, labels: Sequence[int], rates: Sequence[float] = RATES) -> Floats:
        """``(rates, n)`` worth of the first so many training labels."""
        stale = np.array(self._stale, np.float64)
        each = 1.0 / (1.0 + np.array(rates)[:, None] * stale)
        total = np.concatenate([np.zeros((len(each), 1)), np.cumsum(each, axis=1)], axis=1)
        return np.asarray(total[:, np.minimum(np.array(labels, np.int64), len(stale))])


_HANDLERS = {
    "question.asked": Worth._question,
    "answer.label": Worth._label,
    "labels.imported": Worth._imported,
    "model.published": Worth._published,
    "model.evaluated": Worth._evaluated,
}


@dataclass(frozen=True, slots=True)
class Law:
    """``error = scale * worth ** -power``, with what the data leave open.

    Attributes:
        metric: The error's name.
        rate: ``(draws,)`` rows of :data:`RATES`.
        level, power: ``(draws,)``: logarithm of the scale, and the power.
        labels, error: Training labels and error of the last evaluation.
        points: Evaluations that it was fitted to.
    """

    metric: str
    rate: NDArray[np.int64]
    level: Floats
    power: Floats
    labels: int
    error: float
    points: int

    def expected(self, labels: float) -> float:
        """The median error after so many labels, all of them chosen by a fresh model."""
        return float(np.exp(np.median(self.level - self.power * math.log(max(1.0, labels)))))

    def wanted(self, error: float) -> Floats:
        """``(draws,)`` worth at which the error is reached."""
        return np.exp(np.minimum((self.level - math.log(error)) / self.power, 60.0))

    def said(self) -> str:
        """What is known, for a person."""
        low, high = np.quantile(self.power, [0.05, 0.95])
        rates = np.quantile(np.array(RATES)[self.rate], [0.05, 0.95], method="nearest")
        return (
            f"{self.metric} falls as labels^-{np.median(self.power):.2f} ({low:.2f} to {high:.2f}, "
            f"{self.points} evaluations); a label that an old model chose is worth 1 / (1 + "
            f"{rates[0]:g} to {rates[1]:g} times its staleness)"
        )


def law_of(
    runs: Iterable[Worth], metric: str, error: float | None = None, draws: int = 64, seed: int = 0
) -> Law | None:
    """The law through the evaluations of all runs; None where they are too few to know one.

    Errors far from the wanted one count less, where there are enough others: no learning curve is
    one power law from its first label on.

    A line through logarithms for each rate, with flat priors on level and logarithm of the
    variance, and the positive half of a normal one on the power (those of deep networks are below
    0.5: Hestness et al. 2017, arXiv 1712.00409; kernels and smooth functions learn faster). Rates
    are weighed by their marginal likelihood.

    Args:
        runs: With the same errors.
        metric: Name of these.
        error: That is wanted; None for the last one of the first run.
        draws: Of the law.
        seed: Of these.
    """
    found = [run for run in runs if run.errors]
    if len({labels for run in found for labels, _ in run.errors}) < LEAST:
        return None
    last = max(found[0].errors)
    x = np.log(np.concatenate([run.of([n for n, _ in run.errors]) for run in found], axis=1))
    y = np.log(np.concatenate([[one for _, one in run.errors] for run in found]))
    wanted = np.clip(math.log(error or last[1]), y.min(), y.max())
    near = np.exp(-0.5 * ((y - wanted) / math.log(NEAR)) ** 2)
    if near.sum() ** 2 / (near**2).sum() < LEAST - 1:
        near = np.ones(len(y))
    chances, lines = zip(*(_line(row, y, near) for row in x), strict=True)
    rng, weights = np.random.default_rng(seed), np.exp(np.array(chances) - max(chances))
    rows = rng.choice(len(weights), PROPOSED, p=weights / weights.sum())
    levels, slopes = np.array([lines[row].drawn(rng) for row in rows]).T
    falls = slopes < -1e-3
    if falls.mean() < 0.8:
        return None
    likely = np.where(falls, np.exp(-0.5 * (slopes / STEEP) ** 2), 0.0)
    if not likely.sum() > 0:
        return None
    kept = rng.choice(PROPOSED, draws, p=likely / likely.sum())
    arrays = rows[kept], levels[kept], -slopes[kept]
    return Law(metric, *arrays, labels=last[0], error=last[1], points=len(y))


@dataclass(frozen=True, slots=True)
class _Line:
    level: float
    slope: float
    middle: float
    spread: float
    squares: float
    count: float

    def drawn(self, rng: np.random.Generator) -> tuple[float, float]:
        """Level and slope by their posterior."""
        sigma = math.sqrt(self.squares / rng.chisquare(self.count - 2))
        slope = self.slope + sigma / math.sqrt(self.spread) * rng.standard_normal()
        middle = self.level + sigma / math.sqrt(self.count) * rng.standard_normal()
        return middle - slope * self.middle, slope


def _line(x: Floats, y: Floats, weights: Floats) -> tuple[float, _Line]:
    """The marginal log likelihood of a line, and the line."""
    near = weights / weights.sum()
    count = 1.0 / float((near**2).sum())
    middle, level = float(near @ x), float(near @ y)
    dx, dy = x - middle, y - level
    spread = max(count * float(near @ dx**2), 1e-9)
    slope = count * float(near @ (dx * dy)) / spread
    squares = max(count * float(near @ (dy - slope * dx) ** 2), 1e-9)
    chance = -0.5 * (count - 2) * math.log(squares) - 0.5 * math.log(spread)
    return chance, _Line(level, slope, middle, spread, squares, count)

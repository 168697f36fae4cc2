"""How the tasks of a real run behaved, read from its journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from querist.accounting.facts import FactLike, metrics, number, several, span, text, whole
from querist.core.errors import RunError
from querist.engines.durations import Constant, Distribution, Empirical
from querist.engines.simulated import NO_LOSSES, Losses
from querist.planning.behaviour import Behaviour, Fits, Learning

KEPT = 8192  # measured values of a kind that are kept


class Values:
    """Measured values, evenly thinned once there are many, or the newest ones only.

    Args:
        recent: How many of the newest; 0 for all, thinned.
    """

    def __init__(self, recent: int = 0) -> None:
        self._recent = recent
        self.values: list[float] = []
        self._every, self._seen = 1, 0

    def add(self, value: float) -> None:
        """One more."""
        if self._recent:
            self.values.append(value)
            del self.values[: -self._recent]
            return
        if self._seen % self._every == 0:
            self.values.append(value)
        self._seen += 1
        if len(self.values) >= KEPT:
            del self.values[::2]
            self._every *= 2

    def distribution(self, default: float) -> Distribution:
        """Drawn from these, or a constant where there are none."""
        return Empirical(tuple(self.values)) if self.values else Constant(default)

    def mean(self, default: float) -> float:
        """The mean of these, or the default where there are none."""
        return float(np.mean(self.values)) if self.values else default


class Measured:
    """Folds a run's facts into a :class:`Behaviour`.

    Args:
        metric: Of the learning curve, for example "y.mae"; "" for none.
        members: Of the run's committee that were fitted apart; 1 otherwise.
        recent: How many of the newest values of each kind count; 0 for all.
    """

    def __init__(self, metric: str = "", members: int = 1, recent: int = 0) -> None:
        def values() -> Values:
            return Values(recent)

        self._metric, self._members = metric, members
        self._calls: dict[str, tuple[tuple[float, float], str, int]] = {}  # by worker
        self._ends: dict[str, tuple[float, float]] = {}  # and when its result was received
        self._labels: defaultdict[str, Values] = defaultdict(values)
        self._answers: defaultdict[str, int] = defaultdict(int)
        self._failed: defaultdict[str, int] = defaultdict(int)
        self._gaps, self._slices, self._found = values(), values(), values()
        self._proposed, self._trusted, self._predicting = values(), values(), values()
        self._fits: list[tuple[float, float]] = []
        self._tasks: defaultdict[str, Values] = defaultdict(values)
        self._joins: list[float] = []
        self._lost: dict[str, float] = {}
        self._away, self._losses, self._now = Values(), 0, 0.0
        self._curve: list[tuple[float, float]] = []

    def add(self, fact: FactLike) -> None:
        """Take the next fact, in the journal's order."""
        self._now = max(self._now, number(fact.data, "t"))
        handler = _HANDLERS.get(fact.kind)
        if handler is not None:
            handler(self, fact.data)

    def _failure(self, data: Mapping[str, Any]) -> None:
        self._failed[text(data, "oracle")] += 1
        self._answered(data)

    def _answered(self, data: Mapping[str, Any]) -> None:
        oracle, worker = text(data, "oracle"), text(data, "worker")
        interval = span(data.get("spans"))
        self._answers[oracle] += 1
        if interval is None or not worker:
            return
        held = self._calls.get(worker)
        if held is not None and held[0] == interval:
            self._calls[worker] = (interval, oracle, held[2] + 1)
            return
        if held is not None:
            self._close(*held)
            self._gaps.add(_travel(self._ends[worker], interval[0], data["spans"]))
        self._ends[worker] = interval[1], number(data["spans"], "received", interval[1])
        self._calls[worker] = (interval, oracle, 1)

    def _close(self, interval: tuple[float, float], oracle: str, items: int) -> None:
        self._labels[oracle].add((interval[1] - interval[0]) / items)

    def _explored(self, data: Mapping[str, Any]) -> None:
        interval = span(data.get("spans"))
        if not whole(data, "version") or interval is None:
            return
        self._slices.add(interval[1] - interval[0])
        self._predicting.add(number(data, "predict"))
        self._found.add(number(data, "candidates", number(data, "asked")))
        self._proposed.add(number(data, "proposed"))
        self._trusted.add(number(data, "trusted"))

    def _published(self, data: Mapping[str, Any]) -> None:
        found = [one for one in map(span, several(data, "spans")) if one is not None]
        for start, stop in found:
            # Each of several tasks trained its part of the members on all labels.
            self._fits.append((number(data, "dataset") / len(found), stop - start))

    def _task(self, data: Mapping[str, Any]) -> None:
        interval = span(data.get("spans"))
        if interval is not None:
            self._tasks[text(data, "kind")].add(interval[1] - interval[0])

    def _joined(self, data: Mapping[str, Any]) -> None:
        t, worker = number(data, "t"), text(data, "worker")
        if worker in self._lost:
            self._away.add(t - self._lost.pop(worker))
        else:
            self._joins.append(t)

    def _left(self, data: Mapping[str, Any]) -> None:
        self._losses += 1
        self._lost[text(data, "worker")] = number(data, "t")

    def _evaluated(self, data: Mapping[str, Any]) -> None:
        error = metrics(data).get(self._metric)
        if data.get("on", "holdout") == "holdout" and error is not None and error > 0:
            self._curve.append((max(1.0, number(data, "train", 1.0)), error))

    # ------------------------------------------------------------------------------- results

    @property
    def explored(self) -> int:
        """Slices of exploring with a model that count; 0 if they found nothing."""
        return len(self._slices.values) if self._found.mean(0.0) > 0 else 0

    def behaviour(self) -> Behaviour:
        """What was measured.

        Raises:
            RunError: If no call of an oracle was.
        """
        for held in self._calls.values():
            self._close(*held)
        self._calls.clear()
        if not self._labels:
            raise RunError(
                "this run's journal holds no timed answer of an oracle; give a run that has some."
            )
        proposed = self._proposed.mean(0.0)
        first, between = self._starts()
        return Behaviour(
            labels={name: found.distribution(0.0) for name, found in self._labels.items()},
            failures={name: self._failed[name] / n for name, n in self._answers.items()},
            slices=self._slices.distribution(0.25),
            found=self._found.distribution(0.0),
            proposed=proposed,
            trusted=self._trusted.mean(0.0) / proposed if proposed else 0.0,
            predicting=min(1.0, self._predicting.mean(0.0) / max(1e-9, self._slices.mean(1.0))),
            fits=fits(self._fits, self._members),
            evaluating=self._tasks["evaluate"].distribution(0.01),
            scoring=self._tasks["score"].distribution(0.01),
            first=first,
            between=between,
            hop=self._gaps.mean(0.0),
            losses=self._losing(),
            learning=learning(self._metric, self._curve),
        )

    def _starts(self) -> tuple[float, float]:
        joins = sorted(self._joins)
        if not joins:
            return 0.0, 0.0
        return joins[0], (joins[-1] - joins[0]) / max(1, len(joins) - 1)

    def _losing(self) -> Losses:
        if not self._losses:
            return NO_LOSSES
        present = self._now * max(1, len(self._joins))
        return Losses(present / self._losses, self._away.mean(1.0))


_HANDLERS = {
    "answer.label": Measured._answered,
    "answer.failure": Measured._failure,
    "explored": Measured._explored,
    "model.published": Measured._published,
    "model.evaluated": Measured._evaluated,
    "task.ended": Measured._task,
    "worker.joined": Measured._joined,
    "worker.lost": Measured._left,
}


def _travel(before: tuple[float, float], started: float, spans: Mapping[str, Any]) -> float:
    """Seconds between two calls of a worker in which tasks and results were on their way only.

    A worker that waits because there is nothing to ask is no part of that: simulated time finds
    that out itself. Where the next task came later than the worker was free, it is the way of the
    earlier result and that of the task.

    Args:
        before: When the earlier call ended, and when its result was received.
        started: When the next one began.
        spans: Of the next one.
    """
    finished, received = before
    submitted = number(spans, "submitted", finished)
    if submitted <= finished:
        return max(0.0, started - finished)
    return max(0.0, started - submitted) + max(0.0, received - finished)


def fits(measured: Sequence[tuple[float, float]], members: int = 1) -> Fits:
    """Seconds as a line in the number of labels, by least squares, none of its parts negative.

    Args:
        measured: Labels, times the share of the members, and seconds of tasks.
        members: Of the committee.
    """
    if not measured:
        return Fits(0.0, members=members)
    labels, seconds = np.array(measured, np.float64).T
    spread = labels - labels.mean()
    slope = float(spread @ seconds / (spread @ spread)) if np.any(spread) else 0.0
    each = max(0.0, slope)
    fixed = float(seconds.mean() - each * labels.mean())
    if fixed < 0:
        fixed, each = 0.0, float(labels @ seconds / (labels @ labels))
    ratios = seconds / np.maximum(fixed + each * labels, 1e-9)
    return Fits(fixed, each, Empirical(tuple(ratios.tolist())), members)


def learning(metric: str, curve: Sequence[tuple[float, float]]) -> Learning:
    """A power law through a learning curve, by least squares of logarithms."""
    if len({labels for labels, _ in curve}) < 2:
        return Learning(metric)
    labels, errors = np.log(np.array(curve, np.float64)).T
    slope, intercept = np.polyfit(labels, errors, 1)
    return Learning(metric, float(np.exp(intercept)), max(0.0, -float(slope)))


def measured(facts: Iterable[FactLike], metric: str = "", members: int = 1) -> Behaviour:
    """The behaviour of a run whose facts these are; the arguments are those of Measured."""
    fold = Measured(metric, members)
    for fact in facts:
        fold.add(fact)
    return fold.behaviour()

"""What is believed of settings not tried yet: objective, limits, success and cost.

Each is a Gaussian process of its own over the features of the space. Numbers that are all above
zero and spread widely (run times, errors) are modelled by their logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest, ModelState
from querist.models.gaussian_process import GaussianProcess
from querist.tuning.trial import Limit, Problem, Trial

Floats = NDArray[np.float64]
WIDE = 10.0  # ratio of largest to smallest from which the logarithm is taken
LEAST_STD = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """A number as it is modelled: itself, or its logarithm."""

    log: bool

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """The logarithm where all are above zero and the largest is ten times the smallest."""
        low, high = float(values.min()), float(values.max())
        return cls(low > 0.0 and high / low > WIDE)

    def apply(self, values: Floats) -> Floats:
        """To the modelled scale; on a log scale what is not above zero is very small."""
        return np.asarray(np.log(np.maximum(values, 1e-300)) if self.log else values)


class Process:
    """A Gaussian process of some numbers.

    Args:
        X: ``(n, f)`` features.
        y: ``(n,)`` numbers.
        start: A process fitted before, from whose hyper-parameters the search starts.
        tune: Whether hyper-parameters are looked for; else those of ``start`` are taken.
    """

    def __init__(self, X: Floats, y: Floats, start: Process | None = None, tune: bool = True):
        self.X, self.y = X, y
        self._model = GaussianProcess()
        data = Dataset(Batch.stack(x=X), Batch.stack(y=y))
        previous = None if start is None else start.state
        request = FitRequest(0, previous, 0, None, lambda: not tune)
        self.state: ModelState = self._model.fit(data, request).state
        self._model.load(self.state)

    def __call__(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means and standard deviations."""
        said = self._model.predict(Batch.stack(x=X))
        mean, std = said.mean["y"], said.std["y"]
        return np.asarray(mean, float), np.maximum(np.asarray(std, float), LEAST_STD)

    def believing(self, X: Floats) -> Process:
        """As if results at these points came out as expected (the kriging believer)."""
        both = np.concatenate([self.X, X]), np.concatenate([self.y, self(X)[0]])
        return Process(*both, start=self, tune=False)


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """Processes fitted to all trials.

    Attributes:
        loss: Of the objective, small is good; None while no trial succeeded.
        limits: Of each limit, with its bound on the modelled scale and a sign.
        success: Of 1 for success and 0 for failure; None where nothing or everything failed.
        cost: Of the logarithm of costs; None where they are unknown or equal.
        incumbent: Expected loss of the best trial that keeps all limits; None without one.
    """

    loss: Process | None
    limits: tuple[tuple[Process, float, float], ...]
    success: Process | None
    cost: Process | None
    incumbent: float | None

    @classmethod
    def of(
        cls, problem: Problem, trials: Sequence[Trial], before: Beliefs | None = None
    ) -> Beliefs:
        """Fit everything."""
        good = [trial for trial in trials if not trial.failure]
        every = problem.space.features([trial.settings for trial in trials])
        came = np.array([not trial.failure for trial in trials], bool)
        success = None
        if came.any() and not came.all():
            success = Process(every, came.astype(float), None if before is None else before.success)
        cost = _costs(trials, every, None if before is None else before.cost)
        if not good:
            return cls(None, (), success, cost, None)
        X = every[came]
        losses = np.array([problem.loss(trial) for trial in good])
        loss = Process(X, Scale.of(losses).apply(losses), None if before is None else before.loss)
        old = before.limits if before is not None and before.limits else None
        limits = tuple(
            _limit(limit, good, X, None if old is None else old[number][0])
            for number, limit in enumerate(problem.limits)
        )
        kept = np.array([problem.holds(trial) for trial in good], bool)
        incumbent = float(loss(X[kept])[0].min()) if kept.any() else None
        return cls(loss, limits, success, cost, incumbent)

    def believing(self, X: Floats) -> Beliefs:
        """As if runs at these ``(k, f)`` features came out as expected."""
        if self.loss is None or not len(X):
            return self
        return Beliefs(self.loss.believing(X), self.limits, self.success, self.cost, self.incumbent)

    def log_success(self, X: Floats) -> Floats:
        """Logarithm of the probability that runs do not fail."""
        from scipy.stats import norm

        if self.success is None:
            return np.zeros(len(X))
        mean, std = self.success(X)
        return np.asarray(norm.logcdf((mean - 0.5) / np.maximum(std, 0.1)))

    def log_chance(self, X: Floats) -> Floats:
        """Logarithm of the probability that runs succeed and keep all limits."""
        from scipy.stats import norm

        found = self.log_success(X)
        for process, bound, sign in self.limits:
            mean, std = process(X)
            found = found + norm.logcdf(sign * (bound - mean) / std)
        return found


def _limit(
    limit: Limit, good: Sequence[Trial], X: Floats, start: Process | None
) -> tuple[Process, float, float]:
    values = np.array([trial.outputs[limit.output] for trial in good])
    scale = Scale.of(np.append(values, limit.bound))
    bound = float(scale.apply(np.array([limit.bound]))[0])
    return Process(X, scale.apply(values), start), bound, 1.0 if limit.side == "at_most" else -1.0


def _costs(trials: Sequence[Trial], X: Floats, start: Process | None) -> Process | None:
    known = np.array([bool(t.cost) and float(t.cost or 0) > 0 for t in trials], bool)
    if known.sum() < 2:
        return None
    costs = np.log([float(trial.cost or 1.0) for trial in trials])[known]
    return Process(X[known], costs, start) if np.ptp(costs) > 1e-3 else None

"""What is believed of settings not tried yet: objective, limits, success and cost.

Each is a Gaussian process of its own over the features of the space. Numbers that are all above
zero and spread widely (run times, errors) are modelled by their logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest, ModelState
from querist.models import kernels
from querist.models.gaussian_process import GaussianProcess, covariance
from querist.models.table import Scaler
from querist.tuning.trial import Limit, Problem, Trial

Floats = NDArray[np.float64]
WIDE = 10.0  # ratio of largest to smallest from which the logarithm is taken
VERY_WIDE = 1e3
LEAST_STD = 1e-9
ERROR = "error"  # the field of a standard error
PRIORS: dict[str, Any] = {"length_spread": 1.0, "noise_prior": (-9.0, 4.0)}


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

    def variances(self, values: Floats, noise: Floats | None) -> Floats | None:
        """Known variances of values on the modelled scale, to first order."""
        return noise if noise is None or not self.log else np.asarray(noise / values**2)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A fitted process, on scales of its own.

    Attributes:
        X: ``(n, f)`` scaled features.
        theta: ``(f + 2,)`` log variance, log lengths and log noise.
        chol: ``(n, n)`` Cholesky factor of the covariance of labels.
        alpha: ``(n,)`` its solution for the labels.
        noise: ``(n,)`` variances of the labels' noise.
        x, y: Scales of features and of outputs.
    """

    X: Floats
    theta: Floats
    chol: Floats
    alpha: Floats
    noise: Floats
    x: Scaler
    y: Scaler

    @classmethod
    def of(cls, state: ModelState) -> Posterior:
        """From the state of a :class:`~querist.models.gaussian_process.GaussianProcess`."""
        held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
        theta = held["theta"][0]
        noise = np.exp(theta[-1]) + held.get("known", np.zeros((1, len(held["X"]))))[0]
        parts = (held["X"], theta, held["chol"][0], held["alpha"][0], noise)
        return cls(*parts, Scaler.from_arrays(held, "x_"), Scaler.from_arrays(held, "y_"))

    def inputs(self, X: Floats) -> Floats:
        """Features, scaled."""
        return self.x.apply(X)

    def output(self, values: Floats) -> Floats:
        """``(k,)`` scaled outputs on the scale of the labels."""
        return self.y.undo(values[:, None])[:, 0]


class Process:
    """A Gaussian process of some numbers.

    Args:
        X: ``(n, f)`` features.
        y: ``(n,)`` numbers.
        start: A process whose hyper-parameters are taken; None to look for them. The search begins
            where they are expected, not at those found before: from there it may never leave the
            explanation of the first few runs.
        noise: ``(n,)`` variances of the numbers' noise, where they are known.
        options: Of :class:`~querist.models.gaussian_process.GaussianProcess`.
    """

    def __init__(
        self,
        X: Floats,
        y: Floats,
        start: Process | None = None,
        noise: Floats | None = None,
        **options: Any,
    ) -> None:
        self.X, self.y, self.noise = X, y, noise
        self._model = GaussianProcess(errors=None if noise is None else ERROR, **options)
        known = {} if noise is None else {ERROR: np.sqrt(noise)}
        data = Dataset(Batch.stack(x=X), Batch.stack(y=y, **known))
        previous = None if start is None else start.state
        request = FitRequest(0, previous, 0, None, lambda: start is not None)
        fitted = self._model.fit(data, request)
        self.state: ModelState = fitted.state
        self.evidence = fitted.metrics["evidence"] - float(np.log(self.held.y.std[0]))
        self._model.load(self.state)

    def __call__(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means and standard deviations."""
        said = self._model.predict(Batch.stack(x=X))
        mean, std = said.mean["y"], said.std["y"]
        return np.asarray(mean, float), np.maximum(np.asarray(std, float), LEAST_STD)

    def learned(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means, and standard deviations of what they are expected to become by a run.

        Where noise is known a result that is mostly noise moves its expectation by little (as in
        the knowledge gradient of Frazier, Powell & Dayanik 2009, but at the point itself); else
        what is unknown of the function counts, as if a run told it.
        """
        mean, std = self(X)
        if self._noises is None:
            return mean, std
        noise = np.exp(0.5 * self._noises(X)[0])
        return mean, std**2 / np.hypot(std, noise)

    @cached_property
    def _noises(self) -> Process | None:
        """Of the logarithms of known variances, which change from place to place."""
        if self.noise is None:
            return None
        return Process(self.X, np.log(self.noise))

    @property
    def kernel(self) -> str:
        """Its name."""
        return self._model.kernel

    @property
    def held(self) -> Posterior:
        """What it predicts from."""
        return Posterior.of(self.state)

    def correlation(self, A: Floats, B: Floats) -> Floats:
        """``(k,)`` posterior correlations between function values at rows of two ``(k, f)``."""
        from scipy.linalg import solve_triangular

        held = self.held
        a, b = held.inputs(A), held.inputs(B)
        lengths = np.exp(held.theta[1:-1])
        apart = (((a - b) / lengths) ** 2).sum(axis=1)
        variance = np.exp(held.theta[0])
        prior = variance * kernels.correlation(self.kernel, apart)
        halves = [
            solve_triangular(
                held.chol, covariance(self.kernel, X, held.X, held.theta).T, lower=True
            )
            for X in (a, b)
        ]
        left = [np.maximum(variance - (half**2).sum(axis=0), 1e-12) for half in halves]
        return np.asarray(
            (prior - (halves[0] * halves[1]).sum(axis=0)) / np.sqrt(left[0] * left[1])
        )

    def believing(self, X: Floats) -> Process:
        """As if results at these points came out as expected (the kriging believer)."""
        both = np.concatenate([self.X, X]), np.concatenate([self.y, self(X)[0]])
        return Process(*both, start=self, noise=with_usual(self.noise, len(X)))


def with_usual(noise: Floats | None, more: int) -> Floats | None:
    """Known variances, and their median so many times more; None where nothing is known."""
    return None if noise is None else np.append(noise, np.full(more, np.median(noise)))


class Believed(Protocol):
    """What a search asks of a process of its objective."""

    @property
    def X(self) -> Floats:  # noqa: N802 - as Process has it
        """``(n, f)`` features of what it was fitted to."""

    @property
    def y(self) -> Floats:
        """``(n,)`` numbers."""

    def __call__(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means and standard deviations."""

    def correlation(self, A: Floats, B: Floats) -> Floats:
        """``(k,)`` posterior correlations between rows of two ``(k, f)``."""

    def believing(self, X: Floats) -> Believed:
        """As if results at these points came out as expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """Processes fitted to all trials.

    Attributes:
        loss: Of the objective, small is good; None while no trial succeeded.
        limits: Of each limit, with its bound on the modelled scale and a sign.
        success: Of 1 for success and 0 for failure; None where nothing or everything failed.
        cost: Of the logarithm of costs; None where they are unknown or equal.
        incumbent: Expected loss of the best trial that keeps all limits; None without one.
        kept: ``(g,)`` which of the trials that gave a result keep all limits.
    """

    loss: Believed | None
    limits: tuple[tuple[Process, float, float], ...]
    success: Process | None
    cost: Process | None
    incumbent: float | None
    kept: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @classmethod
    def of(
        cls,
        problem: Problem,
        trials: Sequence[Trial],
        fit: Callable[[Floats, Floats, Floats | None], Believed] | None = None,
    ) -> Beliefs:
        """Fit everything; ``fit`` makes the objective's process, by default :func:`likelier`."""
        good = [trial for trial in trials if not trial.failure]
        every = problem.space.features([trial.settings for trial in trials])
        came = np.array([not trial.failure for trial in trials], bool)
        success = None
        if came.any() and not came.all():
            success = Process(every, came.astype(float))
        cost = _costs(trials, every)
        if not good:
            return cls(None, (), success, cost, None)
        X = every[came]
        losses = np.array([problem.loss(trial) for trial in good])
        loss = (fit or likelier)(X, losses, problem.variances(good, problem.output))
        limits = tuple(_limit(problem, limit, good, X) for limit in problem.limits)
        kept = _kept(problem, good, X, limits)
        incumbent = float(loss(X[kept])[0].min()) if kept.any() else None
        return cls(loss, limits, success, cost, incumbent, kept)

    def believing(self, X: Floats) -> Beliefs:
        """As if runs at these ``(k, f)`` features came out as expected."""
        if self.loss is None or not len(X):
            return self
        return replace(self, loss=self.loss.believing(X))

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


def likelier(X: Floats, y: Floats, noise: Floats | None = None) -> Process:
    """A process of numbers or, where that explains them better, of their logarithms.

    Densities are compared per number, in its own units (warped processes, Snelson, Ghahramani &
    Rasmussen 2004, eq. 6). Logarithms are tried only over three orders of magnitude: they make
    wells narrow, and a search may miss one.

    The priors are narrower than those of a model that is fitted to many labels. A few runs, most of
    them close together, are else explained without any noise (and the luckiest is believed), or
    with settings that do not matter at all. As of Hvarfner et al. 2024 (arXiv 2402.02229) lengths
    grow with the number of settings; less noise is expected than there, so that exact results
    are still told apart. Where variances of the noise are known, no other is expected.
    """
    plain = Process(X, y, noise=noise, **PRIORS)
    if not (y.min() > 0.0 and y.max() > VERY_WIDE * y.min()):
        return plain
    logs = np.log(y)
    warped = Process(X, logs, noise=None if noise is None else noise / y**2, **PRIORS)
    return warped if warped.evidence - logs.mean() > plain.evidence else plain


def keeping(problem: Problem, good: Sequence[Trial], X: Floats) -> NDArray[np.bool_]:
    """``(n,)`` whether trials keep all limits: as measured, or expected where errors are known.

    The best of noisy results that keep a limit would keep it by luck.
    """
    limits = [
        _limit(problem, limit, good, X) if limit.output in problem.errors else None
        for limit in problem.limits
    ]
    return _kept(problem, good, X, limits)


Bounded = tuple[Process, float, float]


def _kept(
    problem: Problem, good: Sequence[Trial], X: Floats, limits: Sequence[Bounded | None]
) -> NDArray[np.bool_]:
    kept = np.array([problem.counts(trial) for trial in good], bool)
    for limit, told in zip(problem.limits, limits, strict=True):
        if told is not None and limit.output in problem.errors:
            process, bound, sign = told
            kept &= sign * (bound - process(X)[0]) >= 0.0
        else:
            kept &= np.array([limit.excess(t.outputs[limit.output]) <= 0.0 for t in good], bool)
    return kept


def _limit(problem: Problem, limit: Limit, good: Sequence[Trial], X: Floats) -> Bounded:
    values = np.array([trial.outputs[limit.output] for trial in good])
    noise = problem.variances(good, limit.output)
    scale = Scale.of(np.append(values, limit.bound))
    bound = float(scale.apply(np.array([limit.bound]))[0])
    process = Process(X, scale.apply(values), noise=scale.variances(values, noise))
    return process, bound, 1.0 if limit.side == "at_most" else -1.0


def _costs(trials: Sequence[Trial], X: Floats) -> Process | None:
    known = np.array([bool(t.cost) and float(t.cost or 0) > 0 for t in trials], bool)
    if known.sum() < 2:
        return None
    costs = np.log([float(trial.cost or 1.0) for trial in trials])[known]
    return Process(X[known], costs) if np.ptp(costs) > 1e-3 else None

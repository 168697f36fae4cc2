"""The search that needs nothing: the library's Gaussian process and an acquisition function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.acquisition.log_ei import log_ei
from querist.tuning.searches.bayes import BayesSearch
from querist.tuning.searches.beliefs import Beliefs, Believed, Floats, Process
from querist.tuning.searches.paths import drawn
from querist.tuning.searches.volume import VolumeImprovement
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial

ACQUISITIONS = ("ei", "ucb", "thompson")
RHO = 0.05  # of the augmented Chebyshev norm, as in the paper
MOST = 3  # objectives whose volume is looked at: boxes grow with a power of the front
FAR = 1e3  # a missed limit outweighs every objective on the scale of its standard deviation


class GPSearch(BayesSearch):
    """The point that promises most by a Gaussian process; limits, failures and costs are learned.

    ``ei``: expected improvement times the probability that all limits hold, for the expected cost.
    Constrained improvement as of Gardner et al. 2014; the logarithm as of Ament et al. 2023 (arXiv
    2310.20708). Improvement counts from the best expectation among the trials that keep all limits,
    so that one lucky measurement is no record. Until one does, the probability alone is looked at.
    Where standard errors are told, improvement is that of the expectation by one more result.
    Points that are being tried count as if they came out as expected (the kriging believer of
    Ginsbourger et al. 2010). ``ucb``: the gain of the optimistic bound, mean and ``kappa`` standard
    deviations (Srinivas et al. 2010, eq. 6), times that probability; what is being tried has less
    deviation (GP-BUCB, Desautels et al. 2014). ``thompson``: the best of one function drawn from
    the posterior, limits likewise (Kandasamy et al. 2018; Eriksson & Poloczek 2021, section 3), so
    that runs at once differ by chance.

    Of two or three objectives ``ei`` is that of the dominated volume
    (:class:`~querist.tuning.searches.volume.VolumeImprovement`). Of more, and with ``ucb`` and
    ``thompson``, each choice weighs them anew: ParEGO's augmented Chebyshev norm (Knowles 2006,
    eq. 2) between the best values and the reference point. What a fidelity wants is in
    :class:`~querist.tuning.searches.fidelity.FidelitySearch`.

    Args:
        problem: What is searched.
        acquisition: One of ``ACQUISITIONS``.
        kappa: Of ucb.
        options: Of :class:`~querist.tuning.searches.bayes.BayesSearch`; only ei is weighed by cost
            by default.
    """

    def __init__(
        self, problem: Problem, acquisition: str = "ei", kappa: float = 2.0, **options: Any
    ) -> None:
        if acquisition not in ACQUISITIONS:
            raise ConfigError(f"acquisition is one of {ACQUISITIONS}, got {acquisition!r}.")
        self.climbs = not problem.several and problem.fidelity is None
        super().__init__(problem, **{"cost_aware": acquisition == "ei", **options})
        self._kind, self._kappa = acquisition, kappa
        self.escapes = acquisition != "thompson"  # chance leads away
        self._rng = np.random.default_rng([problem.seed, 2])
        self._volume: VolumeImprovement | None = None
        self._losses: list[Process] = []  # of several objectives, of so many trials:
        self._known = 0

    def prepare(self, pending: Sequence[Values]) -> None:
        """Condition the objective on what is under way, or draw functions."""
        told, around = self.refit(), self.space.features(pending)
        self._volume = None
        if self.problem.several and told.loss is not None:
            if self._kind == "ei" and len(self.problem.aims) <= MOST:
                self._volume = self._improvement(around)
            else:
                told = self._weighed(told)
        if self._kind == "thompson":
            self._drawn = _functions(told, self._rng)
        self._ready: Beliefs = told.believing(around)

    def acquisition(self, features: Floats) -> Floats:
        """What trying points is worth: a logarithm, but for thompson."""
        ready = self._ready
        if self._kind == "thompson":
            return self._sampled(features)
        found = ready.log_chance(features)
        if ready.loss is None or ready.incumbent is None:
            return found
        if self._volume is not None:
            return found + self._volume(features)
        if self._kind == "ucb":
            mean, std = ready.loss(features)
            return found + self._optimism(self._kappa * std - mean)
        mean, std = _learned(ready.loss, features)
        # The formula alone: checking rows costs as much again, at each of many small steps.
        gain: Floats = log_ei.function(-mean, std, -np.array([ready.incumbent]))
        return found + gain

    def unknown(self, loss: Believed, features: Floats) -> Floats:
        """How much runs would tell: little where results are known to be mostly noise."""
        return _learned(loss, features)[1]

    def _optimism(self, bound: Floats) -> Floats:
        """Logarithm of a bound above that of the worst trial; it orders as the bound does."""
        loss = self._ready.loss
        assert loss is not None
        mean, std = loss(loss.X)
        floor = float((-mean - self._kappa * std).min())
        return np.log(np.maximum(bound - floor, 1e-300))

    def _sampled(self, features: Floats) -> Floats:
        """A drawn objective where drawn limits hold, else by how much these are missed."""
        loss, misses = self._drawn
        missed = sum((np.maximum(miss(features), 0.0) for miss in misses), np.zeros(len(features)))
        worth = np.zeros(len(features)) if loss is None else -loss(features)
        return np.where(missed > 0.0, -FAR * (1.0 + missed), worth)

    def _improvement(self, pending: Floats) -> VolumeImprovement | None:
        """Of the volume that trials which keep all limits dominate; None without any."""
        good = [trial for trial in self.trials if not trial.failure]
        mask = self.refit().kept
        kept = [trial for trial, keeps in zip(good, mask, strict=True) if keeps]
        if not kept:
            return None
        if self._known < len(self.trials):
            X = self.space.features([trial.settings for trial in good])
            losses = self.problem.losses(good).T
            noise = [self.problem.variances(good, aim.output) for aim in self.problem.aims]
            pairs = zip(losses, noise, strict=True)
            self._losses = [Process(X, y, noise=variances) for y, variances in pairs]
            self._known = len(self.trials)
        features = self.space.features([trial.settings for trial in kept])
        return VolumeImprovement(self._losses, features, pending, self.problem.reference)

    def _weighed(self, told: Beliefs) -> Beliefs:
        """Beliefs of one weighing of several objectives."""
        problem = self.problem
        good = [trial for trial in self.trials if not trial.failure]
        losses = problem.losses(good)
        ideal = losses.min(axis=0)
        width = np.maximum(problem.reference - ideal, 1e-12 + 1e-3 * np.ptp(losses, axis=0))
        weights = self._rng.dirichlet(np.ones(len(problem.aims)))
        parts = weights * (losses - ideal) / width
        noise = self._weighed_noise(good, parts, weights / width)
        X = self.space.features([trial.settings for trial in good])
        process = Process(X, chebyshev(parts), noise=noise)
        best = float(process(X[told.kept])[0].min()) if told.kept.any() else None
        return replace(told, loss=process, incumbent=best)

    def _weighed_noise(
        self, good: Sequence[Trial], parts: Floats, factors: Floats
    ) -> Floats | None:
        """Known variances of Chebyshev norms, to first order; None unless all are known."""
        found = [self.problem.variances(good, aim.output) for aim in self.problem.aims]
        known = [variances for variances in found if variances is not None]
        if len(known) < len(found):
            return None
        slopes = RHO + (parts == parts.max(axis=1, keepdims=True))
        return np.asarray(((slopes * factors) ** 2 * np.stack(known, axis=1)).sum(axis=1))


def _learned(loss: Believed, features: Floats) -> tuple[Floats, Floats]:
    return loss.learned(features) if isinstance(loss, Process) else loss(features)


def chebyshev(parts: Floats) -> Floats:
    """``(n,)`` augmented Chebyshev norms of ``(n, m)`` weighed losses (Knowles 2006, eq. 2)."""
    return np.asarray(parts.max(axis=1) + RHO * parts.sum(axis=1))


Function = Callable[[Floats], Floats]


def _functions(told: Beliefs, rng: np.random.Generator) -> tuple[Function | None, list[Function]]:
    """One draw of the objective, and of by how many deviations each limit is missed."""
    misses: list[Function] = []
    for process, bound, sign in told.limits:
        misses.append(_miss(drawn(process, rng), bound, sign, process))
    if told.success is not None:
        misses.append(_miss(drawn(told.success, rng), 0.5, -1.0, told.success))
    assert told.loss is None or isinstance(told.loss, Process)
    return (None if told.loss is None else drawn(told.loss, rng)), misses


def _miss(function: Function, bound: float, sign: float, process: Process) -> Function:
    spread = float(process.y.std()) or 1.0
    return lambda features: sign * (function(features) - bound) / spread

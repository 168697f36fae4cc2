"""Bayesian optimisation over mixed spaces: what its kinds share.

An even design first; then the point of greatest acquisition among many candidates, which are
refined around the best. What is learned is weighed by what it costs: the logarithm of the expected
cost is subtracted from that of the acquisition, with a weight that falls from 1 to 0 as the planned
runs are used up (cost cooling, Lee et al. 2020, arXiv 2003.10870).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.core.errors import ConfigError
from querist.tuning.searches.beliefs import Beliefs, Floats
from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial

GOOD = 8  # trials around which candidates are drawn
ROUNDS = 3  # of refinement


class BayesSearch:
    """Base of searches by a model; a kind says what a candidate is worth.

    Args:
        problem: What is searched.
        first: Runs of an even design before the model is asked; by default 2 d + 1, but at most a
            third of the planned runs and at least 3.
        candidates: Points drawn everywhere, each time.
        cost_aware: Whether acquisition is weighed by expected cost.
    """

    knows_its_end = True

    def __init__(
        self,
        problem: Problem,
        first: int | None = None,
        candidates: int = 1024,
        cost_aware: bool = True,
    ) -> None:
        if candidates < 1 or (first is not None and first < 1):
            raise ConfigError("first and candidates are numbers from 1 on.")
        runs = problem.runs or 10**6
        self.problem, self.space = problem, problem.space
        self.first = first or max(3, min(2 * len(problem.space) + 1, runs // 3))
        self.cost_aware, self._candidates = cost_aware, candidates
        self.trials: list[Trial] = []
        self._drawing = Drawing(problem.space, problem.seed)
        self._beliefs: Beliefs | None = None
        self._fitted = 0

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keep results."""
        self.trials += trials

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """The next points, one after the other, each as if those before came out as expected."""
        found: list[Values] = []
        while len(found) < count and (values := self._next([*pending, *found])) is not None:
            found.append(values)
        return found

    def _next(self, pending: Sequence[Values]) -> Values | None:
        tried = {self.space.key(trial.settings) for trial in self.trials}
        tried |= {self.space.key(values) for values in pending}
        if len(tried) < self.first or not self.trials:
            return self._drawing.next_even(tried)
        self.refit()
        around = [trial.settings for trial in self._good()]
        points = self._drawing.candidates(self._candidates, around, tried)
        if not points:
            return None
        self.prepare(pending)
        best, value = self._best(points)
        for _ in range(ROUNDS if self.space.size > len(points) else 0):
            near = [p for p in self._drawing.near([best], 32) if self.space.key(p) not in tried]
            if near:
                better, higher = self._best(near)
                best, value = (better, higher) if higher > value else (best, value)
        return best

    def refit(self) -> Beliefs:
        """Models of all trials so far."""
        if self._beliefs is None or self._fitted < len(self.trials):
            self._beliefs = Beliefs.of(self.problem, self.trials, self._beliefs)
            self._fitted = len(self.trials)
        return self._beliefs

    def _good(self) -> list[Trial]:
        """The best trials; those that keep all limits first, then by how much they miss them."""
        done = [trial for trial in self.trials if not trial.failure]
        missed = {id(t): sum(max(0.0, x) for x in self.problem.excesses(t)) for t in done}
        done.sort(key=lambda trial: (missed[id(trial)], self.problem.loss(trial)))
        return done[:GOOD]

    def _best(self, points: Sequence[Values]) -> tuple[Values, float]:
        features = self.space.features(points)
        scores = self.acquisition(features) - self.cost_weight * self._log_cost(features)
        scores = np.nan_to_num(scores, nan=-np.inf)
        best = int(np.argmax(scores))
        return points[best], float(scores[best])

    @property
    def cost_weight(self) -> float:
        """How much cost counts now: from 1 at the first choice to 0 at the last planned run."""
        if not self.cost_aware:
            return 0.0
        if self.problem.runs is None:
            return 1.0
        left = self.problem.runs - len(self.trials)
        return min(1.0, max(0.0, left / max(1, self.problem.runs - self.first)))

    def _log_cost(self, features: Floats) -> Floats:
        process = self.refit().cost
        return np.zeros(len(features)) if process is None else process(features)[0]

    def prepare(self, pending: Sequence[Values]) -> None:
        """Get ready to score candidates while these points are being tried."""
        raise NotImplementedError

    def acquisition(self, features: Floats) -> Floats:
        """``(k,)`` logarithms of what trying points of these ``(k, f)`` features is worth."""
        raise NotImplementedError

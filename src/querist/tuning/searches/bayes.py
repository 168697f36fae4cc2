"""Bayesian optimisation over mixed spaces: what its kinds share.

An even design first; then the point of greatest acquisition among many candidates, which are
refined around the best: by drawing near it, and real settings by climbing. What is learned is
weighed by what it costs: the logarithm of the expected cost is subtracted from that of the
acquisition, with a weight that falls from 1 to 0 as the planned runs are used up (cost cooling, Lee
et al. 2020, arXiv 2003.10870).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.core.errors import ConfigError
from querist.tuning.bounded import BoundedSpace
from querist.tuning.searches.beliefs import Beliefs, Believed, Floats
from querist.tuning.searches.climbing import climbed
from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial

GOOD = 8  # trials around which candidates are drawn
ROUNDS = 3  # of refinement
STARTS = 2  # candidates that climb
CLOSE = 0.01  # of the range of every setting: a choice that only refines what was tried


class BayesSearch:
    """Base of searches by a model; a kind says what a candidate is worth.

    Args:
        problem: What is searched.
        first: Runs of an even design before the model is asked; by default 2 d + 1, but at most a
            third of the planned runs and at least 3.
        candidates: Points drawn everywhere, each time; by default 512 where the best of them climb,
            else 1024.
        cost_aware: Whether acquisition is weighed by expected cost.
    """

    knows_its_end = True
    escapes = True  # whether it needs help to leave a minimum
    climbs = False  # whether real settings follow the slope of the acquisition

    def __init__(
        self,
        problem: Problem,
        first: int | None = None,
        candidates: int | None = None,
        cost_aware: bool = True,
    ) -> None:
        if any(number is not None and number < 1 for number in (first, candidates)):
            raise ConfigError("first and candidates are numbers from 1 on.")
        runs = problem.runs or 10**6
        self.problem, self.space = problem, problem.space
        self.first = first or max(3, min(2 * len(problem.space) + 1, runs // 3))
        self.cost_aware = cost_aware
        self._candidates = candidates or (512 if self.climbs else 1024)
        self.trials: list[Trial] = []
        self._drawing = Drawing(problem.space, problem.seed)
        self._beliefs: Beliefs | None = None
        self._fitted = self._close = 0

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keep results."""
        self.trials += self.problem.allowed(trials)

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """The next points, one after the other, each as if those before came out as expected."""
        found: list[Values] = []
        while len(found) < count and (values := self._next([*pending, *found])) is not None:
            found.append(values)
        return found

    def _next(self, pending: Sequence[Values]) -> Values | None:
        tried = {self.space.key(trial.settings) for trial in self.trials}
        tried |= {self.space.key(values) for values in pending}
        if self.beginning(pending, len(tried)):
            return self.begin(pending, tried)
        self.refit()
        around = [trial.settings for trial in self.good()]
        points = self.offered(self._drawing.candidates(self._candidates, around, tried), tried)
        if not points:
            return None
        self.prepare(pending)
        scores = self._scores(points)
        order = np.argsort(-scores, kind="stable")[:STARTS].tolist()
        best: Values = points[order[0]]
        if not self._drawing.listed:
            best = self._refined(best, float(scores[order[0]]), tried)
            if self.climbs:
                best = self._higher([best, *(points[row] for row in order[1:])], tried)
        if self.escapes and self._again_close(best, pending):
            return self._elsewhere(points, pending)
        return best

    def _refined(self, best: Values, value: float, tried: set[str]) -> Values:
        """A better point near one, if any is drawn; climbing alone does for real settings."""
        steps = self.climbs and all(s.kind == "real" for s in self.space.settings.values())
        for _ in range(0 if steps else ROUNDS):
            fresh = [p for p in self._drawing.near([best], 32) if self.space.key(p) not in tried]
            if near := self.offered(fresh, tried):
                scores = self._scores(near)
                row = int(np.argmax(scores))
                if scores[row] > value:
                    best, value = near[row], float(scores[row])
        return best

    def _higher(self, starts: Sequence[Values], tried: set[str]) -> Values:
        """The best of some points and of where they climb to."""
        found = [*starts, *map(self._climbed, starts)]
        fresh = [starts[0], *(p for p in found[1:] if self.space.key(p) not in tried)]
        return fresh[int(np.argmax(self._scores(fresh)))]

    def _climbed(self, start: Values) -> Values:
        """The point above one where the acquisition is highest."""
        real = [n for n, s in self.space.settings.items() if s.kind == "real" and n in start]
        if not real:
            return start
        columns = [self.space.column(name) for name in real]
        space = self.space
        rules = space.region.limits(start, real) if isinstance(space, BoundedSpace) else []
        end = climbed(self.space.features([start])[0], columns, self._worth, rules)
        places = dict(zip(real, end[columns].tolist(), strict=True))
        moved = {n: self.space.settings[n].value(place) for n, place in places.items()}
        return self.space.allowed({**start, **moved})

    def beginning(self, pending: Sequence[Values], tried: int) -> bool:
        """Whether the design before any model is not complete."""
        del pending
        return tried < self.first or not self.trials

    def begin(self, pending: Sequence[Values], tried: set[str]) -> Values | None:
        """The next point of the even design."""
        del pending
        return self._drawing.next_even(tried)

    def offered(self, points: Sequence[Values], tried: set[str]) -> Sequence[Values]:
        """What may be chosen of points that were drawn, or in their places."""
        del tried
        return points

    def _again_close(self, values: Values, pending: Sequence[Values]) -> bool:
        """Whether this is the second, fourth ... choice next to what was tried."""
        told = [trial.settings for trial in self.trials] + list(pending)
        away = np.array([self.space.places(v) for v in told]) - self.space.places(values)
        self._close += bool(np.abs(away).max(axis=1).min() < CLOSE)
        close = self._close == 2
        self._close %= 2
        return close

    def _elsewhere(self, points: Sequence[Values], pending: Sequence[Values]) -> Values:
        """The point of which least is known, where runs may succeed.

        A process that is sure of a wrong explanation refines one minimum for ever; and where the
        explanation is right, refining every other time is enough.
        """
        features = self.space.features(points)
        told = self.refit().believing(self.space.features(pending))
        worth = told.log_chance(features) - self.cost_weight * self._log_cost(features)
        if told.loss is not None:
            worth = worth + np.log(self.unknown(told.loss, features))
        return points[int(np.argmax(worth))]

    def unknown(self, loss: Believed, features: Floats) -> Floats:
        """``(n,)`` how much runs would tell where least is known: standard deviations."""
        return loss(features)[1]

    def refit(self) -> Beliefs:
        """Models of all trials so far."""
        if self._beliefs is None or self._fitted < len(self.trials):
            self._beliefs = self.fit()
            self._fitted = len(self.trials)
        return self._beliefs

    def fit(self) -> Beliefs:
        """Models of all trials, made anew."""
        return Beliefs.of(self.problem, self.trials)

    def good(self) -> list[Trial]:
        """The best trials; those that keep all limits first, then by how much they miss them.

        Of several objectives, first of all some of the front, from one end to the other.
        """
        done = [trial for trial in self.trials if not trial.failure]
        missed = {id(t): sum(max(0.0, x) for x in self.problem.excesses(t)) for t in done}
        done.sort(key=lambda trial: (missed[id(trial)], self.problem.loss(trial)))
        if self.problem.several:
            front = self.problem.front(done)
            even = np.linspace(0, len(front) - 1, min(GOOD, len(front))).round().astype(int)
            done = [*(front[place] for place in even), *(t for t in done if t not in front)]
        return done[:GOOD]

    def _scores(self, points: Sequence[Values]) -> Floats:
        """``(n,)`` what points are worth for their cost."""
        return self._worth(self.space.features(points))

    def _worth(self, features: Floats) -> Floats:
        scores = self.acquisition(features) - self.cost_weight * self._log_cost(features)
        return np.nan_to_num(scores, nan=-np.inf)

    @property
    def cost_weight(self) -> float:
        """How much cost counts now: from 1 at the first choice to 0 at the last planned run."""
        if not self.cost_aware:
            return 0.0
        if self.problem.fidelity is not None:
            return 1.0  # to compare fidelities is all that cost is there for
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

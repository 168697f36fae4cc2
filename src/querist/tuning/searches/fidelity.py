"""Search with cheap and dear runs: whichever promises more for its cost.

A dear run is worth its expected improvement on the best dear result. A cheap one is worth by how
much it is expected to lower the best expectation: the improvement that a result would bring which
tells as much of the function as its correlation with it says (one step ahead, as of the knowledge
gradient of Poloczek, Wang & Frazier 2017, arXiv 1603.00389, at the point itself). Both are divided
by the expected cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.acquisition.log_ei import log_ei
from querist.tuning.searches.beliefs import LEAST_STD, Beliefs, Believed, Floats
from querist.tuning.searches.fidelities import Alone, fitted
from querist.tuning.searches.gp import GPSearch
from querist.tuning.space import Value, Values
from querist.tuning.trial import Problem, Trial

LEVELS = (0.0, 0.25, 0.5, 0.75)  # of the way to the fidelity that counts
CHEAP = 2  # cheap runs at the beginning for each dear one of a design without them


def gp_search(problem: Problem, **options: Any) -> GPSearch:
    """The search by Gaussian processes, with what a fidelity wants where there is one."""
    return (
        GPSearch(problem, **options)
        if problem.fidelity is None
        else FidelitySearch(problem, **options)
    )


class FidelitySearch(GPSearch):
    """:class:`~querist.tuning.searches.gp.GPSearch` with the acquisition ei over fidelities.

    It begins with dear runs and cheap ones at the same points and elsewhere, together no dearer
    than the design of dear runs alone would be. Cheap runs that tell nothing promise nothing, and
    are not asked; where dear results are foretold clearly better without them, they are left out.

    Args:
        problem: With a fidelity.
        options: Of :class:`~querist.tuning.searches.gp.GPSearch`.
    """

    def __init__(self, problem: Problem, **options: Any) -> None:
        super().__init__(problem, **options)
        assert problem.fidelity is not None
        if self._kind != "ei":
            raise ConfigError(f"with a fidelity the acquisition is ei, got {self._kind!r}.")
        if problem.several:
            raise ConfigError("with a fidelity there is one objective.")
        self._name, self._target = problem.fidelity.setting, problem.fidelity.target
        setting = self.space.settings[self._name]
        self._column, self._feature = self.space.column(self._name), setting.feature(self._target)
        self._levels = self._others()
        self._alone = max(3, min(2 * len(self.space) - 1, self.first))
        self._level_of_all = np.inf

    def _others(self) -> list[Value]:
        """Fidelities to choose from besides the one that counts, the farthest first."""
        setting = self.space.settings[self._name]
        if setting.size <= 2 * len(LEVELS):
            found = setting.values()
        else:
            end = setting.place(self._target)
            start = 0.0 if end > 0.5 else 1.0
            found = [setting.value(start + level * (end - start)) for level in LEVELS]
        rest = [value for value in dict.fromkeys(found) if value != self._target]
        return sorted(rest, key=lambda v: -abs(setting.feature(v) - self._feature))

    # ------------------------------------------------------------------------------- beginning

    def beginning(self, pending: Sequence[Values], tried: int) -> bool:
        """Whether dear or cheap runs of the design are missing."""
        del tried
        dear, cheap = self._counts(pending)
        return dear < self._dear or cheap < self._cheap()

    @property
    def _dear(self) -> int:
        return max(2, (self._alone + 1) // 2)

    def _cheap(self) -> int:
        """How many, such that all together cost no more than dear runs alone would."""
        left = (self._alone - self._dear) * self._ratio()
        return int(min(CHEAP * self._alone, max(2, left)))

    def _ratio(self) -> float:
        """How much dearer dear runs are than the others so far."""
        costs: dict[bool, list[float]] = {True: [], False: []}
        for trial in self.trials:
            if trial.cost:
                costs[self._is_dear(trial.settings)].append(trial.cost)
        if not costs[True] or not costs[False]:
            return 1.0 if self.trials else np.inf
        return float(np.mean(costs[True]) / np.mean(costs[False]))

    def _counts(self, pending: Sequence[Values]) -> tuple[int, int]:
        told = [*(trial.settings for trial in self.trials), *pending]
        dear = sum(map(self._is_dear, told))
        return dear, len(told) - dear

    def _is_dear(self, values: Values) -> bool:
        return values.get(self._name) == self._target

    def begin(self, pending: Sequence[Values], tried: set[str]) -> Values | None:
        """A cheap run at the next point of an even design, or a dear one where a cheap one is."""
        dear, cheap = self._counts(pending)
        waits = dear < self._dear and (cheap >= 2 * dear or cheap >= self._cheap())
        told = [*(trial.settings for trial in self.trials), *pending] if waits else []
        for values in told:
            dearly = self._at(values, self._target)
            if self.space.key(dearly) not in tried:
                return dearly
        fresh = self._drawing.next_even(tried)
        if fresh is None:
            return None
        found = self._at(fresh, self._target if waits and cheap else self._start(cheap))
        return fresh if self.space.key(found) in tried else found

    def _start(self, number: int) -> Value:
        """Fidelities of the design in turn, the farther ones more often."""
        turn = [0, 0, 1, 0, 1, 2]
        return self._levels[min(turn[number % len(turn)], len(self._levels) - 1)]

    def _at(self, values: Values, level: Value) -> Values:
        """The same point at another fidelity; as it is where that is no candidate."""
        try:
            return self.space.own({**values, self._name: level})
        except ConfigError:
            return values

    # ------------------------------------------------------------------------------- choosing

    def fit(self) -> Beliefs:
        """Models of all trials, that of the objective over fidelities."""
        return Beliefs.of(
            self.problem,
            self.trials,
            lambda X, y, noise: fitted(X, y, self._column, self._feature, noise),
        )

    @property
    def pays(self) -> bool:
        """Whether cheap runs are asked at all."""
        return not isinstance(self.refit().loss, Alone)

    def good(self) -> list[Trial]:
        """The trials that promise most at the fidelity that counts."""
        loss = self.refit().loss
        done = [trial for trial in self.trials if not trial.failure]
        if loss is None or not done:
            return super().good()
        expected = loss(self._at_target(self.space.features([t.settings for t in done])))[0]
        return [done[row] for row in np.argsort(expected, kind="stable")[:8].tolist()]

    def offered(self, points: Sequence[Values], tried: set[str]) -> Sequence[Values]:
        """Each point at every fidelity that may be chosen."""
        if self._drawing.listed:
            return [p for p in points if self.pays or self._is_dear(p)] or points
        levels = [self._target, *(self._levels if self.pays else ())]
        found = (self._at(values, one) for values in points for one in levels)
        every = {self.space.key(values): values for values in found}
        return [values for key, values in every.items() if key not in tried]

    def prepare(self, pending: Sequence[Values]) -> None:
        """Condition on what is under way, with the best dear result as the incumbent."""
        told = self.refit()
        if told.loss is not None:
            told = replace(told, incumbent=self._best_dear(told.loss))
        self._ready = told.believing(self.space.features(pending))
        if self._ready.loss is not None:
            seen = self._ready.loss(self._at_target(self._ready.loss.X))[0]
            self._level_of_all = float(seen.min())

    def _best_dear(self, loss: Believed) -> float:
        """The best expectation among dear trials, those that keep all limits if there are any."""
        done = [trial for trial in self.trials if not trial.failure]
        dear = [trial for trial in done if self._is_dear(trial.settings)]
        kept = [t for t, keeps in zip(done, self.refit().kept, strict=True) if keeps]
        among = self.space.features([trial.settings for trial in kept or dear or done])
        return float(loss(self._at_target(among))[0].min())

    def unknown(self, loss: Believed, features: Floats) -> Floats:
        """What runs would tell of the fidelity that counts."""
        at = self._at_target(features)
        tells = np.clip(loss.correlation(features, at), 1e-9, 1.0)
        return np.asarray(tells * loss(at)[1])

    def acquisition(self, features: Floats) -> Floats:
        """Logarithm of what runs are worth."""
        ready, at = self._ready, self._at_target(features)
        chance = ready.log_chance(at)
        if ready.loss is None or ready.incumbent is None:
            return chance
        mean, std = ready.loss(at)
        tells = np.clip(ready.loss.correlation(features, at), 0.0, 1.0)
        dear = features[:, self._column] == self._feature
        level = np.where(dear, ready.incumbent, min(self._level_of_all, float(mean.min())))
        spread = np.where(dear, std, np.maximum(tells * std, LEAST_STD))
        found = np.empty(len(features))
        for kind in (dear, ~dear):
            if kind.any():
                found[kind] = log_ei.scores(
                    predictions=-mean[kind], std=spread[kind], labels=-level[kind][:1]
                )
        return found + chance

    def _at_target(self, features: Floats) -> Floats:
        """The same points at the fidelity that counts."""
        found = features.copy()
        found[:, self._column] = self._feature
        return found

"""Search by Optuna's samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from querist.core.errors import ConfigError, require
from querist.tuning.space import Setting, Value, Values
from querist.tuning.trial import Problem, Trial

AGAIN = 20  # times that Optuna is asked anew when it suggests what was tried


class OptunaSearch:
    """Optuna, with its tree-structured Parzen estimator by default; extra optuna.

    Conditional settings are suggested where they exist. A limit is a constraint of Optuna's. A
    failed run is told as the worst value so far with every constraint missed, so that its
    neighbourhood is avoided. Costs are not looked at. What was tried is not tried again. Optuna
    knows no bounds on sums of settings: in place of a suggestion that breaks one the nearest point
    that is allowed is suggested to it, and tried.

    Args:
        problem: What is searched.
        sampler: Name of a class in ``optuna.samplers``.
        options: Its keyword arguments besides the seed.
    """

    def __init__(self, problem: Problem, sampler: str = "TPESampler", **options: Any) -> None:
        self._optuna = optuna = require("optuna", "optuna", "the search optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made = getattr(optuna.samplers, sampler, None)
        if made is None:
            raise ConfigError(f"optuna.samplers has no {sampler!r}.")
        self.problem, self.space = problem, problem.space
        self._study = optuna.create_study(sampler=made(seed=problem.seed, **options))
        self._open: dict[str, Any] = {}
        self._known: dict[str, Trial] = {}
        self._held: list[Trial] = []

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """Suggestions that were not tried yet; none where Optuna finds nothing else."""
        busy = {self.space.key(values) for values in pending}
        found: list[Values] = []
        while len(found) < count and (values := self._suggested(busy)) is not None:
            found.append(values)
            busy.add(self.space.key(values))
        return found

    def _suggested(self, busy: set[str]) -> Values | None:
        for _ in range(AGAIN):
            trial = self._study.ask()
            values = self._values(trial)
            allowed = self.space.allowed(values)
            if allowed != values:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                self._study.enqueue_trial(allowed)
                trial = self._study.ask()
                values = self._values(trial)
            key = self.space.key(values)
            if key in self._known:
                self._tell(trial, self._known[key])
            elif key in busy or key in self._open:
                self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
            else:
                self._open[key] = trial
                return values
        return None

    def _values(self, trial: Any) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name, setting in self.space.settings.items():
            if self.space.exists(name, found):
                found[name] = _SUGGEST[setting.kind](trial, name, setting)
        return found

    def tell(self, trials: Sequence[Trial]) -> None:
        """Finish suggested trials; add others. Failures wait until there is a value to compare."""
        waiting, self._held = [*self._held, *self.problem.allowed(trials)], []
        waiting.sort(key=lambda trial: bool(trial.failure))
        for trial in waiting:
            if trial.failure and not any(not t.failure for t in self._known.values()):
                self._held.append(trial)
                continue
            key = self.space.key(trial.settings)
            self._known[key] = trial
            opened = self._open.pop(key, None)
            self._add(trial) if opened is None else self._tell(opened, trial)

    def _outcome(self, trial: Trial) -> tuple[float, dict[str, float]]:
        limits = {f"{limit.output} {limit.side}": limit for limit in self.problem.limits}
        if not trial.failure:
            told = {
                name: limit.excess(trial.outputs[limit.output]) for name, limit in limits.items()
            }
            return self.problem.loss(trial), {**told, "success": 0.0}
        done = [t for t in self._known.values() if not t.failure]
        worst = max(self.problem.loss(t) for t in done)
        missed = {
            name: max(max(0.0, limit.excess(t.outputs[limit.output])) for t in done)
            for name, limit in limits.items()
        }
        return worst, {**missed, "success": 1.0}

    def _tell(self, opened: Any, trial: Trial) -> None:
        value, constraints = self._outcome(trial)
        for name, excess in constraints.items():
            opened.set_constraint(name, excess)
        self._study.tell(opened, value)

    def _add(self, trial: Trial) -> None:
        value, constraints = self._outcome(trial)
        kinds = self._optuna.distributions
        made = {n: _DISTRIBUTION[s.kind](kinds, s) for n, s in self.space.settings.items()}
        made = {name: made[name] for name in trial.settings}
        params = dict(trial.settings)
        told = self._optuna.trial.create_trial(
            value=value, params=params, distributions=made, constraints=constraints
        )
        self._study.add_trial(told)


_SUGGEST: dict[str, Callable[[Any, str, Setting], Value]] = {
    "real": lambda trial, name, s: trial.suggest_float(name, s.low, s.high, log=s.log),
    "integer": lambda trial, name, s: trial.suggest_int(name, int(s.low), int(s.high), log=s.log),
    "choice": lambda trial, name, s: trial.suggest_categorical(name, s.choices),
}
_DISTRIBUTION: dict[str, Callable[[Any, Setting], Any]] = {
    "real": lambda kinds, s: kinds.FloatDistribution(s.low, s.high, log=s.log),
    "integer": lambda kinds, s: kinds.IntDistribution(int(s.low), int(s.high), log=s.log),
    "choice": lambda kinds, s: kinds.CategoricalDistribution(s.choices),
}

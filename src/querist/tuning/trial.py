"""A trial: the settings of one run and what came of it; what a study is after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.tuning.aims import (
    NO_STOP,
    Aim,
    Fidelity,
    StopRule,
    read_aims,
    read_errors,
    read_fidelity,
    read_stop,
)
from querist.tuning.bounded import BoundedSpace
from querist.tuning.candidates import CandidateSpace, plain_points
from querist.tuning.front import hypervolume, on_front
from querist.tuning.space import Space, Value, Values

ABOVE, BELOW = "at_least", "at_most"
CANDIDATES, SEVERAL, FIDELITY = "candidates", "several objectives", "a fidelity"
SUMS = "bounds on sums of settings"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the simulation.

    Attributes:
        settings: What was set.
        outputs: The numbers that it gave; empty where it failed.
        cost: What it cost, None where nobody knows.
        failure: Why it gave no result; "" where it did.
        origin: "run", "model" (a trusted prediction), or the name of where it was taken from.
        ended: Seconds of campaign time at its end; None for what was known before.
    """

    settings: Values
    outputs: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    failure: str = ""
    origin: str = "run"
    ended: float | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON-able data that :meth:`of` reads."""
        return {
            "settings": dict(self.settings),
            "outputs": dict(self.outputs),
            "cost": self.cost,
            "failure": self.failure,
            "origin": self.origin,
            "ended": self.ended,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Trial:
        """What :meth:`plain` gave."""
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on an output: quality, memory, anything that must hold.

    Attributes:
        output: Its name.
        bound: The number.
        side: "at_most" or "at_least".
    """

    output: str
    bound: float
    side: str = BELOW

    def excess(self, value: float) -> float:
        """By how much the bound is missed: above zero where it is."""
        return value - self.bound if self.side == BELOW else self.bound - value


@dataclass(frozen=True, slots=True)
class Problem:
    """What a search is told: the space, what is wanted, and how much may be tried.

    Attributes:
        space: What may be set.
        aims: What is optimised; mostly one.
        limits: What must hold besides.
        errors: By objective or bounded output, the output that is its standard error.
        runs: How many runs are planned, None for no plan.
        seed: Of everything random.
        fidelity: The setting that says how good and dear a run is; None without one.
        stop: When enough is found.
        optimum: The best value that can be, where that is known; only shown, never searched with.
    """

    space: Space
    aims: tuple[Aim, ...]
    limits: tuple[Limit, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    runs: int | None = None
    seed: int = 0
    fidelity: Fidelity | None = None
    stop: StopRule = NO_STOP
    optimum: float | None = None

    @classmethod
    def read(cls, space: Any, goal: Mapping[str, Any], runs: int | None, seed: int) -> Problem:
        """From plain data.

        Args:
            space: As :meth:`~querist.tuning.space.Space.of` takes.
            goal: ``minimise`` or ``maximise``, the name of an output or of several (with
                ``reference``), and perhaps ``constraints``, ``candidates`` (a list of points),
                ``where`` (bounds on sums of settings), ``errors`` (of outputs, the names of their
                standard errors), ``fidelity``, ``stop`` and ``optimum``.
            runs: How many are planned.
            seed: Of everything random.

        Raises:
            ConfigError: If there is no objective, or a constraint has no bound.
        """
        limits = tuple(
            limit
            for name, bounds in (goal.get("constraints") or {}).items()
            for limit in _limits(name, bounds)
        )
        found = _space(Space.of(space), goal)
        fidelity = _sound(read_fidelity(goal.get("fidelity")), found)
        stop = read_stop(goal.get("stop"))
        optimum, aims = goal.get("optimum"), read_aims(goal)
        outputs = [*(aim.output for aim in aims), *(limit.output for limit in limits)]
        errors = read_errors(goal.get("errors"), outputs)
        return cls(found, aims, limits, runs, seed, fidelity, stop, optimum, errors=errors)

    def goal(self) -> dict[str, Any]:
        """The plain data that :meth:`read` takes as ``goal``."""
        bounds: dict[str, dict[str, float]] = {}
        for limit in self.limits:
            bounds.setdefault(limit.output, {})[limit.side] = limit.bound
        found: dict[str, Any] = {"constraints": bounds}
        for word, up in (("minimise", False), ("maximise", True)):
            names = [aim.output for aim in self.aims if aim.maximise == up]
            if names:
                found[word] = names[0] if len(self.aims) == 1 else names
        if len(self.aims) > 1:
            found["reference"] = {aim.output: aim.reference for aim in self.aims}
        if self.errors:
            found["errors"] = dict(self.errors)
        found |= _region(self.space)
        if self.fidelity is not None:
            found["fidelity"] = asdict(self.fidelity)
        if self.stop != NO_STOP:
            found["stop"] = asdict(self.stop)
        if self.optimum is not None:
            found["optimum"] = self.optimum
        return found

    @property
    def output(self) -> str:
        """The number that is optimised; of several the first."""
        return self.aims[0].output

    @property
    def maximise(self) -> bool:
        """Whether larger is better, of the first objective."""
        return self.aims[0].maximise

    @property
    def several(self) -> bool:
        """Whether there is more than one objective."""
        return len(self.aims) > 1

    @property
    def needs(self) -> frozenset[str]:
        """What a search must be able to do: ``CANDIDATES``, ``SEVERAL``, ``FIDELITY``, ``SUMS``."""
        found = {
            CANDIDATES: isinstance(self.space, CandidateSpace),
            SEVERAL: self.several,
            FIDELITY: self.fidelity is not None,
            SUMS: isinstance(self.space, BoundedSpace),
        }
        return frozenset(need for need, wanted in found.items() if wanted)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the outputs that every run must give."""
        aims = (aim.output for aim in self.aims)
        limits = (limit.output for limit in self.limits)
        return tuple(dict.fromkeys((*aims, *limits, *self.errors.values())))

    def loss(self, trial: Trial) -> float:
        """The (first) objective as a number that should be small."""
        return self.aims[0].loss(trial.outputs[self.output])

    def losses(self, trials: Sequence[Trial]) -> NDArray[np.float64]:
        """``(n, m)`` objectives as numbers that should be small."""
        rows = [[aim.loss(trial.outputs[aim.output]) for aim in self.aims] for trial in trials]
        return np.array(rows, float).reshape(len(rows), len(self.aims))

    def variances(self, trials: Sequence[Trial], output: str) -> NDArray[np.float64] | None:
        """``(n,)`` squares of an output's standard errors; None where they are not told."""
        name = self.errors.get(output)
        return None if name is None else np.array([t.outputs[name] for t in trials], float) ** 2

    @property
    def reference(self) -> NDArray[np.float64]:
        """``(m,)`` reference point of several objectives, as losses."""
        return np.array([aim.loss(aim.reference or 0.0) for aim in self.aims])

    def counts(self, trial: Trial) -> bool:
        """Whether it was run at the fidelity that counts."""
        if self.fidelity is None:
            return True
        return bool(trial.settings.get(self.fidelity.setting) == self.fidelity.target)

    def holds(self, trial: Trial) -> bool:
        """Whether a trial gave a result that counts and keeps all limits."""
        good = not trial.failure and self.counts(trial)
        return good and all(x <= 0 for x in self.excesses(trial))

    def front(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials that keep all limits and that no other such trial beats in every objective."""
        good = [trial for trial in trials if self.holds(trial)]
        losses = self.losses(good)
        order = losses[:, 0].argsort(kind="stable").tolist()
        mask = on_front(losses)
        return [good[row] for row in order if mask[row]]

    def progress(self, trials: Sequence[Trial]) -> list[float | None]:
        """After each trial, the best objective so far, or of several the hypervolume.

        None before any trial that keeps all limits.
        """
        found: list[float | None] = []
        kept: list[Trial] = []
        for trial in trials:
            if not self.holds(trial):
                found.append(found[-1] if found else None)
                continue
            kept = self.front([*kept, trial])
            if self.several:
                found.append(hypervolume(self.losses(kept), self.reference))
            else:
                found.append(kept[0].outputs[self.output])
        return found

    def enough(self, trials: Sequence[Trial]) -> str:
        """Why nothing more need be tried; "" where the search should go on."""
        if self.stop == NO_STOP:
            return ""
        return self.stop.reason(self.progress(trials), self.several or self.maximise)

    def excesses(self, trial: Trial) -> list[float]:
        """By how much each limit is missed, in order."""
        return [limit.excess(trial.outputs[limit.output]) for limit in self.limits]

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """The best trial that keeps all limits; of several objectives, by the first."""
        good = [trial for trial in trials if self.holds(trial)]
        return min(good, key=self.loss, default=None)

    def allowed(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """The trials, if sums of their settings keep their bounds.

        Raises:
            ConfigError: If one does not; what it taught would be taken for a point to choose.
        """
        for trial in trials:
            if told := self.space.missed(trial.settings):
                raise ConfigError(
                    f"a result at {described(trial.settings)} cannot be told: {told}."
                )
        return trials

    def judged(self, trial: Trial) -> Trial:
        """The trial, as a failure where it lacks a wanted number or that is not finite.

        A standard error that is not above zero is lacking, too.
        """
        why = trial.failure or self._lacking(trial.outputs)
        if why == trial.failure:
            return trial
        return Trial(trial.settings, {}, trial.cost, why, trial.origin, trial.ended)

    def _lacking(self, outputs: Mapping[str, float]) -> str:
        """Why outputs are no result; "" where they are."""
        for output, name in self.errors.items():
            if name in outputs and not (math.isfinite(outputs[name]) and outputs[name] > 0.0):
                return (
                    f"the standard error {name!r} of {output!r} is {outputs[name]:g}, but a finite "
                    "number above zero is wanted"
                )
        missing = [n for n in self.wanted if not math.isfinite(outputs.get(n, math.nan))]
        known = ", ".join(sorted(outputs)) or "no number"
        return f"it gave no finite number {missing[0]!r}, only: {known}" if missing else ""


def _space(space: Space, goal: Mapping[str, Any]) -> Space:
    """The space, of which only candidates exist, or where sums are bounded."""
    if goal.get("candidates") and goal.get("where"):
        raise ConfigError("where: candidates are all that is allowed; leave others out of them.")
    if goal.get("candidates"):
        return CandidateSpace.holding(space, goal["candidates"])
    return BoundedSpace.keeping(space, goal["where"]) if goal.get("where") else space


def _region(space: Space) -> dict[str, Any]:
    """The plain data that :func:`_space` takes."""
    if (points := plain_points(space)) is not None:
        return {"candidates": points}
    return {"where": space.texts} if isinstance(space, BoundedSpace) else {}


def _sound(fidelity: Fidelity | None, space: Space) -> Fidelity | None:
    """The fidelity, if its setting is a number that always exists and can have the target."""
    if fidelity is None:
        return None
    if isinstance(space, BoundedSpace) and fidelity.setting in space.region.names:
        raise ConfigError(f"where: {fidelity.setting!r} is the fidelity, which is in no sum.")
    setting = space.settings.get(fidelity.setting)
    if setting is None or not setting.ordered or setting.when:
        raise ConfigError(
            f"fidelity.setting: {fidelity.setting!r} is no number of the space that always exists; "
            f"known: {', '.join(space.settings)}."
        )
    try:
        setting.own(fidelity.target)
    except ValueError as error:
        raise ConfigError(f"fidelity.target {error}.") from None
    return fidelity


def _limits(name: str, bounds: Any) -> list[Limit]:
    sides = set(bounds) if isinstance(bounds, Mapping) else set()
    if not sides or not sides <= {ABOVE, BELOW}:
        raise ConfigError(
            f"constraints.{name}: wants at_most, at_least or both, such as {{at_most: 0.01}}; "
            f"got {bounds!r}."
        )
    return [Limit(name, float(bound), side) for side, bound in bounds.items()]


def described(settings: Values) -> str:
    """Settings in one line for a person."""
    return ", ".join(f"{name} {_short(value)}" for name, value in settings.items())


def _short(value: Value) -> str:
    is_float = isinstance(value, float)
    return f"{value:.4g}" if is_float else str(value)

"""The gest-api standard of the Campaign collaboration (Xopt, libEnsemble), in both directions.

A generator of that standard has ``suggest`` and ``ingest`` of lists of dictionaries, and is made
with a VOCS: variables, objectives, constraints, and other settings. :class:`GestSearch` plugs one
in here; :func:`gest_generator` shows a search, and :func:`gest_explorer` any generator of ours, to
programs that speak the standard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, ContractError, require
from querist.core.prediction import AnsweredSample, Feedback, Verdict, Verdicts
from querist.core.tasks import resolve
from querist.tuning.search import make_search
from querist.tuning.space import Setting, Space, Values
from querist.tuning.trial import ABOVE, BELOW, Problem, Trial

WHO = "a gest-api generator"
AGAIN = 20
FAILED = ("nan", "skip")


def vocs_of(problem: Problem) -> Any:
    """A problem as a VOCS. Scales and conditions have no place there and are left out."""
    vocs = require("gest_api.vocs", "gest", WHO)
    variables = {name: _variable(vocs, s) for name, s in problem.space.settings.items()}
    goal = "MAXIMIZE" if problem.maximise else "MINIMIZE"
    constraints: dict[str, list[Any]] = {}
    for name, sides in problem.goal()["constraints"].items():
        if len(sides) == 2:
            constraints[name] = ["BOUNDS", sides[ABOVE], sides[BELOW]]
        else:
            word = "LESS_THAN" if BELOW in sides else "GREATER_THAN"
            constraints[name] = [word, next(iter(sides.values()))]
    return vocs.VOCS(
        variables=variables, objectives={problem.output: goal}, constraints=constraints
    )


def _variable(vocs: Any, setting: Setting) -> Any:
    if setting.kind == "real":
        return vocs.ContinuousVariable(domain=[setting.low, setting.high])
    return vocs.DiscreteVariable(values=set(setting.values()))


def problem_of(vocs: Any, runs: int | None = None, seed: int = 0) -> Problem:
    """A VOCS as a problem.

    Raises:
        ValueError: If it has not exactly one objective that is minimised or maximised, or a
            variable without bounds.
    """
    goals = {name: type(one).__name__ for name, one in vocs.objectives.items()}
    words = {"MinimizeObjective": "minimise", "MaximizeObjective": "maximise"}
    if len(goals) != 1 or next(iter(goals.values())) not in words:
        raise ValueError(f"a search of Querist has one objective, minimised or maximised: {goals}.")
    name, kind = next(iter(goals.items()))
    settings = {name: _setting(name, one) for name, one in vocs.variables.items()}
    limits = {name: _limits(one) for name, one in vocs.constraints.items()}
    goal = {words[kind]: name, "constraints": limits}
    try:
        return Problem.read(settings, goal, runs, seed)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _setting(name: str, variable: Any) -> dict[str, Any]:
    if hasattr(variable, "values"):
        return {"choice": sorted(variable.values, key=lambda value: (str(type(value)), value))}
    low, high = variable.domain
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"the variable {name!r} has no bounds; a search of Querist needs them.")
    return {"real": [low, high]}


def _limits(constraint: Any) -> dict[str, float]:
    if hasattr(constraint, "range"):
        return {ABOVE: constraint.range[0], BELOW: constraint.range[1]}
    word = BELOW if type(constraint).__name__ == "LessThanConstraint" else ABOVE
    return {word: constraint.value}


class GestSearch:
    """Any generator of the gest-api standard as a search; extra gest.

    Settings that do not exist under a condition are suggested all the same and passed over. Failed
    runs are ingested with NaN for every output, as Xopt does, or left out.

    Args:
        problem: What is searched.
        generator: A class or "package.module:Class" that is made with a VOCS, or a generator.
        options: Its keyword arguments.
        failed: "nan" or "skip".
    """

    def __init__(
        self,
        problem: Problem,
        generator: Any,
        options: Mapping[str, Any] | None = None,
        failed: str = "nan",
    ) -> None:
        if failed not in FAILED:
            raise ConfigError(f"failed is one of {FAILED}, not {failed!r}.")
        found = resolve(generator) if isinstance(generator, str) else generator
        made = found(vocs_of(problem), **(options or {})) if callable(found) else found
        if not (hasattr(made, "suggest") and hasattr(made, "ingest")):
            raise ContractError(f"{made!r} is no gest-api generator: it needs suggest and ingest.")
        self.problem, self.space, self.generator, self._failed = (
            problem,
            problem.space,
            made,
            failed,
        )
        self._asked: dict[str, list[dict[str, Any]]] = {}
        self._known: dict[str, Trial] = {}

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """What it suggests. Of what was tried already it is told at once, and asked again."""
        found: list[Values] = []
        for _ in range(AGAIN):
            if len(found) >= count:
                break
            for point in self._suggested(count - len(found)):
                found += self._take(point)
        return found

    def _suggested(self, count: int) -> list[dict[str, Any]]:
        try:
            points = self.generator.suggest(count)
        except ValueError:  # it cannot give exactly so many: as many as it likes then
            points = self.generator.suggest(None)
        return list(points)

    def _take(self, point: dict[str, Any]) -> list[Values]:
        values = self.space.own(point)
        key = self.space.key(values)
        if key in self._known:
            self._ingest([self._result(point, self._known[key])])
            return []
        waiting = self._asked.setdefault(key, [])
        waiting.append(dict(point))
        return [values] if len(waiting) == 1 else []

    def tell(self, trials: Sequence[Trial]) -> None:
        """Ingest results, with the identifiers of what it suggested."""
        results: list[Any] = []
        for trial in trials:
            key = self.space.key(trial.settings)
            self._known[key] = trial
            asked = self._asked.pop(key, None) or [self._whole(trial.settings)]
            results += [self._result(point, trial) for point in asked]
        self._ingest(results)

    def close(self) -> None:
        """Let the generator end what it runs beside itself; the standard calls it ``finalize``."""
        if hasattr(self.generator, "finalize"):
            self.generator.finalize()

    def _ingest(self, results: list[Any]) -> None:
        told = [one for one in results if one is not None]
        if told:
            self.generator.ingest(told)

    def _whole(self, values: Values) -> dict[str, Any]:
        """A point that it did not suggest; settings that do not exist get some value."""
        middle = {name: setting.value(0.5) for name, setting in self.space.settings.items()}
        return {**middle, **values}

    def _result(self, point: Mapping[str, Any], trial: Trial) -> Any:
        if trial.failure and self._failed == "skip":
            return None
        nothing = dict.fromkeys(self.problem.wanted, math.nan)
        return {**point, **nothing, **{n: trial.outputs[n] for n in trial.outputs}}


# -------------------------------------------------------------------------------- other direction


def gest_generator(
    vocs: Any, search: Any = "gp", runs: int | None = None, seed: int = 0, **options: Any
) -> Any:
    """A search of Querist as a generator of the gest-api standard; extra gest.

    Args:
        vocs: Of the standard; one objective.
        search: As :func:`~querist.tuning.search.make_search` takes.
        runs: How many runs are planned, where that is known.
        seed: Of everything random.
        options: Of the search.

    Raises:
        ValueError: If the VOCS cannot be used.
    """
    return _searching()(vocs, search, runs, seed, **options)


def gest_explorer(generator: Any, vocs: Any) -> Any:
    """A generator of Querist (one that proposes arrays of the VOCS's variables) as one of gest-api.

    Each variable is a field of the generator's samples with one number. Results come back to the
    walkers as answers. Points that it did not propose are passed over.
    """
    return _exploring()(vocs, generator)


@cache
def _searching() -> type:
    base: Any = require("gest_api.generator", "gest", WHO).Generator

    class QueristGenerator(base):  # type: ignore[misc]
        """A search of Querist behind suggest and ingest."""

        def __init__(
            self, vocs: Any, search: Any, runs: int | None, seed: int, **options: Any
        ) -> None:
            super().__init__(vocs)
            self.problem = problem_of(vocs, runs, seed)
            self.constants = {name: one.value for name, one in vocs.constants.items()}
            self.search = make_search(search, self.problem, options)
            self._pending: dict[str, Values] = {}

        def _validate_vocs(self, vocs: Any) -> None:
            problem_of(vocs)

        def suggest(self, num_points: int | None) -> list[dict[str, Any]]:
            """The next points to try."""
            wanted = 1 if num_points is None else num_points
            space: Space = self.problem.space
            found = [
                space.own(values)
                for values in self.search.ask(wanted, list(self._pending.values()))
            ]
            if num_points is not None and len(found) != num_points:
                raise ValueError(f"{num_points} points were asked for, {len(found)} are left.")
            self._pending |= {space.key(values): values for values in found}
            return [{**values, **self.constants} for values in found]

        def ingest(self, results: list[dict[str, Any]]) -> None:
            """Results of these and of other points; a NaN is a failure."""
            trials = [self._trial(result) for result in results]
            for trial in trials:
                self._pending.pop(self.problem.space.key(trial.settings), None)
            self.search.tell(trials)

        def _trial(self, result: Mapping[str, Any]) -> Trial:
            names = self.problem.wanted
            outputs = {n: float(result[n]) for n in names if n in result}
            settings = self.problem.space.own(result)
            return self.problem.judged(Trial(settings, outputs, result.get("cost")))

    return QueristGenerator


class _Walkers:
    """What the walkers of a generator propose, each point with a number."""

    def __init__(self, vocs: Any, generator: Any) -> None:
        self._names, self._outputs = tuple(vocs.variables), tuple(vocs.output_names)
        self._generator = generator
        self._open: dict[int, tuple[int, Any]] = {}
        self._spare: list[dict[str, Any]] = []
        self._count = 0

    def points(self, wanted: int | None) -> list[dict[str, Any]]:
        """So many points; the surplus of a round is kept for the next call."""
        while not self._spare or (wanted or 1) > len(self._spare):
            if not self._propose():
                raise ValueError("all walkers wait for results; ingest some first.")
        count = len(self._spare) if wanted is None else wanted
        found, self._spare = self._spare[:count], self._spare[count:]
        return found

    def _propose(self) -> int:
        proposal = self._generator.propose()
        ask = np.full(len(proposal.batch), Verdict.ASK, np.int8)
        unknown = Verdicts(ask, np.full(len(ask), np.nan))
        self._generator.observe(Feedback(proposal.walkers, None, unknown))
        samples = proposal.batch.with_ids().samples()
        for walker, sample in zip(proposal.walkers.tolist(), samples, strict=True):
            self._open[self._count] = walker, sample
            told = {name: np.asarray(sample[name]).item() for name in self._names}
            self._spare.append({**told, "_id": self._count})
            self._count += 1
        return len(proposal.batch)

    def answer(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Give results back to the walkers; those without a number are passed over."""
        answers = tuple(self._answer(result) for result in results if "_id" in result)
        nobody, none = np.zeros(0, np.int64), Verdicts(np.zeros(0, np.int8), np.zeros(0))
        self._generator.observe(Feedback(nobody, None, none, answers))

    def _answer(self, result: Mapping[str, Any]) -> AnsweredSample:
        if result["_id"] not in self._open:
            raise ValueError(f"no point with _id {result['_id']!r} waits for a result.")
        walker, sample = self._open.pop(result["_id"])
        outputs = {n: np.asarray(float(result[n])) for n in self._outputs if n in result}
        came = all(np.isfinite(value) for value in outputs.values())
        return AnsweredSample(walker, sample, outputs if came else None)


@cache
def _exploring() -> type:
    base: Any = require("gest_api.generator", "gest", WHO).Generator

    class QueristExplorer(base):  # type: ignore[misc]
        """A generator of Querist behind suggest and ingest."""

        returns_id = True

        def __init__(self, vocs: Any, generator: Any) -> None:
            super().__init__(vocs)
            self._walkers = _Walkers(vocs, generator)

        def _validate_vocs(self, vocs: Any) -> None:
            if not vocs.variables:
                raise ValueError("a generator needs variables.")

        def suggest(self, num_points: int | None) -> list[dict[str, Any]]:
            """What its walkers propose."""
            return self._walkers.points(num_points)

        def ingest(self, results: list[dict[str, Any]]) -> None:
            """Answers to what was suggested."""
            self._walkers.answer(results)

    return QueristExplorer

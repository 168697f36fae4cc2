"""Experiments that determine the parameters of a regression best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import prod

import numpy as np

from querist.core.errors import ConfigError
from querist.tuning.bounded import BoundedSpace
from querist.tuning.candidates import CandidateSpace
from querist.tuning.design import TERMS, Floats, d_optimal
from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Setting, Space, Value, Values
from querist.tuning.trial import Problem, Trial

LEVELS = (0.0, 0.5, 1.0)
DIRECTIONS = 64  # in which corners are looked for where sums are bounded
MOST = 2500  # candidates of a space that is no list
WEAK = 1e-4  # information of the prior that stands in where failures leave too few runs


class DOptimalSearch:
    """The planned runs as a D-optimal design, in random order.

    What is known already, from this study or another, is part of the design; where runs failed, the
    rest is planned anew. No point is run twice, so that repetitions become neighbours.

    Args:
        problem: What is searched; its objective is what is measured, and nothing is minimised.
        terms: Of the regression: "linear", "interactions" or "quadratic", over settings scaled to
            [-1, 1] (on log scales where they have one); categories are indicators.
        tries: Random starts of each plan.
    """

    knows_its_end = True

    def __init__(self, problem: Problem, terms: str = "quadratic", tries: int = 5) -> None:
        if problem.runs is None:
            raise ConfigError("a design wants to know its size; give the budget runs.")
        if terms not in TERMS:
            raise ConfigError(f"terms is one of {', '.join(TERMS)}, got {terms!r}.")
        if isinstance(problem.space, BoundedSpace) and problem.space.region.equal:
            raise ConfigError(
                "a regression's terms depend on each other where a sum must be equal to a number; "
                "leave one of its settings out, compute it in the simulation, and bound the rest: "
                "of a + b + c = 1 leave c out, and say a + b <= 1."
            )
        self.problem, self.space, self._terms, self._tries = problem, problem.space, terms, tries
        self.trials: list[Trial] = []
        self._rng = np.random.default_rng([problem.seed, 3])
        self._points = list(_candidates(problem.space, problem.seed))
        F = regressors(self.space, self._points, terms)
        if np.linalg.matrix_rank(F) < F.shape[1]:
            raise ConfigError(
                f"these settings do not determine all {F.shape[1]} parameters of a regression with "
                f"terms: {terms}; take fewer terms."
            )
        self.parameters = F.shape[1]
        self._plan: list[Values] | None = None

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keep results; one that failed, or that was not planned, changes the plan."""
        self.trials += self.problem.allowed(trials)
        if any(trial.failure or trial.origin != "run" for trial in trials):
            self._plan = None

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """The next points of the design."""
        own = sum(trial.origin == "run" for trial in self.trials)
        left = (self.problem.runs or 0) - own - len(pending)
        if left <= 0:
            return []
        tried = {self.space.key(trial.settings) for trial in self.trials}
        tried |= {self.space.key(values) for values in pending}
        plan = [v for v in self._plan or () if self.space.key(v) not in tried]
        if len(plan) < left:
            plan = self._planned(left, pending, tried)
        self._plan = plan
        return plan[:count]

    def _planned(self, left: int, pending: Sequence[Values], tried: set[str]) -> list[Values]:
        points = [values for values in self._points if self.space.key(values) not in tried]
        left = min(left, len(points))
        if not left:
            return []
        made = [trial.settings for trial in self.trials if not trial.failure]
        held = regressors(self.space, [*made, *pending], self._terms)
        fixed = np.concatenate([held, WEAK * np.eye(self.parameters)])
        F = regressors(self.space, points, self._terms)
        rows = d_optimal(F, left, self._rng, fixed=fixed, repeats=False, tries=self._tries)
        return [points[row] for row in self._rng.permutation(rows)]


def regressors(space: Space, points: Sequence[Values], terms: str) -> Floats:
    """``(n, p)`` regression functions of points.

    Ordered settings are scaled to [-1, 1]; of categories all but the first have an indicator. A
    setting that does not exist at a point counts 0 there: it is nested in those that it depends on.
    """
    groups = [_columns(name, s, points) for name, s in space.settings.items()]
    found = [np.ones(len(points)), *(column for group in groups for column in group)]
    if terms != "linear":
        pairs = combinations(groups, 2)
        found += [a * b for one, other in pairs for a in one for b in other]
    if terms == "quadratic":
        ordered = [s.ordered and s.size > 2 for s in space.settings.values()]
        found += [group[0] ** 2 for group, squared in zip(groups, ordered, strict=True) if squared]
    return np.stack(found, axis=1)


def _columns(name: str, setting: Setting, points: Sequence[Values]) -> list[Floats]:
    values = [point.get(name) for point in points]
    if setting.ordered:
        placed = (0.5 if value is None else setting.feature(value) for value in values)
        return [2.0 * np.array(list(placed)) - 1.0]
    rest = setting.choices if setting.when else setting.choices[1:]
    return [np.array([float(value == one) for value in values]) for one in rest]


def _candidates(space: Space, seed: int) -> Iterator[Values]:
    """All of a small space; else ends and middles of all settings, and an even spread."""
    drawing = Drawing(space, seed)
    if drawing.listed or isinstance(space, CandidateSpace):
        yield from drawing.candidates(0, (), set())
        return
    spread = (space.point(place) for place in drawing.even(256))
    found = _cornered(space, seed) if isinstance(space, BoundedSpace) else _levelled(space, seed)
    yield from {space.key(values): values for values in (*found, *spread)}.values()


def _levelled(space: Space, seed: int) -> Iterator[Values]:
    """Ends and middles of all settings."""
    axes = [_levels(setting) for setting in space.settings.values()]
    if prod(map(len, axes)) <= MOST:
        rows: Iterator[tuple[Value, ...]] = product(*axes)
    else:
        rng = np.random.default_rng([seed, 4])
        rows = (tuple(axis[int(rng.integers(len(axis)))] for axis in axes) for _ in range(MOST))
    yield from (space.own(dict(zip(space.settings, row, strict=True))) for row in rows)


def _cornered(space: BoundedSpace, seed: int) -> Iterator[Values]:
    """Corners of what is allowed and what lies between two, with some levels of the rest."""
    region, rng = space.region, np.random.default_rng([seed, 4])
    ways = rng.standard_normal((DIRECTIONS, len(region.names)))
    every = np.unique([region.corner(way).round(12) for way in ways], axis=0)
    pairs = [(a + b) / 2 for a, b in combinations(every, 2)]
    rows = [*every, *(pairs[n] for n in rng.permutation(len(pairs))[: MOST // 4])]
    rest = {n: _levels(s) for n, s in space.settings.items() if n not in region.names}
    for row in rows:
        held: dict[str, Value] = dict(zip(region.names, region.numbers(row), strict=True))
        for _ in range(4 if rest else 1):
            drawn = {n: levels[int(rng.integers(len(levels)))] for n, levels in rest.items()}
            ordered = {n: held[n] if n in held else drawn[n] for n in space.settings}
            yield space.own(space.allowed(ordered))


def _levels(setting: Setting) -> list[Value]:
    if setting.kind == "choice":
        return list(setting.choices)
    return list(dict.fromkeys(setting.value(place) for place in LEVELS))

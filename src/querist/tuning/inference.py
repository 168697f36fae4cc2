"""Parameters learned from observations, with their uncertainty.

Where the settings of a study are parameters of a model of the world, and observed values of its
outputs are known, the runs of the study are enough to say which parameters are plausible: each
output is emulated by a Gaussian process, and the posterior of the parameters is sampled under a
uniform prior over the space (Kennedy & O'Hagan 2001, without a term for what the model lacks). What
the emulators do not know counts as noise, so that few runs give wide answers, not wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.tuning.bounded import BoundedSpace
from querist.tuning.searches.beliefs import Process
from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Space, Values
from querist.tuning.trial import Trial

Floats = NDArray[np.float64]
WALKERS, STRETCH = 40, 2.0
LEAST_RUNS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Draws of the parameters.

    Attributes:
        names: Of the parameters.
        draws: ``(n, d)`` in the parameters' own units.
        emulator_share: Of the variance that was taken for noise, how much the emulators' doubt is,
            by output: near 0 the runs suffice, near 1 more of them would sharpen the answer.
    """

    names: tuple[str, ...]
    draws: Floats
    emulator_share: Mapping[str, float]

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each parameter."""
        return dict(zip(self.names, self.draws.mean(axis=0).tolist(), strict=True))

    @property
    def std(self) -> dict[str, float]:
        """Standard deviation of each parameter."""
        return dict(zip(self.names, self.draws.std(axis=0).tolist(), strict=True))

    def interval(self, name: str, share: float = 0.9) -> tuple[float, float]:
        """The central interval that holds this share of the draws of a parameter."""
        column = self.draws[:, self.names.index(name)]
        tail = (1.0 - share) / 2.0
        low, high = np.quantile(column, [tail, 1.0 - tail])
        return float(low), float(high)

    def correlation(self) -> Floats:
        """``(d, d)`` correlations of the parameters."""
        return np.atleast_2d(np.corrcoef(self.draws.T))


def posterior(
    space: Any,
    trials: Sequence[Trial],
    observed: Mapping[str, tuple[float, float]],
    draws: int = 4000,
    seed: int = 0,
) -> Posterior:
    """Which parameters are plausible.

    Args:
        space: As :meth:`~querist.tuning.space.Space.of` takes; real settings without conditions.
            Where sums of them are bounded, the space of the study's problem.
        trials: Runs of the model; failed ones are left out.
        observed: By output, the observed value and its standard deviation.
        draws: How many to draw.
        seed: Of the draws.

    Raises:
        ConfigError: If the space has other settings, an output is missing, or runs are too few.
    """
    own = Space.of(space)
    wrong = [name for name, s in own.settings.items() if s.kind != "real" or s.when]
    if wrong:
        raise ConfigError(f"parameters are real and without conditions, but {wrong[0]!r} is not.")
    if isinstance(own, BoundedSpace) and own.region.equal:
        raise ConfigError("sums of parameters may be bounded, but none may be equal to a number.")
    good = [trial for trial in trials if not trial.failure]
    if len(good) < LEAST_RUNS:
        raise ConfigError(f"at least {LEAST_RUNS} successful runs are needed, got {len(good)}.")
    emulators = {name: _emulator(own, good, name) for name in observed}
    likelihood = _Likelihood(own, emulators, observed)
    drawing = Drawing(own, seed)
    first = np.array([drawing.random() for _ in range(64 * WALKERS)])
    cube = _sampled(likelihood, first, draws, drawing.rng)
    values = [[float(v) for v in own.point(place).values()] for place in cube]
    return Posterior(tuple(own.settings), np.array(values), likelihood.shares(cube))


def _emulator(space: Space, trials: Sequence[Trial], name: str) -> Process:
    missing = [trial for trial in trials if name not in trial.outputs]
    if missing:
        known = ", ".join(sorted(missing[0].outputs))
        raise ConfigError(f"a run has no output {name!r}; it has: {known}.")
    points: list[Values] = [trial.settings for trial in trials]
    return Process(space.features(points), np.array([trial.outputs[name] for trial in trials]))


class _Likelihood:
    """Of places in the unit cube; features of real settings are their coordinates."""

    def __init__(
        self,
        space: Space,
        emulators: Mapping[str, Process],
        observed: Mapping[str, tuple[float, float]],
    ) -> None:
        self._space, self._emulators, self._observed = space, emulators, observed

    def __call__(self, places: Floats) -> Floats:
        """``(n,)`` log likelihoods; nothing is plausible outside of the space."""
        inside = ((places >= 0.0) & (places <= 1.0)).all(axis=1)
        if isinstance(self._space, BoundedSpace):
            inside &= self._space.keeps(np.clip(places, 0.0, 1.0))
        found = np.full(len(places), -np.inf)
        if inside.any():
            found[inside] = self._inside(places[inside])
        return found

    def _inside(self, places: Floats) -> Floats:
        total = np.zeros(len(places))
        for name, process in self._emulators.items():
            value, sigma = self._observed[name]
            mean, std = process(places)
            variance = sigma**2 + std**2
            total -= 0.5 * ((value - mean) ** 2 / variance + np.log(variance))
        return total

    def shares(self, places: Floats) -> dict[str, float]:
        """The emulators' part of the variance, by output."""
        found = {}
        for name, process in self._emulators.items():
            std = process(places)[1]
            found[name] = float((std**2 / (std**2 + self._observed[name][1] ** 2)).mean())
        return found


def _sampled(likelihood: _Likelihood, many: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Draws by an ensemble and its stretch move (Goodman & Weare 2010), without the first half.

    It begins near the likeliest of many places.
    """
    width = many.shape[1]
    best = np.argsort(-likelihood(many))[:WALKERS]
    walkers = many[best]
    value, half, kept = likelihood(walkers), WALKERS // 2, []
    first, second = slice(0, half), slice(half, None)
    rounds = 2 * int(np.ceil(draws / WALKERS)) + 100
    for _ in range(rounds):
        for moved, others in ((first, second), (second, first)):
            stretch = ((STRETCH - 1.0) * rng.random(half) + 1.0) ** 2 / STRETCH
            partner = walkers[others][rng.integers(half, size=half)]
            new = partner + stretch[:, None] * (walkers[moved] - partner)
            there = likelihood(new)
            ratio = (width - 1) * np.log(stretch) + there - value[moved]
            taken = np.log(rng.random(half)) < ratio
            walkers[moved] = np.where(taken[:, None], new, walkers[moved])
            value[moved] = np.where(taken, there, value[moved])
        kept.append(walkers.copy())
    return np.concatenate(kept[rounds // 2 :])[-draws:]

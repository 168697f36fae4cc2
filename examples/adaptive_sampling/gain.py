"""What choosing where to begin gained: rates against plain dynamics, and maps of all seeds.

Segments of all seeds of one strategy make one Markov model; frames of plain dynamics are counted as
they are. Where within a bin a walker begins is chosen, so that what it does at once is not what a
walker in that bin does: the first picosecond of a segment is left out of the model. Intervals are
of 95 %: of rates Poisson's, of their ratios exact (binomial, given the sum of events), of maps by
drawing seeds again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from compare import EVERY, LAG, SETTLED, STRATEGIES
from landscape import (
    BINS,
    Landscape,
    bins_of,
    counted,
    difference,
    is_left,
    shortfall,
    stationary,
    transitions,
)
from numpy.typing import NDArray
from reference import EVERY as REFERENCE_EVERY
from reference import crossings, reference, reference_torsions
from scipy.stats import beta, chi2

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

PARTS = 10  # of a run, after each of which a map is made
DRAWN = 50  # sets of seeds drawn again
WITHIN = (1.0, 0.75, 0.5)  # kT
LEVEL = 0.025, 0.975


@dataclass(frozen=True, slots=True)
class Rate:
    """Events in a time (ps)."""

    events: int
    time: float

    @property
    def per_nanosecond(self) -> float:
        """Events a simulated nanosecond."""
        return 1000.0 * self.events / self.time

    @property
    def interval(self) -> Interval:
        """Of it (Garwood, Biometrika 28, 437, 1936)."""
        low = 0.5 * float(chi2.ppf(LEVEL[0], 2 * self.events)) if self.events else 0.0
        high = 0.5 * float(chi2.ppf(LEVEL[1], 2 * self.events + 2))
        return 1000.0 * low / self.time, 1000.0 * high / self.time

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.events + other.events, self.time + other.time)

    def over(self, other: Rate) -> tuple[float, Interval]:
        """How many times another rate this is, with its interval (infinite where that is zero)."""
        a, b, scale = self.events, other.events, other.time / self.time
        share_low = float(beta.ppf(LEVEL[0], a, b + 1)) if a else 0.0
        share_high = float(beta.ppf(LEVEL[1], a + 1, b)) if b else 1.0
        low = scale * share_low / (1.0 - share_low)
        high = scale * share_high / (1.0 - share_high) if share_high < 1.0 else np.inf
        return (scale * a / b if b else np.inf), (low, high)


def rate_of(runs: Sequence[Mapping[str, Any]], event: str) -> Rate:
    """How often runs came to ``first_left`` or ``first_all``, over all time until they did."""
    happened = [run["found"] if event == "first_left" else run["basins"] >= 5 for run in runs]
    return Rate(int(sum(happened)), float(sum(run[event] for run in runs)))


def long_rate() -> Rate:
    """How often the long plain runs came to the left-handed side, over the time not spent there."""
    told = reference_torsions()
    return Rate(crossings(), float((~is_left(told)).sum() * REFERENCE_EVERY))


def plain_rate(runs: Sequence[Mapping[str, Any]]) -> Rate:
    """How often plain dynamics came to the left-handed side, the long runs included."""
    plain = [run for run in runs if run["strategy"] == "plain"]
    return rate_of(plain, "first_left") + long_rate()


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """All seeds of one strategy.

    Attributes:
        parts: Transitions (seeds, PARTS, bins, bins) until the end of each part, and of plain
            dynamics visits (seeds, PARTS, bins).
        frames: Phi and psi (m, 2) of all frames.
        time: Simulated time of one run, in ps.
    """

    parts: FloatArray
    frames: FloatArray
    time: float

    @classmethod
    def load(cls, strategy: str, folder: Path) -> Pooled:
        """From what ``compare.run`` kept."""
        runs = [np.load(path)["torsions"] for path in sorted(folder.glob(f"{strategy}-*.npz"))]
        each = _visits if strategy == "plain" else _transitions
        parts = np.array([_parts(run, each) for run in runs], np.float32)
        frames = np.concatenate([run[:, 1:].reshape(-1, 2) for run in runs]).astype(np.float64)
        return cls(parts, frames, EVERY * runs[0][:, 1:, 0].size)

    def map(self, part: int = -1, seeds: Sequence[int] | None = None) -> Landscape:
        """By the Markov model of these seeds (all), of what there was at the end of a part."""
        chosen = slice(None) if seeds is None else np.asarray(seeds)
        counts = np.asarray(self.parts[chosen, part].sum(axis=0), np.float64)
        if counts.ndim == 1:
            return Landscape(counts / counts.sum(), int(counts.sum()))
        return stationary(counts)

    def counted(self) -> Landscape:
        """Of all frames as they are."""
        return counted(self.frames)

    def differences(self) -> list[float]:
        """Of each run's own map, in kT, where both know anything."""
        seeds = range(len(self.parts))
        return [difference(self.map(seeds=[seed]), reference()) for seed in seeds]

    def errors(self) -> list[float]:
        """Of the map at the end of each part, in kT; what is not known counts as not known."""
        return [shortfall(self.map(part), reference()) for part in range(PARTS)]

    def drawn(self, seed: int = 0) -> tuple[Interval, Interval]:
        """Intervals of the last map's error and of its left-handed weight."""
        rng, count = np.random.default_rng(seed), len(self.parts)
        maps = [self.map(-1, rng.integers(0, count, count)) for _ in range(DRAWN)]
        errors = np.quantile([shortfall(one, reference()) for one in maps], LEVEL)
        left = np.quantile([one.left for one in maps], LEVEL)
        return (float(errors[0]), float(errors[1])), (float(left[0]), float(left[1]))


def _parts(run: NDArray[Any], each: Callable[[NDArray[Any]], FloatArray]) -> FloatArray:
    ends = np.linspace(0, len(run), PARTS + 1).round().astype(int)
    return np.cumsum([each(run[a:b]) for a, b in pairwise(ends)], axis=0)


def _visits(segments: NDArray[Any]) -> FloatArray:
    return np.bincount(bins_of(segments[:, 1:]).ravel(), minlength=BINS * BINS).astype(np.float64)


def _transitions(segments: NDArray[Any]) -> FloatArray:
    return transitions(list(segments[:, SETTLED:]), LAG)


def within(errors: Sequence[float], time: float, limit: float) -> float:
    """Simulated time (ps) from which on errors at the ends of equal parts stay below a limit."""
    above = np.flatnonzero(np.asarray(errors) > limit)
    begin = 0 if not len(above) else int(above[-1]) + 1
    return float("inf") if begin == len(errors) else time * (begin + 1) / len(errors)


def gains(runs: Sequence[Mapping[str, Any]], pooled: Mapping[str, Pooled]) -> dict[str, Any]:
    """By strategy: rates with their ratios to plain dynamics, and the map of all seeds together."""
    plain = [run for run in runs if run["strategy"] == "plain"]
    base = {"first_left": plain_rate(runs), "first_all": rate_of(plain, "first_all")}
    found: dict[str, Any] = {}
    for name in (name for name in STRATEGIES if name in pooled):
        mine = [run for run in runs if run["strategy"] == name]
        errors = pooled[name].errors()
        error_interval, left_interval = pooled[name].drawn()
        found[name] = {
            "runs": len(mine),
            **{event: _told(rate_of(mine, event), base[event]) for event in base},
            "cells": float(np.mean([run["cells"] for run in mine])),
            "cpu_seconds": float(np.mean([run["cpu_seconds"] for run in mine])),
            "errors": errors,
            "error_interval": error_interval,
            "left": pooled[name].map().left,
            "left_interval": left_interval,
            "counted_left": pooled[name].counted().left,
            "within": {str(x): _finite(within(errors, pooled[name].time, x)) for x in WITHIN},
        }
    return found


def _told(rate: Rate, base: Rate) -> dict[str, Any]:
    times, (low, high) = rate.over(base)
    return {
        "events": rate.events,
        "per_nanosecond": rate.per_nanosecond,
        "interval": rate.interval,
        "times_plain": _finite(times),
        "times_plain_interval": (low, _finite(high)),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""Trajectories of the molecule on surfaces: what is recorded, and what follows from it.

Units: Angstrom, fs, eV.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from casscf import MASSES
from methaniminium import trajectories
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdicts
from querist.generators.electronic import ACCELERATION

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Voyage(NamedTuple):
    """Of ``w`` molecules at ``t`` equally spaced times; after a molecule's end, NaN.

    Attributes:
        times: ``(t,)`` in fs.
        active: ``(t, w)`` the state each is in; after its end, its last.
        gaps: ``(t, w)`` between its state and the nearest other, in eV.
        doubts: ``(t, w)`` the committee's standard deviation of "steering", in eV/A.
        totals: ``(t, w)`` kinetic energy and that of the active surface, in eV.
        norms: ``(t, w)`` of the amplitudes.
        positions: ``(t, w, 6, 3)`` in Angstrom.
        seconds: Of all, and of predicting alone.
    """

    times: Floats
    active: Integers
    gaps: Floats
    doubts: Floats
    totals: Floats
    norms: Floats
    positions: Floats
    seconds: tuple[float, float]

    @property
    def steps(self) -> int:
        """Of single molecules."""
        return int(np.isfinite(self.gaps).sum())

    @property
    def steps_a_second(self) -> float:
        """Steps of single molecules."""
        return self.steps / self.seconds[0]

    @property
    def hops(self) -> int:
        """Of all molecules, up and down."""
        return int((np.diff(self.active, axis=0) != 0).sum())

    @property
    def excited(self) -> NDArray[np.bool_]:
        """``(t, w)`` whether a molecule is whole and not in the lowest state."""
        return (self.active > 0) & np.isfinite(self.gaps)

    @property
    def fates(self) -> tuple[float, float]:
        """Shares of molecules that came down to the lowest state, and that broke before."""
        short = np.isnan(self.gaps[-1])
        return float((self.active[-1] == 0).mean()), float((short & (self.active[-1] > 0)).mean())

    @property
    def predicting(self) -> float:
        """Its share of the time."""
        return self.seconds[1] / self.seconds[0]


def voyage(
    predict: Callable[[Batch], Prediction],
    walkers: int,
    seed: int = 7,
    begin: int = 5,
    **options: float,
) -> Voyage:
    """Run so many molecules at once, each until it has settled on the lower surface.

    Args:
        predict: The surfaces.
        walkers: Molecules, each with its own start.
        seed: Of their hops.
        begin: Seed of their starts.
        options: Of the trajectories, such as "duration" in fs.
    """
    generator = trajectories(walkers, walkers, begin, again=False, **options)
    generator.seed, rows = seed, []
    begin, spent, watching = time.perf_counter(), 0.0, 0.0
    while len((proposal := generator.propose()).walkers):
        now = time.perf_counter()
        said = predict(proposal.batch)
        spent += time.perf_counter() - now
        none = np.zeros(len(proposal.walkers))
        generator.observe(Feedback(proposal.walkers, said, Verdicts(none.astype(np.int8), none)))
        now = time.perf_counter()
        rows.append(_row(generator.state()[0], said, proposal.walkers))
        watching += time.perf_counter() - now
    total = time.perf_counter() - begin - watching
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Voyage(np.arange(len(rows)) * generator.time_step, *columns, (total, spent))


def _row(walkers: dict[str, Floats], said: Prediction, moved: Integers) -> tuple[Floats, ...]:
    active, energies = walkers["w/active"], said.mean["energies"]
    rows = np.arange(len(moved))
    apart = abs(energies - energies[rows, active[moved]][:, None])
    apart[rows, active[moved]] = np.inf
    velocities = walkers["w/velocities"][moved]
    kinetic = 0.5 * (np.repeat(MASSES, 3) * velocities**2).sum(1) / ACCELERATION
    doubt = said.uncertainty("steering") if "steering" in said.std else np.zeros(len(moved))

    def spread(values: Floats) -> Floats:
        wide = np.full((len(active), *values.shape[1:]), np.nan)
        wide[moved] = values
        return wide

    return (
        active.copy(),
        spread(apart.min(axis=1)),
        spread(doubt),
        spread(kinetic + energies[rows, active[moved]]),
        spread((walkers["w/amplitudes"][moved] ** 2).sum((1, 2))),
        spread(walkers["w/positions"][moved].reshape(len(moved), -1, 3)),
    )


class Lifetime(NamedTuple):
    """In fs, with a 95 % interval from resampled trajectories."""

    value: float
    low: float
    high: float


def lifetime(one: Voyage, state: int, seed: int = 0) -> Lifetime:
    """When the share of whole molecules in this state or a higher one first falls to ``1 / e``.

    The interval is the bootstrap's over whole trajectories (Efron and Tibshirani 1993), so it holds
    the chance of starts and hops, not the errors of surfaces or of surface hopping.
    """
    above = (one.active >= state) & one.excited

    def crossing(above: NDArray[np.bool_]) -> float:
        below = np.flatnonzero(above.mean(axis=1) <= np.exp(-1))
        return float(one.times[below[0]]) if len(below) else np.inf

    random, count = np.random.default_rng(seed), one.active.shape[1]
    again = [crossing(above[:, random.integers(count, size=count)]) for _ in range(500)]
    low, high = np.quantile(again, (0.025, 0.975), method="nearest")
    return Lifetime(crossing(above), float(low), float(high))


def drift(one: Voyage) -> Floats:
    """``(w,)`` largest change of each molecule's total energy from its beginning, in eV."""
    changes: Floats = np.nanmax(abs(one.totals - one.totals[0]), axis=0)
    return changes


def torsion(positions: Floats) -> Floats:
    """``(...)`` degrees between the CH2 and the NH2 plane, 0 to 180, of ``(..., 6, 3)``.

    Of the two ends' H-H lines, seen along the bond.
    """
    bond = positions[..., 1, :] - positions[..., 0, :]
    bond /= np.linalg.norm(bond, axis=-1, keepdims=True)
    lines = []
    for first, second in ((2, 3), (4, 5)):
        line = positions[..., second, :] - positions[..., first, :]
        line = line - (line * bond).sum(-1, keepdims=True) * bond
        lines.append(line / np.linalg.norm(line, axis=-1, keepdims=True))
    angle: Floats = np.degrees(np.arccos(np.clip((lines[0] * lines[1]).sum(-1), -1, 1)))
    return angle

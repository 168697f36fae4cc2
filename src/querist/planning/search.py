"""Searches the allocation of workers to roles by simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from querist.core.errors import ConfigError
from querist.planning.forecast import Allocation, Forecast
from querist.planning.placement import ONE_CORE, Machine, Placement

ROUNDS = 20  # of looking at the neighbours of the best one
WORSE = 1.05  # than the best so far: a row of the coarse grid is followed no longer

Evaluate = Callable[[Allocation], Forecast]


@dataclass(frozen=True, slots=True)
class Space:
    """Allocations that may be chosen.

    Attributes:
        workers: In all.
        oracles: Weight by oracle, where there are several.
        trainers: Most that are of use: one for each member that is fitted apart; 0 for none.
        gpus: That there are; None for no limit.
        explorers: Most that are of use.
        batches: Sizes of tasks to try; empty for the planned one.
        placement: Where they run; an oracle's worker counts for as many as its answers have cores.
        machine: The nodes that they must fit into; None for any.
    """

    workers: int
    oracles: Mapping[str, float]
    trainers: int = 1
    gpus: float | None = None
    placement: Placement = ONE_CORE
    machine: Machine | None = None
    explorers: int = 1_000_000
    batches: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        least = self._least + 1 + self.placement.generators + min(1, self.trainers)
        if self.workers < least:
            raise ConfigError(
                f"an explorer, a worker for each oracle and a trainer are {least} workers, but "
                f"there are {self.workers} to plan for."
            )

    @property
    def _least(self) -> int:
        """Of the oracles together."""
        return sum(map(self.placement.size, self.oracles))

    def allocation(self, explorers: int, trainers: int, batch: int | None) -> Allocation | None:
        """With all other workers for the oracles; None where that cannot be."""
        at = self.placement
        left = self.workers - explorers * (1 + at.generators) - trainers
        least = min(1, self.trainers)
        fits = 1 <= explorers <= self.explorers and least <= trainers <= self.trainers
        gpus = math.inf if self.gpus is None else self.gpus
        gpus -= explorers * at.explorer_gpus + trainers * at.trainer_gpus
        gpus -= sum(map(at.gpus, self.oracles))
        if not fits or left < self._least or gpus < -1e-9:
            return None
        oracles = _shared(self.oracles, left, at, gpus)
        made = Allocation(explorers, oracles, trainers, batch, placement=at)
        return made if self.machine is None else _packed(made, self.machine)

    def rows(self) -> Iterator[list[Allocation]]:
        """A coarse grid: a row for each number of trainers, more explorers along it."""
        batch = self.batches[0] if self.batches else None
        for trainers in dict.fromkeys([*_powers(self.trainers), self.trainers]):
            row = (self.allocation(n, trainers, batch) for n in _powers(self.workers))
            yield [one for one in row if one is not None]

    def near(self, at: Allocation) -> Iterator[Allocation]:
        """What differs by one step."""
        steps = {1, max(1, at.explorers // 4)}
        moves = [(at.explorers + sign * step, at.trainers) for step in steps for sign in (1, -1)]
        moves += [(at.explorers, at.trainers + sign) for sign in (1, -1)]
        for explorers, trainers in moves:
            found = self.allocation(explorers, trainers, at.batch)
            if found is not None:
                yield replace(found, every=at.every)
        yield from (replace(at, batch=batch) for batch in self.batches if batch != at.batch)


def search(space: Space, evaluate: Evaluate) -> list[Forecast]:
    """Forecasts of all allocations that were tried, best first.

    A coarse grid, then neighbours of the best until none is better.

    Args:
        space: What may be chosen.
        evaluate: Gives a forecast.
    """
    tried: dict[Allocation, Forecast] = {}
    for row in space.rows():
        tried |= _along(row, evaluate)
    if not tried:
        raise ConfigError(
            f"no allocation of {space.workers} workers has the cores and GPUs that its roles need "
            f"({space.placement.sentence() or 'a core each'})."
        )
    for _ in range(ROUNDS):
        best = min(tried.values(), key=order)
        fresh = [one for one in space.near(best.allocation) if one not in tried]
        tried |= {one: evaluate(one) for one in fresh}
        if min(tried.values(), key=order) is best:
            break
    return sorted(tried.values(), key=order)


def _along(row: list[Allocation], evaluate: Evaluate) -> dict[Allocation, Forecast]:
    """Forecasts along a row, until more explorers only take workers from the oracles."""
    tried: dict[Allocation, Forecast] = {}
    for one in row:
        found = tried[one] = evaluate(one)
        best = min(tried.values(), key=order)
        if found is not best and found.seconds > WORSE * best.seconds:
            break
    return tried


def order(found: Forecast) -> tuple[bool, float, int]:
    """Sorts forecasts, the best first."""
    ended = found.status == "finished"
    return (not ended, found.seconds if ended else -found.labels, found.allocation.trainers)


def _powers(most: int) -> list[int]:
    return [2**k for k in range(most.bit_length()) if 2**k <= most] or [0]


def _packed(made: Allocation, machine: Machine) -> Allocation | None:
    """With as many of the largest oracle's workers as fit into nodes; None where none does."""
    at = made.placement
    while machine.packed(made.roles(), at) is None:
        counts = dict(made.oracles)
        largest = max(counts, key=lambda name: (counts[name] > 1, at.size(name), counts[name]))
        if counts[largest] == 1:
            return None
        counts[largest] -= max(1, counts[largest] // 64)
        made = replace(made, oracles=tuple(counts.items()))
    return made


def _shared(
    weights: Mapping[str, float], workers: int, at: Placement, gpus: float
) -> tuple[tuple[str, int], ...]:
    """Whole numbers in proportion, at least one each (Webster's method), while there is room."""
    counts = dict.fromkeys(weights, 1)
    workers -= sum(map(at.size, weights))
    growing = set(weights)
    while growing:
        name = min(growing, key=lambda one: ((counts[one] + 0.5) / weights[one], one))
        if at.size(name) > workers or at.gpus(name) > gpus + 1e-9:
            growing.remove(name)
            continue
        counts[name] += 1
        workers -= at.size(name)
        gpus -= at.gpus(name)
    return tuple(counts.items())

"""Searches the allocation of workers to roles by simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from querist.core.errors import ConfigError
from querist.planning.forecast import Allocation, Forecast

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
        explorer_gpus, trainer_gpus: That one needs.
        explorers: Most that are of use.
        batches: Sizes of tasks to try; empty for the planned one.
    """

    workers: int
    oracles: Mapping[str, float]
    trainers: int = 1
    gpus: float | None = None
    explorer_gpus: float = 0.0
    trainer_gpus: float = 0.0
    explorers: int = 1_000_000
    batches: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        least = len(self.oracles) + 1 + min(1, self.trainers)
        if self.workers < least:
            raise ConfigError(
                f"an explorer, a worker for each oracle and a trainer are {least} workers, but "
                f"there are {self.workers} to plan for."
            )

    def allocation(self, explorers: int, trainers: int, batch: int | None) -> Allocation | None:
        """With all other workers for the oracles; None where that cannot be."""
        left = self.workers - explorers - trainers
        least = min(1, self.trainers)
        fits = 1 <= explorers <= self.explorers and least <= trainers <= self.trainers
        wanted = explorers * self.explorer_gpus + trainers * self.trainer_gpus
        if not fits or left < len(self.oracles) or wanted > (self.gpus or float("inf")) + 1e-9:
            return None
        return Allocation(explorers, _shared(self.oracles, left), trainers, batch)

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
            f"no allocation of {space.workers} workers has the GPUs that its roles need "
            f"({space.explorer_gpus:g} an explorer, {space.trainer_gpus:g} a trainer)."
        )
    for _ in range(ROUNDS):
        best = min(tried.values(), key=_order)
        fresh = [one for one in space.near(best.allocation) if one not in tried]
        tried |= {one: evaluate(one) for one in fresh}
        if min(tried.values(), key=_order) is best:
            break
    return sorted(tried.values(), key=_order)


def _along(row: list[Allocation], evaluate: Evaluate) -> dict[Allocation, Forecast]:
    """Forecasts along a row, until more explorers only take workers from the oracles."""
    tried: dict[Allocation, Forecast] = {}
    for one in row:
        found = tried[one] = evaluate(one)
        best = min(tried.values(), key=_order)
        if found is not best and found.seconds > WORSE * best.seconds:
            break
    return tried


def _order(found: Forecast) -> tuple[bool, float, int]:
    ended = found.status == "finished"
    return (not ended, found.seconds if ended else -found.labels, found.allocation.trainers)


def _powers(most: int) -> list[int]:
    return [2**k for k in range(most.bit_length()) if 2**k <= most] or [0]


def _shared(weights: Mapping[str, float], workers: int) -> tuple[tuple[str, int], ...]:
    """Whole numbers in proportion, at least one each (Webster's method)."""
    counts = dict.fromkeys(weights, 1)
    for _ in range(workers - len(counts)):
        counts[min(counts, key=lambda name: (counts[name] + 0.5) / weights[name])] += 1
    return tuple(counts.items())

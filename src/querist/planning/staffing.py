"""Which role a worker should leave for which, while a campaign runs: its rest in simulated time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from querist.accounting.facts import FactLike, named, number, text
from querist.control.plan import Plan
from querist.control.state import CampaignState
from querist.core.events import Fact
from querist.engines.durations import Constant
from querist.planning.forecast import Allocation, Forecast, forecast
from querist.planning.measured import Measured

GAIN = 0.1  # share of the remaining time that moving must save
BACK = 2.0  # times as much, where it undoes what was done last
WORTH = 3.0  # times the seconds that a worker needs to change its role, at least
FEWEST = 16  # new answers, or twice as many as there are workers, between two looks at least
SLICES = 4  # of exploring with a model, from which on it is known
STEP = 0.99  # of the best so far: what is worse ends the search
ROUNDS = 12
EXPLORERS, TRAINER, ORACLE = "explorers", "trainer", "oracle."


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be moved.

    Attributes:
        least: Workers that each role keeps, by role ("explorers", "trainer", "oracle.NAME"); only
            these roles exchange workers.
        most: The most that are of use, where there is a limit.
        members: Of the committee.
    """

    least: Mapping[str, int]
    most: Mapping[str, int]
    members: int = 1


@dataclass(frozen=True, slots=True)
class Advice:
    """One worker that should change its role.

    Attributes:
        source, target: Roles.
        why: A sentence.
    """

    source: str
    target: str
    why: str


class Adviser:
    """Follows a run's facts and says when workers should change their roles.

    Its forecasts are of what is left of the campaign, from what was measured lately. It waits until
    moves are done and were measured, wants the same advice twice in a row, and a larger gain to
    undo the last one: so workers do not go to and fro.

    Args:
        plan: Of the campaign.
        bounds: What may be moved.
    """

    def __init__(self, plan: Plan, bounds: Bounds) -> None:
        self._plan, self._bounds = plan, bounds
        self._state = CampaignState(plan)
        self._pools: Counter[str] = Counter()
        self._measured = Measured(plan.error_metric, bounds.members, recent=256)
        self._moving = self._joining = 0
        self._answers = self._looked = 0
        self._sent: dict[str, float] = {}
        self._labels = 1.0  # that forecasts are of
        self._change = 1.0  # seconds that a worker needs to change its role
        self._before: set[tuple[str, str]] = set()
        self._last: set[tuple[str, str]] = set()

    def add(self, fact: FactLike) -> None:
        """Take the next fact, in the journal's order."""
        self._state.fold(Fact(fact.kind, fact.data))
        self._measured.add(fact)
        handler = _HANDLERS.get(fact.kind)
        if handler is not None:
            handler(self, fact)

    def _started(self, fact: FactLike) -> None:
        self._pools = Counter({k: int(v) for k, v in named(fact.data, "pools").items()})
        self._moving = self._joining = 0
        workers = sum(self._pools.values())
        self._measured = Measured(
            self._plan.error_metric, self._bounds.members, recent=max(64, 4 * workers)
        )

    def _moves(self, fact: FactLike) -> None:
        self._moving += 1
        self._sent[text(fact.data, "target")] = number(fact.data, "t")

    def _left(self, fact: FactLike) -> None:
        self._pools[text(fact.data, "pool")] -= 1
        self._pools[text(fact.data, "target")] += 1
        self._moving, self._joining = max(0, self._moving - 1), self._joining + 1

    def _joined(self, fact: FactLike) -> None:
        sent = self._sent.pop(text(fact.data, "pool"), None)
        if sent is not None:
            self._change = max(0.1, number(fact.data, "t") - sent)
        if self._joining:
            self._joining -= 1
            self._looked = self._answers  # what was measured until now was with other workers

    def _lost(self, fact: FactLike) -> None:
        if fact.data.get("final"):
            self._pools[text(fact.data, "pool")] -= 1

    def _answered(self, fact: FactLike) -> None:
        self._answers += 1

    # --------------------------------------------------------------------------------- advice

    @property
    def ready(self) -> bool:
        """Whether enough has happened since the last look, and exploring with a model is known."""
        wanted = max(FEWEST, 2 * sum(self._pools.values()))
        is_still = not self._moving and not self._joining
        return is_still and self._new >= wanted and self._measured.explored >= SLICES

    @property
    def _new(self) -> int:
        return self._answers - self._looked

    def advice(self) -> list[Advice]:
        """Workers that should change their roles now; mostly none."""
        self._looked = self._answers
        here = self._allocation()
        left = self._state.ledger.label_limit - self._state.ledger.labels
        if here is None or left < FEWEST:
            return []
        evaluate = self._evaluate(left)
        now, best = evaluate(here, 0), improved(here, self._bounds, evaluate)
        moves = difference(here, best.allocation)
        found, self._before = (set(moves) == self._before), set(moves)
        if not moves or not found or not self._is_worth(here, best.allocation, evaluate, moves):
            return []
        self._before, self._last = set(), set(moves)
        told = f"forecast of the next {self._labels:.0f} labels"
        why = f"{told}: {best.seconds:.3g} s instead of {now.seconds:.3g} s, with "
        why = f"{why}{best.allocation.sentence()}; until now {now.bottleneck}"
        return [Advice(*move, why) for move, times in moves.items() for _ in range(times)]

    def _is_worth(
        self, here: Allocation, there: Allocation, evaluate: Evaluate, moves: Mapping[Move, int]
    ) -> bool:
        """Whether the gain also holds with other draws, and pays for the change."""
        before = sum(evaluate(here, seed).seconds for seed in (1, 2)) / 2
        after = sum(evaluate(there, seed).seconds for seed in (1, 2)) / 2
        undoes = any((target, source) in self._last for source, target in moves)
        left = self._state.ledger.label_limit - self._state.ledger.labels
        wanted = GAIN * before * (BACK if undoes else 1.0)
        # The forecast may be of a part of what is left.
        parts = left / self._labels
        return before - after > max(wanted, WORTH * self._change / parts)

    def _evaluate(self, left: float) -> Evaluate:
        """Forecasts of the rest, or of so much of it as shows the rates."""
        workers = sum(self._pools.values())
        self._labels = min(left, max(200.0, 20.0 * workers))
        rest = replace(self._plan, labels=self._labels, cost=math.inf, seconds=None)
        lately = self._measured.behaviour()
        # An oracle that was never asked is taken to be like another: nobody may ever ask it.
        others = next(iter(lately.labels.values()), Constant(1.0))
        labels, begun = {"*": others, **lately.labels}, self._state.train_labels
        known = replace(lately, labels=labels, first=0.0, between=0.0, begun=begun)
        tried: dict[tuple[Allocation, int], Forecast] = {}

        def evaluate(at: Allocation, seed: int) -> Forecast:
            if (at, seed) not in tried:
                # What takes longer than the first, where workers are now, need not be followed.
                most = min((1.5 * f.seconds for f in tried.values()), default=1e9)
                members = self._bounds.members
                found = forecast(rest, at, known, members=members, seed=seed, limit=most)
                tried[at, seed] = found
            return tried[at, seed]

        return evaluate

    def _allocation(self) -> Allocation | None:
        oracles = tuple((o.name, self._pools[o.pool]) for o in self._plan.oracles if not o.outside)
        exploring = sum(n for pool, n in self._pools.items() if pool.startswith("explorer."))
        if not exploring or not all(count > 0 for _, count in oracles):
            return None
        return Allocation(exploring, oracles, self._pools[TRAINER])


Move = tuple[str, str]
Evaluate = Callable[[Allocation, int], Forecast]


def improved(start: Allocation, bounds: Bounds, evaluate: Evaluate) -> Forecast:
    """The best allocation that is reached from one by moving workers, each step a better one."""
    best = evaluate(start, 0)
    for _ in range(ROUNDS):
        tried = [evaluate(one, 0) for one in neighbours(best.allocation, bounds)]
        better = min(tried, key=_order, default=best)
        if _order(better) >= (_order(best)[0], STEP * best.seconds):
            break
        best = better
    return best


def _order(found: Forecast) -> tuple[bool, float]:
    return found.status != "finished", found.seconds


def roles(at: Allocation) -> dict[str, int]:
    """Workers by role."""
    oracles = {f"{ORACLE}{name}": count for name, count in at.oracles}
    return {EXPLORERS: at.explorers, TRAINER: at.trainers, **oracles}


def neighbours(at: Allocation, bounds: Bounds) -> Iterator[Allocation]:
    """What differs by workers that one role gives another: one, or half of what it can spare."""
    counts = roles(at)
    for source, least in bounds.least.items():
        spare = counts[source] - least
        for target in bounds.least:
            room = bounds.most.get(target, 10**9) - counts[target]
            for step in {1, max(1, spare // 2)}:
                if target != source and step <= min(spare, room):
                    moved = {source: counts[source] - step, target: counts[target] + step}
                    yield _made(at, {**counts, **moved})


def _made(at: Allocation, counts: Mapping[str, int]) -> Allocation:
    oracles = tuple((name, counts[f"{ORACLE}{name}"]) for name, _ in at.oracles)
    return replace(at, explorers=counts[EXPLORERS], oracles=oracles, trainers=counts[TRAINER])


def difference(here: Allocation, there: Allocation) -> Counter[Move]:
    """How many workers have to move from which role to which."""
    before, after = roles(here), roles(there)
    more = [role for role in after for _ in range(after[role] - before[role])]
    fewer = [role for role in before for _ in range(before[role] - after[role])]
    return Counter(zip(fewer, more, strict=True))


_HANDLERS: dict[str, Callable[[Adviser, FactLike], None]] = {
    "run.started": Adviser._started,
    "worker.moves": Adviser._moves,
    "worker.left": Adviser._left,
    "worker.joined": Adviser._joined,
    "worker.lost": Adviser._lost,
    "answer.label": Adviser._answered,
    "answer.failure": Adviser._answered,
}

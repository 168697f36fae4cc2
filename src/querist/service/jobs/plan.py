"""Which job runs next, and which one makes room: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TURN = 6  # times the patience that a tenant's only job may run while others wait
_LEAST_PATIENCE, _MOST_BARREN = 0.1, 10


class Waiting(NamedTuple):
    """A job that waits, since an instant in seconds."""

    job: str
    tenant: str
    since: float


class Running(NamedTuple):
    """A job that runs, since an instant in seconds; ``mine`` if this runner has it.

    ``barren`` is how often it was suspended before it had come any further.
    """

    job: str
    tenant: str
    since: float
    mine: bool = True
    barren: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """How the slots are shared.

    Attributes:
        slots: Of this runner.
        weight: By tenant, 1 by default.
        most: Jobs of a tenant that run at once, by tenant.
        served: Seconds of work that a tenant got already.
        patience: See ``jobs.patience`` in service.yaml.
    """

    slots: int
    weight: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, float] = field(default_factory=dict)
    patience: float = 20.0

    def load(self, tenant: str, running: Counter[str]) -> tuple[float, float]:
        """Who has least is next: jobs that run, then work done, each by the tenant's weight."""
        weight = self.weight.get(tenant, 1.0)
        return running[tenant] / weight, self.served.get(tenant, 0.0) / weight

    def may_start(self, tenant: str, running: Counter[str]) -> bool:
        """Whether the tenant's own limit allows one more."""
        return running[tenant] < self.most.get(tenant, 1 << 30)


class Plan(NamedTuple):
    """Jobs to start now, in order; jobs to suspend, whose slots are then given away."""

    start: list[str]
    suspend: list[str]


def plan(
    waiting: Sequence[Waiting], running: Sequence[Running], shares: Shares, now: float
) -> Plan:
    """Share the slots between the tenants that want them.

    A tenant's jobs start in the order in which they came. Between tenants the one with the least
    running work for its weight is next. When all slots are taken and a tenant without any job has
    waited for ``patience`` seconds, the newest job of the tenant with most of them makes room; when
    each has one only, that which has run for six times the patience and longest. That time doubles
    whenever it was too short for a job to come any further, so that those which take long to begin
    do not suspend each other for ever.
    """
    counts = Counter(one.tenant for one in running)
    queue = sorted(waiting, key=lambda one: (one.since, one.job))
    start: list[str] = []
    free = shares.slots - sum(one.mine for one in running)
    while free > 0:
        able = [one for one in queue if shares.may_start(one.tenant, counts)]
        if not able:
            break
        # Of a tenant's jobs the first in the queue is the oldest; min keeps the first of equals.
        chosen = min(able, key=lambda one: shares.load(one.tenant, counts))
        queue.remove(chosen)
        counts[chosen.tenant] += 1
        start.append(chosen.job)
        free -= 1
    return Plan(start, _making_room(queue, running, shares, now) if free <= 0 else [])


def _making_room(
    queue: Sequence[Waiting], running: Sequence[Running], shares: Shares, now: float
) -> list[str]:
    counts = Counter(one.tenant for one in running)
    starved = [
        one for one in queue if not counts[one.tenant] and now - one.since >= shares.patience
    ]
    mine = [one for one in running if one.mine]
    if not starved or not mine:
        return []
    rich = [one for one in mine if counts[one.tenant] > 1]
    if rich:
        chosen = max(rich, key=lambda one: (shares.load(one.tenant, counts)[0], one.since))
        return [chosen.job]
    long = [one for one in mine if now - one.since >= _turn(one, shares.patience)]
    return [min(long, key=lambda one: one.since).job] if long else []


def _turn(one: Running, patience: float) -> float:
    return _TURN * max(patience, _LEAST_PATIENCE) * 2.0 ** min(one.barren, _MOST_BARREN)


def came_further(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a job did, by its progress when it was started and when it was suspended."""
    if not after or after.get("stage") != before.get("stage"):
        return bool(after)
    return bool(after.get("done", 0) > before.get("done", 0))

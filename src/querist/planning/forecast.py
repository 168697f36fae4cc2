"""What a campaign on a given allocation would take, by simulated time, and what holds it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from querist.control.plan import Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.core.events import Fact
from querist.planning.behaviour import Behaviour, Scaled
from querist.planning.placement import EXPLORERS, ONE_CORE, TRAINERS, Placement
from querist.planning.virtual import Ended, Virtual

FINE = 0.05  # of an answer's seconds: how long a simulated slice of exploring is at least
BUSY = 0.9  # share from which on a role is taken to be what everything waits for


@dataclass(frozen=True, slots=True)
class Allocation:
    """How workers are shared out, and how questions are handed over.

    Attributes:
        explorers, trainers: Workers of these roles.
        oracles: Workers by oracle.
        batch: Questions in one task; None as planned.
        every: Training labels between two fits; None as planned.
        placement: Where they run.
    """

    explorers: int
    oracles: tuple[tuple[str, int], ...]
    trainers: int
    batch: int | None = None
    every: int | None = None
    placement: Placement = ONE_CORE

    @property
    def workers(self) -> int:
        """All of them."""
        return sum(self.roles().values())

    def roles(self) -> dict[str, int]:
        """Workers by role; "generators" are ranks that only generate."""
        apart = self.placement.generators * self.explorers
        found = {EXPLORERS: self.explorers, TRAINERS: self.trainers, **dict(self.oracles)}
        return found | ({"generators": apart} if apart else {})

    def counts(self) -> dict[str, int]:
        """Workers by pool."""
        found = {f"explorer.{slot}": 1 for slot in range(self.explorers)}
        found |= {f"oracle.{name}": count for name, count in self.oracles}
        return found | {"trainer": self.trainers}

    def plan(self, plan: Plan, members: int) -> Plan:
        """The plan on this allocation, for a committee of so many members."""
        batch = self.batch
        oracles = plan.oracles
        if batch is not None:
            oracles = tuple(replace(o, batch=o.batch if o.outside else batch) for o in oracles)
        parts = members if self.trainers > 1 else 1
        made = replace(plan, oracles=oracles, explorers=self.explorers)
        if self.every is not None and isinstance(plan.policy, StandardPolicy):
            made = replace(made, policy=replace(plan.policy, retrain=EveryLabels(self.every)))
        return replace(made, trainers=self.trainers, members=parts)

    def sentence(self) -> str:
        """For a person."""
        oracles = ", ".join(f"{count} × {name}" for name, count in self.oracles)
        told = f"{self.explorers} explorers, {oracles}, {self.trainers} trainers"
        told += "" if self.batch is None else f", batches of {self.batch}"
        told += "" if self.every is None else f", retraining every {self.every} labels"
        where = self.placement.sentence()
        return f"{told}; {where}" if where else told


@dataclass(frozen=True, slots=True)
class Forecast:
    """What simulated time says of an allocation.

    Attributes:
        allocation: Of workers.
        seconds: Campaign time until the end.
        status, reason: How it ended.
        labels: Durable labels that were paid for.
        busy: Share of its time that each role works: "explorers", "trainers", and oracles by name.
        bottleneck: What holds it back, in words.
    """

    allocation: Allocation
    seconds: float
    status: str
    reason: str
    labels: int
    busy: Mapping[str, float]
    bottleneck: str

    @property
    def utilisation(self) -> float:
        """Share of all workers' time that is worked."""
        counts = {"explorers": self.allocation.explorers, "trainers": self.allocation.trainers}
        counts |= dict(self.allocation.oracles)
        return sum(self.busy[role] * n for role, n in counts.items()) / sum(counts.values())


def coarse(behaviour: Behaviour, allocation: Allocation) -> Behaviour:
    """Several slices of exploring as one, where answers take much longer than a slice.

    They then bring as many candidates together, but no more than three times what oracles can take
    meanwhile: more would only be queued and dropped again.
    """
    rng = np.random.default_rng(0)
    oracles = allocation.oracles
    answers = {name: behaviour.of_label(name).draw(rng, 256).mean() for name, _ in oracles}
    slices = max(1e-6, float(behaviour.slices.draw(rng, 256).mean()))
    factor = max(1.0, FINE * min(answers.values()) / slices)
    rate = sum(count / max(1e-6, answers[name]) for name, count in oracles)
    most = 8 + 3 * rate * slices * factor / allocation.explorers
    found = Scaled(behaviour.found, factor, most)
    return replace(behaviour, slices=Scaled(behaviour.slices, factor), found=found)


def forecast(
    plan: Plan,
    allocation: Allocation,
    behaviour: Behaviour,
    *,
    members: int = 1,
    seed: int = 0,
    limit: float = 1e9,
) -> Forecast:
    """Run a campaign in simulated time.

    Args:
        plan: Of the campaign.
        allocation: To try.
        behaviour: Of its tasks.
        members: Members of its committee that may be fitted apart.
        seed: Of all draws.
        limit: Campaign seconds after which it is not followed any more.
    """
    simulated = virtual(allocation.plan(plan, members), allocation, behaviour, seed)
    ended = simulated.run(limit)
    busy = _busy(simulated.engine.busy(), allocation, ended.seconds)
    told = _bottleneck(busy, allocation, ended)
    labels = ended.controller.state.ledger.labels
    return Forecast(allocation, ended.seconds, ended.status, ended.reason, labels, busy, told)


def virtual(
    made: Plan,
    allocation: Allocation,
    behaviour: Behaviour,
    seed: int = 0,
    on_fact: Callable[[Fact], None] | None = None,
) -> Virtual:
    """The simulated campaign, not begun.

    Args:
        made: Its plan on this allocation.
        allocation: Of workers.
        behaviour: Of its tasks.
        seed: Of all draws.
        on_fact: Called with every fact.
    """
    return Virtual(made, allocation.counts(), coarse(behaviour, allocation), seed, on_fact)


def _busy(pools: Mapping[str, float], allocation: Allocation, seconds: float) -> dict[str, float]:
    exploring = sum(value for name, value in pools.items() if name.startswith("explorer."))
    found = {"explorers": (exploring, allocation.explorers)}
    found |= {n: (pools.get(f"oracle.{n}", 0.0), count) for n, count in allocation.oracles}
    found["trainers"] = pools.get("trainer", 0.0), allocation.trainers
    return {
        role: min(1.0, spent / (count * seconds)) if count and seconds > 0 else 0.0
        for role, (spent, count) in found.items()
    }


def _bottleneck(busy: Mapping[str, float], allocation: Allocation, ended: Ended) -> str:
    oracles = {name: busy[name] for name, _ in allocation.oracles}
    name, share = max(oracles.items(), key=lambda item: item[1])
    if ended.status == "unfinished":
        return f"it does not end in time; {name!r} is busy {share:.0%}"
    if share >= BUSY:
        return f"the oracle {name!r}, busy {share:.0%}: more of its workers would shorten the run"
    trained = busy["trainers"]
    takes_turns = share + trained <= 1.1  # oracles wait while it trains, and the other way round
    if trained >= BUSY or (trained > 0.5 and takes_turns):
        return f"training, busy {trained:.0%}, while {name!r} is busy {share:.0%} only"
    if ended.controller.asking.queued == 0 and busy["explorers"] >= BUSY:
        return (
            f"questions: explorers are busy {busy['explorers']:.0%} and find too few for {name!r}, "
            f"busy {share:.0%}"
        )
    return (
        f"nothing is short of workers ({name!r} busy {share:.0%}, training {trained:.0%}): the "
        "rest is starting up, the first model, and waiting for the last answers"
    )

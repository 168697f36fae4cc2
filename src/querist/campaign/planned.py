"""Plans a campaign: its own settings and a run's measurements, into simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from querist.campaign.settings import CampaignSettings, number
from querist.campaign.wiring import members_of, plan
from querist.core.errors import ConfigError
from querist.core.tasks import Resources
from querist.planning.behaviour import Behaviour
from querist.planning.forecast import Allocation, Forecast, forecast
from querist.planning.measured import measured
from querist.planning.placement import EXPLORERS, TRAINERS, Effects, Machine, Placement
from querist.planning.search import Space, order, search
from querist.store.run_folder import RunFolder

PAYS = 0.98  # of the makespan: what another placement must take at most


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be planned for.

    Attributes:
        workers: In all roles together; rank 0 of an MPI job and the campaign's own process are not
            among them.
        gpus: That there are; None for no limit.
        walltime: Seconds that the campaign may take; None for no limit.
        batches: Sizes of the oracles' tasks to try; empty for the configured one.
        seed: Of simulated time.
        nodes: That workers are on, all alike.
        gpu_speedup: Times as fast as on a core, by role ("trainers", "explorers"), as stated.
        serial: Share of an answer's time that more cores do not shorten, by oracle, as stated.
        error: Of the hold-out, that is wanted; None for what stops the campaign, or the run's last.
        every: Retrain intervals to try, in training labels; empty for doubled ones.
    """

    workers: int
    gpus: float | None = None
    walltime: float | None = None
    batches: tuple[int, ...] = ()
    seed: int = 0
    nodes: int = 1
    gpu_speedup: Mapping[str, float] = field(default_factory=dict)
    serial: Mapping[str, float] = field(default_factory=dict)
    error: float | None = None
    every: tuple[int, ...] = ()

    def machine(self) -> Machine:
        """The nodes, with a core for each worker."""
        gpus = 0 if self.gpus is None else math.floor(self.gpus)
        if self.workers % self.nodes or gpus % self.nodes:
            raise ConfigError(
                f"{self.nodes} nodes that are all alike do not have {self.workers} cores and "
                f"{gpus} GPUs together."
            )
        return Machine(self.nodes, self.workers // self.nodes, gpus // self.nodes)


def behaviour_of(run: Path | str, settings: CampaignSettings) -> Behaviour:
    """How the tasks of a run behaved.

    Raises:
        NotARun: If the folder holds no run.
        RunError: If it has no timed answer yet.
    """
    facts = RunFolder(run).journal_reader().read_new()
    return measured(facts, metric_of(settings), members_of(settings))


def metric_of(settings: CampaignSettings) -> str:
    """The error that plans speak of."""
    return settings.error_metric or f"{settings.gate.output}.mae"


def current(settings: CampaignSettings) -> Allocation:
    """The allocation that settings name; counts that are open count as one."""
    oracles = {n: number(o.workers) for n, o in settings.oracles.items() if not o.outside}
    return Allocation(number(settings.explorers), tuple(oracles.items()), number(settings.trainers))


def placement_of(settings: CampaignSettings) -> Placement:
    """The placement that settings name.

    Raises:
        ConfigError: If an answer needs several nodes, or members are apart: neither is planned.
    """
    cores, gpus = [], []
    for name, oracle in settings.oracles.items():
        needed = Resources() if oracle.resources is None else oracle.resources.needed()
        if needed.nodes > 1:
            raise ConfigError(f"oracles.{name}: answers of several nodes are not planned.")
        cores.append((name, needed.ranks * needed.cores))
        gpus.append((name, float(needed.gpus)))
    apart = settings.placement
    if apart.kind == "split" and apart.by == "member":
        raise ConfigError(
            "plans are made for placement: colocated, or split by: replica; this campaign's "
            "committee is split by: member."
        )
    each = number(apart.generators) / max(1, number(apart.predictors))
    return Placement(
        settings.gpus.explorers,
        settings.gpus.trainers,
        tuple(cores),
        tuple(gpus),
        max(1, round(each)) if apart.kind == "split" else 0,
    )


def forecast_of(
    settings: CampaignSettings, allocation: Allocation, behaviour: Behaviour, seed: int = 0
) -> Forecast:
    """What a campaign would take on an allocation."""
    members = members_of(settings)
    return forecast(plan(settings), allocation, behaviour, members=members, seed=seed)


def space_of(settings: CampaignSettings, wanted: Wanted, at: Placement | None = None) -> Space:
    """The allocations that may be chosen.

    Args:
        settings: Of the campaign.
        wanted: What is planned for.
        at: Where they are placed; None for what the settings say.

    Raises:
        ConfigError: If the campaign cannot be planned.
    """
    weights = {n: float(number(o.workers)) for n, o in settings.oracles.items() if not o.outside}
    if not weights:
        raise ConfigError(
            "all oracles of this campaign are answered from outside: nothing to plan."
        )
    return Space(
        wanted.workers,
        weights,
        members_of(settings) if settings.trainers else 0,
        wanted.gpus,
        placement_of(settings) if at is None else at,
        wanted.machine() if wanted.nodes > 1 or wanted.gpus else None,
        batches=wanted.batches,
    )


def planned(
    settings: CampaignSettings,
    behaviour: Behaviour,
    wanted: Wanted,
    effects: Effects | None = None,
) -> list[Forecast]:
    """Forecasts of all allocations that were tried, best first.

    Where they are placed is changed role by role, as long as it helps.

    Args:
        settings: Of the campaign.
        behaviour: Of its tasks, in the run that was measured.
        wanted: What is planned for.
        effects: What placement does to speed; None where nothing is known of that.

    Raises:
        ConfigError: If the campaign cannot be planned, or nothing would end it.
    """
    base, members = plan(settings), members_of(settings)
    if wanted.walltime is None and base.labels == base.cost == float("inf") and not base.seconds:
        raise ConfigError(
            "nothing is known to end this campaign in simulated time; give it a budget of labels, "
            "cost or seconds, or plan with --walltime."
        )
    known = Effects(placement_of(settings)) if effects is None else effects
    if known.measured.generators not in (0, placement_of(settings).generators):
        raise ConfigError(
            "how long generating takes cannot be read from a run that was split otherwise; plan "
            "--from one whose explorers were colocated."
        )
    limit = 1e9 if wanted.walltime is None else wanted.walltime

    def evaluate(allocation: Allocation) -> Forecast:
        there, seed = known.behaviour(behaviour, allocation.placement), wanted.seed
        return forecast(base, allocation, there, members=members, seed=seed, limit=limit)

    found = search(space_of(settings, wanted), evaluate)
    for axis in variants(settings, wanted, known, behaviour):
        for changed in axis:
            try:
                space = space_of(settings, wanted, changed(found[0].allocation.placement))
                more = search(space, evaluate)
            except ConfigError:  # there is no room for that
                continue
            if _pays(more[0], found[0]):
                found = sorted([*found, *more], key=order)
    return list({one.allocation: one for one in found}.values())


def _pays(new: Forecast, old: Forecast) -> bool:
    """Whether a placement is better by more than draws differ; GPUs that help nobody stay free."""
    if new.status == old.status == "finished":
        return new.seconds < PAYS * old.seconds
    return order(new) < order(old)


Change = Callable[[Placement], Placement]


def variants(
    settings: CampaignSettings, wanted: Wanted, known: Effects, behaviour: Behaviour
) -> Iterator[list[Change]]:
    """Changes of a placement whose effect is known: of each role, one after the other."""
    if wanted.gpus and TRAINERS in known.gpu and settings.trainers:
        yield [partial(replace, trainer_gpus=share) for share in (0.0, 0.5, 1.0)]
    if wanted.gpus and EXPLORERS in known.gpu:
        yield [partial(replace, explorer_gpus=share) for share in (0.0, 0.25, 0.5, 1.0)]
    most = wanted.workers // wanted.nodes
    for name in known.serial:
        yield [
            partial(Placement.with_cores, oracle=name, cores=2**k)
            for k in range(most.bit_length())
            if 2**k <= most
        ]
    together = not known.measured.generators and 0 < behaviour.predicting < 1
    if settings.engine.kind == "mpi" and together:
        yield [partial(replace, generators=each) for each in (0, 1, 2, 4, 8)]

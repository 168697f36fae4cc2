"""Plans a campaign: its own settings and a run's measurements, into simulated time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from querist.campaign.settings import CampaignSettings, number
from querist.campaign.wiring import members_of, plan
from querist.core.errors import ConfigError
from querist.planning.behaviour import Behaviour
from querist.planning.forecast import Allocation, Forecast, forecast
from querist.planning.measured import measured
from querist.planning.search import Space, search
from querist.store.run_folder import RunFolder


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
        error: Of the hold-out, that is wanted; None for what stops the campaign, or the run's last.
        every: Retrain intervals to try, in training labels; empty for doubled ones.
    """

    workers: int
    gpus: float | None = None
    walltime: float | None = None
    batches: tuple[int, ...] = ()
    seed: int = 0
    error: float | None = None
    every: tuple[int, ...] = ()


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


def forecast_of(
    settings: CampaignSettings, allocation: Allocation, behaviour: Behaviour, seed: int = 0
) -> Forecast:
    """What a campaign would take on an allocation."""
    members = members_of(settings)
    return forecast(plan(settings), allocation, behaviour, members=members, seed=seed)


def space_of(settings: CampaignSettings, wanted: Wanted) -> Space:
    """The allocations that may be chosen.

    Raises:
        ConfigError: If the campaign cannot be planned.
    """
    if settings.placement.kind == "split":
        raise ConfigError("plans are made for placement: colocated; this campaign's is split.")
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
        settings.gpus.explorers,
        settings.gpus.trainers,
        batches=wanted.batches,
    )


def planned(settings: CampaignSettings, behaviour: Behaviour, wanted: Wanted) -> list[Forecast]:
    """Forecasts of all allocations that were tried, best first.

    Raises:
        ConfigError: If the campaign cannot be planned, or nothing would end it.
    """
    base, members = plan(settings), members_of(settings)
    if wanted.walltime is None and base.labels == base.cost == float("inf") and not base.seconds:
        raise ConfigError(
            "nothing is known to end this campaign in simulated time; give it a budget of labels, "
            "cost or seconds, or plan with --walltime."
        )
    space = space_of(settings, wanted)
    limit = 1e9 if wanted.walltime is None else wanted.walltime

    def evaluate(allocation: Allocation) -> Forecast:
        seed = wanted.seed
        return forecast(base, allocation, behaviour, members=members, seed=seed, limit=limit)

    return search(space, evaluate)

"""How often a campaign should retrain, by what runs of it taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from querist.campaign.planned import Wanted, metric_of, space_of
from querist.campaign.settings import CampaignSettings
from querist.campaign.wiring import members_of, plan
from querist.control.policy import StandardPolicy
from querist.planning.behaviour import Behaviour
from querist.planning.forecast import Allocation, Forecast
from querist.planning.interval import Aim, Interval, Reached, chosen, intervals, most_labels, reach
from querist.planning.placement import Effects
from querist.planning.worth import LEAST, Worth, law_of
from querist.store.run_folder import RunFolder

STARTS = 3  # allocations of shortest makespan, that intervals are tried on


def worth_of(run: Path | str, settings: CampaignSettings) -> Worth:
    """What the labels of a run were worth to its models."""
    worth = Worth(metric_of(settings))
    for fact in RunFolder(run).journal_reader().read_new():
        worth.add(fact)
    return worth


def stopping_error(settings: CampaignSettings) -> float | None:
    """The error that ends the campaign; None where none does."""
    told = settings.stop.get("error_below")
    if isinstance(told, Mapping) and told.get("metric") == metric_of(settings):
        return float(told["value"])
    return None


def interval_of(
    settings: CampaignSettings,
    behaviour: Behaviour,
    worths: Iterable[Worth],
    wanted: Wanted,
    found: Sequence[Forecast],
    effects: Effects | None = None,
) -> Interval | str:
    """The best retrain intervals, or why none can be chosen.

    Args:
        settings: Of the campaign.
        behaviour: Of its tasks.
        worths: Of runs of it.
        wanted: What is planned for.
        found: Forecasts of allocations with the configured interval, the best first.
        effects: What placement does to speed, as these were made with.
    """
    base = plan(settings)
    if not settings.trainers:
        return "nothing is trained"
    if not isinstance(base.policy, StandardPolicy):
        return "the campaign's own policy decides when to retrain"
    law = law_of(worths, metric_of(settings), wanted.error or stopping_error(settings))
    if law is None:
        return (
            f"not known from this run: it takes {LEAST} evaluations of {metric_of(settings)} on a "
            "hold-out, after fits of different numbers of labels, that fall with the labels"
        )
    error = wanted.error or stopping_error(settings) or law.error
    limit = 1e9 if wanted.walltime is None else wanted.walltime
    aim = Aim(law, error, members_of(settings), wanted.seed, limit)
    every = wanted.every or intervals(most_labels(law, error))
    best = found[0].allocation
    space = space_of(settings, wanted, best.placement)

    def evaluate(allocation: Allocation) -> Reached:
        at = allocation.placement
        return reach(
            base, allocation, effects.behaviour(behaviour, at) if effects else behaviour, aim
        )

    here = [one.allocation for one in found if one.allocation.placement == best.placement]
    starts = here[:STARTS]
    return Interval.of(aim, chosen(starts, [None, *every], evaluate, space.near))

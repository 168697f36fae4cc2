"""The command that plans a campaign by simulated time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.shared import sentences

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


def _seconds(_context: object, _parameter: object, value: str | None) -> float | None:
    if value is None:
        return None
    number = value.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = value[len(number) :].strip() or "s"
    try:
        found = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        found = 0.0
    if not 0 < found < float("inf"):
        raise click.BadParameter(f"should look like 3600, 90min or 8h, got {value!r}.")
    return found


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "runs",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="A run to learn from; further ones, with other retrain intervals, tell what is best.",
)
@click.option("--workers", required=True, type=click.IntRange(min=2), help="In all roles together.")
@click.option("--gpus", type=click.FloatRange(min=0), help="That there are.")
@click.option("--walltime", callback=_seconds, help="That the campaign may take: 3600, 90min, 8h.")
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, help="To try.")
@click.option("--error", type=click.FloatRange(min=0, min_open=True), help="That is wanted.")
@click.option("--every", type=click.IntRange(min=1), multiple=True, help="Retrain interval to try.")
@click.option("--best", type=click.IntRange(min=1), default=5, help="How many to print.")
@click.option("--seed", type=int, default=0, help="Of simulated time.")
@sentences
def plan(campaign: Path, runs: tuple[Path, ...], best: int, **how: Any) -> None:
    """Find how many workers of each role a campaign should have, and how often to retrain."""
    from querist.accounting.units import duration, percent
    from querist.campaign.loading import load_settings
    from querist.campaign.planned import Wanted, behaviour_of, planned
    from querist.campaign.retraining import interval_of, worth_of
    from querist.planning.text import interval_text

    settings = load_settings(campaign)
    wanted = Wanted(**how)
    behaviour = behaviour_of(runs[0], settings)
    found = planned(settings, behaviour, wanted)
    for place, one in enumerate(found[:best], 1):
        busy = ", ".join(f"{role} {percent(share)}" for role, share in one.busy.items())
        ends = duration(one.seconds) if one.status == "finished" else f"{one.status}: {one.reason}"
        click.echo(f"{place}. {one.allocation.sentence()}: {ends}")
        click.echo(f"   all workers busy {percent(one.utilisation)} ({busy})")
    click.echo(f"\nBottleneck of the first: {found[0].bottleneck}.")
    click.echo(f"{len(found)} allocations were tried in simulated time.")
    told = interval_of(
        settings, behaviour, [worth_of(run, settings) for run in runs], wanted, found
    )
    click.echo("\n" + interval_text(told))

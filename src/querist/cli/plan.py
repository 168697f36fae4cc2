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
    "--from", "run", required=True, type=click.Path(path_type=Path), help="A run to learn from."
)
@click.option("--workers", required=True, type=click.IntRange(min=2), help="In all roles together.")
@click.option("--gpus", type=click.FloatRange(min=0), help="That there are.")
@click.option("--walltime", callback=_seconds, help="That the campaign may take: 3600, 90min, 8h.")
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, help="To try.")
@click.option("--best", type=click.IntRange(min=1), default=5, help="How many to print.")
@click.option("--seed", type=int, default=0, help="Of simulated time.")
@sentences
def plan(campaign: Path, run: Path, best: int, **how: Any) -> None:
    """Find how many explorers, oracle workers and trainers a campaign should have."""
    from querist.accounting.units import duration, percent
    from querist.campaign.loading import load_settings
    from querist.campaign.planned import Wanted, behaviour_of, planned

    settings = load_settings(campaign)
    wanted = Wanted(**how)
    found = planned(settings, behaviour_of(run, settings), wanted)
    for place, one in enumerate(found[:best], 1):
        busy = ", ".join(f"{role} {percent(share)}" for role, share in one.busy.items())
        ends = duration(one.seconds) if one.status == "finished" else f"{one.status}: {one.reason}"
        click.echo(f"{place}. {one.allocation.sentence()}: {ends}")
        click.echo(f"   all workers busy {percent(one.utilisation)} ({busy})")
    click.echo(f"\nBottleneck of the first: {found[0].bottleneck}.")
    click.echo(f"{len(found)} allocations were tried in simulated time.")

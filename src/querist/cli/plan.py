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


def _numbers(_context: object, _parameter: object, values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for value in values:
        name, _, number = value.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.BadParameter(f"should look like NAME=8, got {value!r}.") from None
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
@click.option("--nodes", type=click.IntRange(min=1), default=1, help="That workers are on.")
@click.option(
    "--gpu-speedup", callback=_numbers, multiple=True, help="Of trainers or explorers: trainers=8."
)
@click.option(
    "--serial",
    callback=_numbers,
    multiple=True,
    help="Share of an oracle's time: dft=0.05.",
)
@click.option("--write", type=click.Path(path_type=Path), help="The campaign file with the plan.")
@click.option("--walltime", callback=_seconds, help="That the campaign may take: 3600, 90min, 8h.")
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, help="To try.")
@click.option("--error", type=click.FloatRange(min=0, min_open=True), help="That is wanted.")
@click.option("--every", type=click.IntRange(min=1), multiple=True, help="Retrain interval to try.")
@click.option("--best", type=click.IntRange(min=1), default=5, help="How many to print.")
@click.option("--seed", type=int, default=0, help="Of simulated time.")
@sentences
def plan(campaign: Path, runs: tuple[Path, ...], best: int, write: Path | None, **how: Any) -> None:
    """Find how many workers each role should have, where, and how often to retrain."""
    from querist.campaign.effects import effects_of, unknown
    from querist.campaign.fragment import fragment
    from querist.campaign.loading import load_settings
    from querist.campaign.planned import Wanted, behaviour_of, planned
    from querist.campaign.retraining import interval_of, worth_of
    from querist.planning.text import forecasts_text, interval_text, placement_text

    settings = load_settings(campaign)
    wanted, behaviour = Wanted(**how), behaviour_of(runs[0], settings)
    effects = effects_of(runs, settings, wanted)
    found = planned(settings, behaviour, wanted, effects)
    click.echo(forecasts_text(found, best))
    worths = [worth_of(run, settings) for run in runs]
    told = interval_of(settings, behaviour, worths, wanted, found, effects)
    click.echo("\n" + interval_text(told))
    chosen = found[0].allocation
    if not isinstance(told, str) and told.known:
        chosen = told.tried[0].allocation
    left = unknown(settings, wanted, effects)
    click.echo("\n" + placement_text(chosen, wanted.machine(), effects, left))
    changes = fragment(settings, chosen)
    click.echo("\nIn the campaign file:\n\n" + _yaml(changes))
    if write is not None:
        _write(write, campaign, changes)


def _write(path: Path, campaign: Path, changes: dict[str, Any]) -> None:
    from querist.campaign.fragment import merged
    from querist.campaign.loading import load_settings
    from querist.campaign.ranks import described

    path.write_text(_yaml(merged(described(campaign), changes)), encoding="utf-8")
    load_settings(path)
    click.echo(f"Written to {path}.")


def _yaml(content: Any) -> str:
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None))

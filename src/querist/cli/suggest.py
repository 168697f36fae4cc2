"""The command that lets a model suggest labels for a pool's items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.output import JSON, counted, table
from querist.cli.shared import PROGRESS, sentences
from querist.cli.values import model_of

_SHOWN = 20


@click.command()
@click.argument("pool", type=click.Path(path_type=Path))
@click.option("--model", "-m", multiple=True, required=True, metavar="FILE|NAME=VALUE")
@click.option("--where", default="unlabelled", show_default=True, help="For items in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=10_000, help="At most so many.")
@PROGRESS
@JSON
@sentences
def suggest(pool: Path, where: str, limit: int, as_json: bool, **how: Any) -> None:
    """Keep what a model says of items, for the labelling page and for Label Studio.

    They are no labels: people see them when they ask for them. New ones take the place of earlier
    ones.
    """
    from querist.cli.here import of_this_machine
    from querist.cli.progress import watching
    from querist.pool.pool import Pool
    from querist.pool.suggested import keep
    from querist.pool.suggesting import suggest as ask

    model = of_this_machine(model_of(how["model"]))
    with Pool.open(pool) as opened, watching(how["progress"], "asking the model"):
        items = {item.row: item.id for item in opened.items(where, 0, limit)}
        found = ask(opened, model, items)
        keep(opened.folder, found, " ".join(how["model"]))
    rows = [
        {"id": items[row], "suggested": one.value, "score": one.score} for row, one in found.items()
    ]
    shown = rows if as_json else rows[:_SHOWN]
    table(shown, ("id", "suggested", "score"), as_json, "nothing is suggested")
    if not as_json:
        click.echo(f"{counted(len(rows), 'suggestion')} kept", err=True)

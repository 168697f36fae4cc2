"""Commands that steer a run through its inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.shared import RUN, sentences


@click.command()
@RUN
@sentences
def pause(run: Path) -> None:
    """Ask nothing more until ``querist go``; what is in flight goes on."""
    _post(run, "pause", {})


@click.command()
@RUN
@sentences
def go(run: Path) -> None:
    """Continue a paused run."""
    _post(run, "resume", {})


@click.command()
@RUN
@sentences
def stop(run: Path) -> None:
    """End a running campaign in order, from anywhere that sees its folder."""
    _post(run, "stop", {"why": "stopped by `querist stop`"})


@click.command()
@RUN
@click.argument("question")
@sentences
def cancel(run: Path, question: str) -> None:
    """Withdraw one question, by its id or the beginning of it: its simulation is ended."""
    from querist.campaign.inspecting import one_open

    _post(run, "withdraw", {"question": one_open(run, question)})


@click.command(name="set")
@RUN
@click.option("--labels", type=int, help="New budget of labels.")
@click.option("--cost", type=float, help="New budget of cost.")
@click.option("--seconds", type=float, help="New limit of campaign time in seconds.")
@sentences
def set_(run: Path, **values: float | None) -> None:
    """Change a budget of a run, running or not."""
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        raise click.UsageError("give at least one of --labels, --cost, --seconds.")
    _post(run, "set", given)


def _post(run: Path, kind: str, data: dict[str, Any]) -> None:
    from querist.store.run_folder import RunFolder

    RunFolder(run).inbox.post(kind, data)
    click.echo(f"posted {kind!r} to {run}; it is read within a second, or when the run is resumed.")

"""What is said when a run ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from querist.cli.shared import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OUT_OF_TIME, leave, typed

if TYPE_CHECKING:
    from querist.campaign.campaign import RunResult


def say_best(run: Path) -> None:
    """Print what a study has found, where the run is one."""
    from querist.tuning.study import is_study, study_of

    if is_study(run):
        click.echo(study_of(run).sentence())


def shown(choice: str) -> bool | str:
    """What ``--progress`` says, as the library takes it."""
    return {"auto": True, "none": False}.get(choice, choice)


def end(result: RunResult) -> None:
    """Say how a run ended, and leave with its exit status unless it finished."""
    click.echo(f"{result.status}: {result.reason}", err=True)
    click.echo(f"run folder: {result.folder}", err=True)
    if result.status == "failed":
        click.echo(f"see: querist failures {typed(result.folder)}", err=True)
        leave(EXIT_FAILED)
    if result.status == "stopped":
        click.echo(f"continue with: querist resume {typed(result.folder)}", err=True)
        leave(EXIT_OUT_OF_TIME if result.out_of_time else EXIT_INTERRUPTED)

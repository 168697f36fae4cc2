"""The command that tunes the settings of a simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.campaign import ENGINE, WALLTIME
from querist.cli.shared import PROGRESS, sentences
from querist.cli.studies import run_study


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the new run.")
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def tune(study: Path, folder: Path | None, engine: str | None, **how: Any) -> None:
    """Find the best settings of a simulation: the study of a study.yaml.

    `querist init tune` writes a file to fill in; `querist resume RUN` continues a study.
    """
    from querist.campaign import ranks

    ranks.enlist(study, engine, ranks.described)
    run_study(study, folder, engine, how)

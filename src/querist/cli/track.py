"""The command that sends a run to trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.output import counted
from querist.cli.shared import RUN, sentences


@click.command()
@RUN
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for event files.")
@click.option("--mlflow", metavar="URI", help="Of a tracking server.")
@click.option("--experiment", default="querist", show_default=True, help="Of MLflow.")
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
@sentences
def track(
    run: Path, tensorboard: Path | None, mlflow: str | None, experiment: str, follow: bool
) -> None:
    """Send the metrics and files of a campaign or of rounds to TensorBoard or MLflow."""
    from querist.campaign.campaign import summary_of
    from querist.cli.run_kinds import kind_of_run
    from querist.integrations.trackers import points
    from querist.pool.rounds_report import summary_of_rounds

    trackers: list[Any] = []
    rounds = kind_of_run(run) == "rounds"
    if tensorboard is not None:
        from querist.integrations.trackers.tensorboard import TensorBoard

        trackers.append(TensorBoard(tensorboard))
    if mlflow is not None:
        from querist.integrations.trackers.mlflow import MLflow

        trackers.append(MLflow(mlflow, experiment, run.absolute().name))
    if not trackers:
        raise click.UsageError("give --tensorboard FOLDER or --mlflow URI.")
    sent = points.track(run, trackers, follow, summary_of_rounds if rounds else summary_of)
    click.echo(f"{counted(sent, 'value')} sent")

"""Commands that measure what a machine gives."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.shared import sentences


@click.group()
def bench() -> None:
    """Measure what this machine or cluster gives."""


@bench.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where runs are to lie.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=0.2,
    help="For each number; all take about sixty times as long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@sentences
def mpi(folder: Path | None, seconds: float, as_json: bool) -> None:
    """Latency, bandwidth and overhead between MPI ranks: mpiexec -n 4 querist bench mpi."""
    import json

    from querist.engines.launched import limit_threads

    limit_threads()
    from querist.engines.mpi_bench import bench as measure

    report = measure(seconds, folder)
    if as_json:
        click.echo(json.dumps(report))
        return
    from rich.console import Console

    from querist.engines.mpi_bench_table import tables

    # Under a launcher a terminal's width is not known, and colours end up in logs.
    Console(width=110, color_system=None, highlight=False).print(tables(report))

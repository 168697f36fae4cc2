"""Commands that look at a run."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.run_kinds import (
    kind_of_run,
    status_of_query,
    status_of_rounds,
    status_of_surrogate,
)
from querist.cli.shared import RUN, need_parent, sentences, typed
from querist.core.errors import ConfigError


@click.command()
@RUN
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The HTML file to write.")
@sentences
def report(run: Path, output: Path | None) -> None:
    """Write the HTML report of a run (or of rounds of a pool), also while it runs."""
    need_parent(output)
    kind = kind_of_run(run)
    if kind == "query":
        raise ConfigError(
            f"A query has no report; see what it picked with: querist query result {typed(run)}"
        )
    if kind == "rounds":
        from querist.pool.rounds_report import report_of_rounds as report_of
    else:
        from querist.tuning.showing import report_of_run as report_of
    click.echo(report_of(run, output))


@click.command()
@RUN
@sentences
def summary(run: Path) -> None:
    """Print the summary of a run (or of rounds of a pool) as JSON."""
    if kind_of_run(run) == "rounds":
        from querist.pool.rounds_report import summary_of_rounds as summary_of
    else:
        from querist.campaign.campaign import summary_of
    click.echo(summary_of(run).to_json(indent=2))


@click.command()
@RUN
@sentences
def status(run: Path) -> None:
    """Say in one line where a run stands, and what its simulations said last."""
    kind = kind_of_run(run)
    if kind != "campaign":
        told = {"rounds": status_of_rounds, "surrogate": status_of_surrogate}
        told.get(kind, status_of_query)(run)
        return
    from querist.accounting.progress import render_plain
    from querist.campaign.inspecting import progress_of
    from querist.campaign.partial import partial_of
    from querist.tuning.study import is_study, study_of

    progress = progress_of(run)
    click.echo(render_plain(progress))
    for said in partial_of(run):
        click.echo(f"  {said['worker']}  {said['sample'][:12]}  {said['line']}")
    if is_study(run):
        click.echo(study_of(run).sentence())


@click.command()
@RUN
@click.option("--traceback", "-t", is_flag=True, help="Print full tracebacks.")
@sentences
def failures(run: Path, traceback: bool) -> None:
    """List questions and tasks that failed, with their causes."""
    from querist.campaign.inspecting import failures_of

    found = failures_of(run)
    for failure in found:
        click.echo(failure.sentence())
        if traceback and failure.traceback:
            click.echo(_indent(failure.traceback))
    final = sum(failure.final for failure in found)
    click.echo(f"{len(found)} failures, {final} of them final.")


def _indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.rstrip().splitlines())


@click.command()
@RUN
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The JSON file to write.")
@sentences
def trace(run: Path, output: Path | None) -> None:
    """Write a timeline for chrome://tracing or ui.perfetto.dev."""
    from querist.accounting.trace import write_trace
    from querist.store.run_folder import RunFolder

    need_parent(output)
    found = RunFolder(run)
    target = output or found.path / "trace.json"
    click.echo(write_trace(found.journal_reader().read_new(), target))


@click.command()
@RUN
@sentences
def index(run: Path) -> None:
    """Build the SQLite index of a run's records anew, for queries of one's own."""
    from querist.store.index import build_index
    from querist.store.run_folder import RunFolder

    click.echo(build_index(RunFolder(run).journal))

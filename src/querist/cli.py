"""The command line: ``querist run campaign.yaml`` and what belongs to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from querist import __version__
from querist.core.errors import ConfigError, QueristError

if TYPE_CHECKING:
    from querist.campaign.campaign import RunResult

EXIT_FAILED, EXIT_USAGE, EXIT_OUT_OF_TIME, EXIT_INTERRUPTED = 1, 2, 75, 130
RUN = click.argument("run", type=click.Path(path_type=Path))


class Commands(click.Group):
    """Lists commands in the order of a campaign's life, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of definition."""
        return list(self.commands)


def sentences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the library's errors into their sentence and an exit status."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            click.echo(str(error), err=True)
            _exit(EXIT_USAGE)
        except QueristError as error:
            click.echo(f"querist: {error}", err=True)
            _exit(EXIT_FAILED)
        except KeyboardInterrupt:  # the second Ctrl-C of a run, or the first of anything else
            click.echo("interrupted; a run continues with: querist resume RUN", err=True)
            _exit(EXIT_INTERRUPTED)

    return wrapped


def _exit(status: int) -> NoReturn:
    from querist.campaign.ranks import leave_with

    leave_with(status)
    sys.exit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="querist %(version)s")
def main() -> None:
    """Active learning that keeps every worker busy and loses nothing."""


PROGRESS = click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    help="A live panel, plain lines, or nothing. auto: by whether there is a terminal.",
)


ENGINE = click.option(
    "--engine",
    type=click.Choice(["processes", "mpi", "inline"]),
    help="Instead of the configured one. mpi: under mpiexec.",
)


def _left(walltime: float | None) -> float | None:
    """Of the seconds that the job had when this process began; with many ranks that is a while."""
    from querist.engines.machine import process_age

    return None if walltime is None else max(1e-3, walltime - process_age())


WALLTIME = click.option(
    "--walltime",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds until this job is ended from outside; the run ends in order before.",
    callback=lambda _context, _parameter, value: _left(value),
)


@main.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the new run.")
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def run(
    campaign: Path, folder: Path | None, engine: str | None, walltime: float | None, progress: str
) -> None:
    """Run the campaign of a YAML file."""
    from querist.campaign import ranks

    ranks.enlist(campaign, engine, ranks.described)
    from querist.campaign.campaign import Campaign

    made = Campaign.load(campaign, engine=engine)
    _end(made.run(folder, progress=_progress(progress), walltime=walltime))


@main.command()
@RUN
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def resume(run: Path, engine: str | None, walltime: float | None, progress: str) -> None:
    """Continue a run after a stop or a crash."""
    from querist.campaign import ranks

    ranks.enlist(run, engine, ranks.kept)
    from querist.campaign.campaign import Campaign

    found = Campaign.of_run(run, engine=engine)
    _end(found.resume(run, progress=_progress(progress), walltime=walltime))


@main.command()
@click.argument("settings", type=click.Path(path_type=Path))
@click.option("--package", type=click.Path(path_type=Path), help="Folder of the four kernels.")
@click.option("--labels", type=int, help="Budget of labels; by default the user's code stops.")
@click.option("--seconds", type=float, help="Limit of campaign time in seconds.")
@click.option("--explorers", type=int, default=1, help="Processes that generate and predict.")
@click.option(
    "--placement",
    type=click.Choice(["colocated", "split"]),
    default="colocated",
    help="split: a rank for each generator and predictor (engine mpi).",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the new run.")
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def pal(settings: Path, engine: str | None, walltime: float | None, **how: Any) -> None:
    """Run a PAL package unchanged: its al_setting.py, or the folder that holds it."""
    from querist.campaign import ranks

    ranks.enlist(settings, engine, lambda _: {})
    from querist.compat.pal import campaign, ended_as_asked, load_settings

    path = settings / "al_setting.py" if settings.is_dir() else settings
    budget = {name: how[name] for name in ("labels", "seconds")}
    values = {name: how[name] for name in ("explorers", "placement")}
    values |= {"budget": budget, "engine": engine or "processes"}
    made = campaign(load_settings(path), how["package"], **values)
    result = made.run(how["folder"], progress=_progress(how["progress"]), walltime=walltime)
    if ended_as_asked(result):
        click.echo(f"{result.reason}\nrun folder: {result.folder}", err=True)
    else:
        _end(result)


@main.group()
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


def _progress(choice: str) -> bool | str:
    return {"auto": True, "none": False}.get(choice, choice)


def _end(result: RunResult) -> None:
    click.echo(f"{result.status}: {result.reason}", err=True)
    click.echo(f"run folder: {result.folder}", err=True)
    if result.status == "failed":
        click.echo(f"see: querist failures {result.folder}", err=True)
        _exit(EXIT_FAILED)
    if result.status == "stopped":
        click.echo(f"continue with: querist resume {result.folder}", err=True)
        _exit(EXIT_OUT_OF_TIME if result.out_of_time else EXIT_INTERRUPTED)


@main.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@sentences
def check(campaign: Path) -> None:
    """Validate a campaign's YAML file without running it."""
    from querist.campaign.campaign import Campaign

    Campaign.load(campaign)
    click.echo(f"{campaign} is sound.")


def _need_parent(output: Path | None) -> None:
    if output is not None and not output.absolute().parent.is_dir():
        folder = output.absolute().parent
        raise ConfigError(f"the folder {folder} does not exist; make it first.")


@main.command()
@RUN
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The HTML file to write.")
@sentences
def report(run: Path, output: Path | None) -> None:
    """Write the HTML report of a run, also while it runs, also on another host."""
    from querist.campaign.campaign import report_of

    _need_parent(output)
    click.echo(report_of(run, output))


@main.command()
@RUN
@sentences
def summary(run: Path) -> None:
    """Print the summary of a run as JSON."""
    from querist.campaign.campaign import summary_of

    click.echo(summary_of(run).to_json(indent=2))


@main.command()
@RUN
@sentences
def status(run: Path) -> None:
    """Say in one line where a run stands, and what its simulations said last."""
    from querist.accounting.progress import render_plain
    from querist.campaign.inspecting import progress_of
    from querist.campaign.partial import partial_of

    progress = progress_of(run)
    click.echo(render_plain(progress))
    for said in partial_of(run):
        click.echo(f"  {said['worker']}  {said['sample'][:12]}  {said['line']}")


@main.command()
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


@main.command()
@click.argument("name", required=False)
@click.option("--family", help="Only those of a family: uncertainty, committee ...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@sentences
def strategies(name: str | None, family: str | None, as_json: bool) -> None:
    """List query strategies, or tell all of one: needs, cost, paper, when to use it."""
    from querist.strategies import listing, registry

    found = [registry.find(name)] if name else registry.everything()
    chosen = [one for one in found if family in (None, one.family)]
    if as_json:
        for line in listing.as_json(chosen):
            click.echo(line)
    else:
        listing.show(chosen, full=name is not None)


@main.command(name="import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Labels file to write (.npz)."
)
@click.option("--into", type=click.Path(path_type=Path), help="A stopped run to add them to.")
@click.option("--format", "form", help="Format of the sources, where their suffix does not tell.")
@click.option("--inputs", help="Fields that are inputs: x,y or ours=theirs, with commas.")
@click.option("--labels", help="Fields that are labels: energy=REF_energy,forces=REF_forces.")
@click.option("--energy-unit", help="Of atoms, where it is not eV: Hartree, kcal/mol ...")
@click.option("--length-unit", help="Of atoms, where it is not A: Bohr, nm ...")
@click.option("--holdout", type=float, default=0.0, help="Share drawn at random for the hold-out.")
@click.option("--calibration", type=float, default=0.0, help="Share drawn for calibration.")
@click.option("--level", default="", help="Level of theory of labels that do not say theirs.")
@click.option("--seed", type=int, default=0, help="Of the random split.")
@sentences
def import_(sources: tuple[Path, ...], output: Path | None, into: Path | None, **how: Any) -> None:
    """Read labelled data: extended XYZ, ASE databases, DeePMD npy, npz, Parquet."""
    from querist.campaign.exchanging import Split, import_into, import_to

    if (output is None) == (into is None):
        raise click.UsageError("give either --output FILE or --into RUN.")
    options = {"inputs": _names(how.pop("inputs")), "outputs": _names(how.pop("labels"))}
    options |= {name: how.pop(name) for name in ("energy_unit", "length_unit")}
    how["options"] = {name: value for name, value in options.items() if value}
    how["format"] = how.pop("form")
    how["split"] = Split(*(how.pop(name) for name in ("holdout", "calibration", "seed")))
    if output is not None:
        click.echo(import_to(output, sources, **how))
    elif into is not None:
        click.echo(import_into(into, sources, **how))


def _names(text: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in (text or "").split(",") if pair]
    return {our.strip(): (its or our).strip() for our, _, its in pairs}


@main.command()
@RUN
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--format", "form", help="extxyz, npz, parquet ...; by default from the suffix.")
@click.option(
    "--purpose",
    type=click.Choice(["all", "train", "holdout", "calibration", "audit"]),
    default="all",
    help="Only labels of this purpose.",
)
@sentences
def export(run: Path, output: Path, form: str | None, purpose: str) -> None:
    """Write the labels of a run: extended XYZ, npz, Parquet ..."""
    from querist.campaign.exchanging import export_from

    click.echo(export_from(run, output, form, purpose))


@main.command()
@RUN
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The JSON file to write.")
@sentences
def trace(run: Path, output: Path | None) -> None:
    """Write a timeline for chrome://tracing or ui.perfetto.dev."""
    from querist.accounting.trace import write_trace
    from querist.store.run_folder import RunFolder

    _need_parent(output)
    found = RunFolder(run)
    target = output or found.path / "trace.json"
    click.echo(write_trace(found.journal_reader().read_new(), target))


@main.command()
@RUN
@sentences
def index(run: Path) -> None:
    """Build the SQLite index of a run's records anew, for queries of one's own."""
    from querist.store.index import build_index
    from querist.store.run_folder import RunFolder

    click.echo(build_index(RunFolder(run).journal))


@main.command()
@RUN
@sentences
def pause(run: Path) -> None:
    """Ask nothing more until ``querist go``; what is in flight goes on."""
    _post(run, "pause", {})


@main.command()
@RUN
@sentences
def go(run: Path) -> None:
    """Continue a paused run."""
    _post(run, "resume", {})


@main.command()
@RUN
@sentences
def stop(run: Path) -> None:
    """End a running campaign in order, from anywhere that sees its folder."""
    _post(run, "stop", {"why": "stopped by `querist stop`"})


@main.command()
@RUN
@click.argument("question")
@sentences
def cancel(run: Path, question: str) -> None:
    """Withdraw one question, by its id or the beginning of it: its simulation is ended."""
    from querist.campaign.inspecting import one_open

    _post(run, "withdraw", {"question": one_open(run, question)})


@main.command(name="set")
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

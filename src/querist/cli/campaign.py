"""Commands that run campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.ending import end, say_best, shown
from querist.cli.shared import PROGRESS, RUN, sentences

ENGINE = click.option(
    "--engine",
    type=click.Choice(["processes", "mpi", "inline", "simulated"]),
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


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the new run.")
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def run(
    campaign: Path, folder: Path | None, engine: str | None, walltime: float | None, progress: str
) -> None:
    """Run the campaign or study of a YAML file, or pick from the pool of a pool.yaml."""
    from querist.campaign import ranks

    ranks.enlist(campaign, engine, _described)
    from querist.cli.kinds import kind_of

    kind = kind_of(campaign)
    if kind == "pool":
        from querist.cli import pool_file

        pool_file.run(campaign, {"progress": progress})
        return
    if kind == "study":
        from querist.cli.studies import run_study

        run_study(campaign, folder, engine, {"progress": progress, "walltime": walltime})
        return
    from querist.campaign.campaign import Campaign

    made = Campaign.load(campaign, engine=engine)
    end(made.run(folder, progress=shown(progress), walltime=walltime))


@click.command()
@RUN
@ENGINE
@WALLTIME
@PROGRESS
@sentences
def resume(run: Path, engine: str | None, walltime: float | None, progress: str) -> None:
    """Continue a run, or a query or rounds of a pool (POOL/queries/ID), after a stop or a crash."""
    from querist.campaign import ranks

    ranks.enlist(run, engine, ranks.kept)
    from querist.cli.run_kinds import kind_of_run

    kind = kind_of_run(run)
    if kind == "query":
        from querist.cli.query import finish

        finish(str(run), {"progress": progress, "server": "", "insecure": False, "as_json": False})
        return
    if kind == "rounds":
        from querist.cli.rounds import play

        play(run.absolute().parent.parent, run.name, {}, {"progress": progress})
        return
    if kind == "surrogate":
        from querist.core.errors import RunError

        raise RunError(
            f"{run} holds a surrogate, which goes on when it is called: open it in a script with "
            "querist.Surrogate.open(folder), or serve it with `querist surrogate serve`."
        )
    from querist.campaign.campaign import Campaign

    found = Campaign.of_run(run, engine=engine)
    ended = found.resume(run, progress=shown(progress), walltime=walltime)
    say_best(run)
    end(ended)


@click.command()
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
    result = made.run(how["folder"], progress=shown(how["progress"]), walltime=walltime)
    if ended_as_asked(result):
        click.echo(f"{result.reason}\nrun folder: {result.folder}", err=True)
    else:
        end(result)


def _described(path: Path) -> Any:
    """Where the engine of a campaign, or of the query of a pool, is said."""
    from querist.campaign import ranks

    found = ranks.described(path)
    return {"engine": "inline", **found.get("query", {})} if "data" in found else found


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@sentences
def check(campaign: Path) -> None:
    """Validate the YAML file of a campaign, a study, a pool or a service; nothing is run."""
    from querist.cli.kinds import kind_of

    kind = kind_of(campaign)
    if kind == "pool":
        from querist.cli import pool_file

        pool_file.check(campaign)
    elif kind == "service":
        from querist.cli import service

        service.check(campaign)
    elif kind == "study":
        from querist.cli.studies import check_study

        check_study(campaign)
    else:
        from querist.campaign.campaign import Campaign

        Campaign.load(campaign)
        click.echo(f"{campaign} is sound.")

"""Commands of jobs at a service."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from querist.cli.output import JSON, show, table
from querist.cli.places import INSECURE, client_of
from querist.cli.shared import PROGRESS, sentences

JOB = click.argument("job")
SERVER = click.option(
    "--server",
    metavar="URL",
    default="",
    help="The service; by default QUERIST_SERVER, or one on this machine.",
)


@click.group()
def jobs() -> None:
    """Jobs of a service: queries, additions, rounds."""


@jobs.command(name="list")
@click.option("--pool", default="", help="Of this pool only.")
@click.option("--state", default="", help="queued, running, done, failed, cancelled.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="At most so many.")
@SERVER
@INSECURE
@JSON
@sentences
def list_(pool: str, state: str, limit: int, **how: Any) -> None:
    """List jobs, the newest first."""
    from querist.cli.there import job_record

    found = islice(client_of(how["server"], how["insecure"]).jobs(pool, state=state), limit)
    columns = ("id", "kind", "state", "stage", "done", "total", "failed", "created", "error")
    table(map(job_record, found), columns, how["as_json"], "no jobs")


@jobs.command(name="show")
@JOB
@SERVER
@INSECURE
@JSON
@sentences
def show_(job: str, server: str, insecure: bool, as_json: bool) -> None:
    """Tell how far a job is."""
    from querist.cli.there import job_record

    show(job_record(client_of(server, insecure).job(job)), as_json)


@jobs.command()
@JOB
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def wait(job: str, server: str, insecure: bool, progress: str, as_json: bool) -> None:
    """Follow a job until its end. Ctrl-C leaves it running."""
    from querist.cli.progress import waited, watching
    from querist.cli.there import job_record

    client = client_of(server, insecure)
    with watching(progress, job) as watcher:
        ended = waited(client, job, watcher.show)
    show(job_record(ended), as_json)


@jobs.command()
@JOB
@SERVER
@INSECURE
@JSON
@sentences
def cancel(job: str, server: str, insecure: bool, as_json: bool) -> None:
    """End a job; what it found so far is kept."""
    from querist.cli.there import job_record

    show(job_record(client_of(server, insecure).cancel(job)), as_json)


@jobs.command()
@JOB
@click.option("--limit", type=click.IntRange(min=1), default=20, help="At most so many.")
@SERVER
@INSECURE
@JSON
@sentences
def failures(job: str, limit: int, server: str, insecure: bool, as_json: bool) -> None:
    """List items that a job could not use, and why."""
    found = islice(client_of(server, insecure).failures(job), limit)
    records = (one.model_dump(mode="json") for one in found)
    table(records, ("id", "uri", "reason", "message", "attempts"), as_json, "no failures")

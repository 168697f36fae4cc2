"""Removing finished jobs, with what they left on the disk."""

from __future__ import annotations

from pathlib import Path

from querist.service.index.index import Index, Row, now, remove
from querist.service.index.sql import sa
from querist.service.index.tables import tables
from querist.service.rounds import home_of
from querist.service.wire.jobs import JobState
from querist.service.workspace import Workspace, erase


def erase_job(index: Index, workspace: Workspace, row: Row) -> None:
    """Remove a finished job, its events and rounds, its folder, that of its query or training."""
    with index.write() as connection:
        remove(connection, "rounds", job=row["id"])
        remove(connection, "events", job=row["id"])
        remove(connection, "jobs", id=row["id"])
    erase_manifest(row)
    erase(workspace.job(row["tenant"], row["id"]))
    if row["folder"]:
        erase(workspace.data / row["folder"])
    if row["kind"] == "round":  # what it trained is a model of its own by now
        erase(home_of(workspace, row["tenant"], row["pool"], f"rnd{row['id'][3:]}"))


def erase_manifest(row: Row) -> None:
    """Remove the uploaded manifest of an addition that will not run any more."""
    kept = row["asked"].get("manifest") if row["kind"] == "addition" else None
    if kept and JobState(row["state"]).final:
        erase(Path(kept))


def erase_old(index: Index, workspace: Workspace, days: float) -> int:
    """Remove jobs that were finished more than so many days ago; how many."""
    jobs = tables().jobs
    old = sa().select(jobs).where(jobs.c.finished < now() - 86_400 * days)
    with index.read() as connection:
        rows = [dict(row) for row in connection.execute(old).mappings()]
    for row in rows:
        erase_job(index, workspace, row)
    return len(rows)

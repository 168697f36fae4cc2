"""Queries as the server sees them: begun in the folder of their pool, read from there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from querist.service.index.index import Row
from querist.service.problems import Refused
from querist.service.settings import ServiceSettings
from querist.service.wire.base import MAX_OPTIONS, Page
from querist.service.wire.jobs import Failure, JobState
from querist.service.wire.queries import Pick, QueryCreate
from querist.service.workspace import Workspace


def folder_of(workspace: Workspace, row: Row) -> Path:
    """The folder of a query."""
    folder: Path = (workspace.data / row["folder"]).resolve()
    if not row["folder"] or not folder.is_relative_to(workspace.data / "tenants"):
        raise Refused("not-found", "The query has no folder yet.")
    return folder


def cancel_folder(workspace: Workspace, row: Row) -> None:
    """Tell a query's folder that it is cancelled, while no process runs it."""
    from querist.pool.query import cancel_query

    if (folder := folder_of(workspace, row)).exists():  # that of a round comes after its training
        cancel_query(folder)


def failures_of(workspace: Workspace, row: Row, after: int, limit: int) -> Page[Failure]:
    """Items of a query that could not be used."""
    from querist.pool.query import query_failures

    folder = folder_of(workspace, row)
    if not folder.exists():
        return Page[Failure](items=[])
    found = query_failures(folder, after=after, limit=limit + 1)
    told = [Failure.model_validate(one._asdict()) for one in found[:limit]]
    return Page[Failure](items=told, next=str(after + limit) if len(found) > limit else None)


def picks_of(workspace: Workspace, row: Row, after: int, limit: int) -> Page[Pick]:
    """What a query picked, the most useful first."""
    found = list(islice(picks(workspace, row), after, after + limit + 1))
    return Page[Pick](items=found[:limit], next=str(after + limit) if len(found) > limit else None)


def picks(workspace: Workspace, row: Row) -> Iterator[Pick]:
    """All that a query picked.

    Raises:
        Refused: If it is not done.
    """
    from querist.pool.query import query_picks

    if row["state"] != JobState.DONE:
        raise Refused("conflict", f"The query is {row['state']}; it has a result when it is done.")
    for one in query_picks(folder_of(workspace, row)):
        score = one.score if isfinite(one.score) else None
        yield Pick.model_construct(rank=one.rank, id=one.id, uri=one.uri, score=score, why=one.why)


def settings_of(asked: QueryCreate, model: Any, settings: ServiceSettings) -> dict[str, Any]:
    """A query's settings as the library takes them, within the server's limits.

    Raises:
        Refused: If they are longer than what every list and message may repeat.
    """
    if len(asked.model_dump_json()) > MAX_OPTIONS:
        raise Refused("invalid", f"A query should be at most {MAX_OPTIONS} characters of JSON.")
    limits = settings.limits
    scan = asked.scan.model_dump(exclude_none=True)
    for name, most in (("memory_mb", limits.scan_memory_mb), ("readers", limits.scan_readers)):
        if name in scan:
            scan[name] = min(scan[name], most)
    workers = min(asked.workers, settings.jobs.workers)
    return {
        "model": model,
        "strategy": asked.strategy,
        "options": asked.options,
        "budget": asked.budget,
        "seed": asked.seed,
        "where": asked.where,
        "engine": {"kind": "processes", "workers": workers} if workers > 1 else {},
        "scan": scan,
        "note": asked.note,
    }

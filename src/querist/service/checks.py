"""What reviews of labels found: kept in the folder of their job, by ids; looked up when it is told.

An item that was forgotten is struck out there, too; one whose label was changed since is no issue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from querist.pool.label_review import Doubt
from querist.pool.pool import Pool
from querist.service.index.index import Index, newest_first
from querist.service.wire.base import Page
from querist.service.wire.checks import LabelIssue
from querist.service.workspace import Workspace
from querist.store.files import atomic_write

DOUBTS = "doubts.json"
ALL = 1_000_000


def keep(folder: Path, found: Iterable[Doubt]) -> None:
    """Write down what was found, without the contents of items."""
    lines = [[one.id, one.given, one.suggested, one.quality] for one in found]
    atomic_write(folder / DOUBTS, json.dumps(lines).encode())


def issues_of(pool: Pool, folder: Path, after: int, limit: int) -> Page[LabelIssue]:
    """Some of what was found, of labels that still hold."""
    lines = json.loads((folder / DOUBTS).read_bytes())
    shown = lines[after : after + limit]
    items = {one.id: one for one in pool.items({"id": [line[0] for line in shown]}, 0, limit)}
    told = [
        LabelIssue(
            id=id,
            item=items[id].uri or items[id].inline,
            given=given,
            suggested=suggested,
            quality=quality,
        )
        for id, given, suggested, quality in shown
        if id in items and items[id].label == given
    ]
    more = str(after + limit) if len(lines) > after + limit else None
    return Page[LabelIssue](items=told, next=more)


def strike_out(index: Index, workspace: Workspace, pool: str, items: Iterable[str]) -> None:
    """Remove forgotten items from what was found in its pool."""
    gone = set(items)
    with index.read() as connection:
        jobs = newest_first(connection, "jobs", {"pool": pool, "kind": "review"}, None, ALL)
    for job in jobs:
        file = workspace.job(job["tenant"], job["id"]) / DOUBTS
        if file.is_file():
            lines = [line for line in json.loads(file.read_bytes()) if line[0] not in gone]
            atomic_write(file, json.dumps(lines).encode())

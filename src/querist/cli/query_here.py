"""Queries in folders of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from querist.campaign.loading import importable
from querist.cli.output import Record, Tell
from querist.cli.shared import EXIT_INTERRUPTED, leave, typed
from querist.pool.pool import Pool
from querist.pool.query import (
    cancel_query,
    pool_folder,
    query_failures,
    query_picks,
    query_result,
    query_status,
    run_query,
)
from querist.pool.query_errors import QueryFailed, QueryStopped
from querist.pool.query_status import QueryStatus


class QueryHere:
    """A query in the folder ``POOL/queries/ID``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wait(self, tell: Tell) -> None:
        """Run it to its end, or go on with it; a signal stops it in order."""
        code_of(pool_folder(self.folder))
        try:
            run_query(self.folder, tell, handle_signals=True)
        except QueryStopped as stopped:
            click.echo(str(stopped), err=True)
            click.echo(f"continue with: querist resume {typed(self.folder)}", err=True)
            leave(EXIT_INTERRUPTED)
        except QueryFailed:
            if query_status(self.folder).failed:
                click.echo(f"see: querist query failures {typed(self.folder)}", err=True)
            raise

    def status(self) -> Record:
        """How far it is."""
        return {"query": str(self.folder), **status_record(query_status(self.folder))}

    def result(self) -> list[Record]:
        """All picks; those without a URI with what stands inline."""
        picks = [pick._asdict() for pick in query_picks(self.folder)]
        inline = [pick["row"] for pick in picks if not pick["uri"]]
        if inline:
            with Pool.open(pool_folder(self.folder)) as pool:
                texts = {item.id: item.inline for item in pool.fetch(inline)}
            picks = [{**pick, "inline": texts.get(pick["id"])} for pick in picks]
        return picks

    def notes(self) -> list[str]:
        """What a person should know of the result."""
        return list(query_result(self.folder).notes)

    def sheet(self, path: Path) -> Path:
        """Draw the picks."""
        return query_result(self.folder).contact_sheet(path)

    def failures(self, limit: int) -> Iterator[Record]:
        """Items that could not be used."""
        return (failure._asdict() for failure in query_failures(self.folder, limit=limit))

    def cancel(self) -> Record:
        """End it for good."""
        return {"query": str(self.folder), **status_record(cancel_query(self.folder))}


def code_of(pool: Path) -> None:
    """Let modules in the current folder, and beside a pool, be imported: models name them."""
    importable(pool.absolute().parent)
    importable(Path.cwd())


def status_record(status: QueryStatus) -> Record:
    """A status as a flat record."""
    found = status._asdict()
    return {name: value for name, value in found.items() if name not in ("id", "counts")}

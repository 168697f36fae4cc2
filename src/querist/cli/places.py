"""Where a pool is: in a folder, or at a service. Commands speak to either in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from querist.cli.output import Record, Tell
from querist.cli.taken import Taken

if TYPE_CHECKING:
    from querist.service.client.client import Client

SERVER = click.option(
    "--server",
    metavar="URL",
    default="",
    help="A service that has the pool; its key comes from the variable QUERIST_API_KEY.",
)
COLUMN = click.option(
    "--column",
    "-c",
    multiple=True,
    metavar="ROLE=COLUMN",
    help="Of a manifest whose names are others: text=review, label=category; repeat it.",
)
INSECURE = click.option(
    "--insecure", is_flag=True, help="Let the key travel over http:// to another machine."
)


class PoolPlace(Protocol):
    """A pool, wherever it is. Records are mappings of plain values, ready for JSON."""

    def show(self) -> Record:
        """What the pool is, and how many items are in each state."""
        ...

    def add(self, uris: Iterable[str], tell: Tell, columns: Mapping[str, str]) -> Record:
        """Add items; the counts. ``columns``: what columns of manifests mean, by role."""
        ...

    def items(self, where: str, limit: int) -> Iterator[Record]:
        """Items."""
        ...

    def label(self, values: Mapping[str, Any], by: str) -> int:
        """Record labels; how many."""
        ...

    def skip(self, items: Iterable[str], by: str) -> int:
        """Record that items cannot be labelled; how many."""
        ...

    def export(self, path: Path, format: str, which: str) -> str:
        """Write a manifest; a sentence."""
        ...

    def import_labels(self, path: Path, format: str, how: Mapping[str, Any] | None = None) -> Taken:
        """Take labels from a manifest. ``how``: see the Options of manifests."""
        ...

    def forget(self, items: Sequence[str]) -> list[str]:
        """Erase items; what could not be erased, and why."""
        ...

    def start(self, asked: Mapping[str, Any]) -> str:
        """Begin a query; its id, or its folder."""
        ...

    def queries(self) -> Iterator[Record]:
        """Queries of this pool, the newest first."""
        ...

    def drift(self) -> Record:
        """Whether what later queries saw differs from what earlier ones did."""
        ...

    def estimate(self, asked: Mapping[str, Any]) -> Record:
        """What a query will cost."""
        ...

    def issues(self, model: Any, tell: Tell) -> list[Record]:
        """Labels that are probably wrong, the worst first, as features of a model tell."""
        ...

    def agreement(self, asked: Mapping[str, Any], tell: Tell) -> Record:
        """How many picks stay the same when a model runs in another way."""
        ...


class QueryPlace(Protocol):
    """A query, wherever it is."""

    def wait(self, tell: Tell) -> None:
        """Run it, or wait for its end."""
        ...

    def status(self) -> Record:
        """How far it is."""
        ...

    def result(self) -> list[Record]:
        """Items to label, the most useful first."""
        ...

    def notes(self) -> list[str]:
        """What a person should know of the result."""
        ...

    def sheet(self, path: Path) -> Path:
        """Draw the picks side by side."""
        ...

    def failures(self, limit: int) -> Iterator[Record]:
        """Items that could not be used."""
        ...

    def cancel(self) -> Record:
        """End it for good; how it stands."""
        ...


def pool_at(pool: str, server: str, insecure: bool = False) -> PoolPlace:
    """The pool of a folder, of a ``pool.yaml``, or of a name at a service."""
    if not server and pool.endswith((".yaml", ".yml")):
        from querist.pool.file import load_pool_file

        found = load_pool_file(pool)
        if found.server is not None:
            server, insecure, pool = found.server.use, found.server.insecure, found.name
        else:
            pool = found.folder or pool
    if server:
        from querist.cli.there import PoolThere

        return PoolThere(client_of(server, insecure), pool)
    from querist.cli.here import PoolHere

    return PoolHere(Path(pool))


def query_at(query: str, server: str, insecure: bool = False) -> QueryPlace:
    """The query of a folder, or of an id at a service."""
    if server:
        from querist.cli.there import QueryThere

        return QueryThere(client_of(server, insecure), query)
    from querist.cli.query_here import QueryHere

    return QueryHere(Path(query))


def client_of(server: str, insecure: bool) -> Client:
    """A client of the service at a URL; it is closed with the command."""
    from querist.service.client.client import Client

    client = Client(server, insecure=insecure)
    click.get_current_context().call_on_close(client.close)
    return client

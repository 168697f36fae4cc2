"""The index: short transactions over its tables, and the few shapes of statements that all use."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.service.index.grouping import Writers
from querist.service.index.sql import (
    database_errors,
    integrity_error,
    migrate,
    open_engine,
    sa,
    upsert,
)
from querist.service.index.tables import tables

Row = dict[str, Any]
PAGE_BYTES = 8 << 20  # of free texts in one page of rows
_STEP = 32  # rows whose sizes are asked for together
Connection = Any


class Taken(Exception):
    """Something with this name or key is there already."""


class Index:
    """The database, open. For any number of threads; never call it on an event loop's thread.

    Args:
        place: The URL of SQLite or PostgreSQL, or the file of SQLite.

    Raises:
        ConfigError: For another database, or one that does not answer.
    """

    def __init__(self, place: str | Path) -> None:
        self._engine = open_engine(place)
        try:
            migrate(self._engine)
        except BaseException as error:
            self._engine.dispose()
            if not isinstance(error, database_errors()):
                raise
            why = str(getattr(error, "orig", error)).splitlines()[0]
            raise ConfigError(
                f"The index cannot be opened: {why}. See 'index' in service.yaml, and whether the "
                "database runs."
            ) from error
        # SQLite lets those who wait for its one writer sleep longer and longer, and wakes none of
        # them; this process's own writers queue up here instead, and share their commits.
        one_writer = self._engine.dialect.name == "sqlite"
        self._writers = Writers(self._engine) if one_writer else None

    @property
    def engine(self) -> Any:
        """SQLAlchemy's engine."""
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; keep it short: SQLite has one writer at a time.

        Raises:
            Taken: If it broke a uniqueness.
        """
        try:
            with self._writing() as connection:
                yield connection
        except integrity_error() as error:
            raise Taken(str(getattr(error, "orig", ""))) from None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._writers is not None:
            with self._writers.write() as connection:
                yield connection
            return
        connecting = self._engine.connect().execution_options(querist_write=True)
        with connecting as connection, connection.begin():
            yield connection

    def ping(self) -> None:
        """Raise what the database raises when it does not answer."""
        with self.read() as connection:
            connection.execute(sa().select(1))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def instant(seconds: float | None) -> datetime | None:
    """As it goes on the wire."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def insert(connection: Connection, name: str, row: Row) -> None:
    """Add one row."""
    connection.execute(sa().insert(getattr(tables(), name)).values(**row))


def _matching(table: Any, where: Row) -> list[Any]:
    """Conditions: equal to a value, one of a list; None is passed over."""
    return [
        table.c[column].in_(value) if isinstance(value, list | tuple) else table.c[column] == value
        for column, value in where.items()
        if value is not None
    ]


def find(connection: Connection, name: str, /, **where: Any) -> Row | None:
    """The one row where columns equal these values, or None."""
    table = getattr(tables(), name)
    found = connection.execute(sa().select(table).where(*_matching(table, where)).limit(1))
    row = found.mappings().first()
    return None if row is None else dict(row)


def newest_first(
    connection: Connection, name: str, where: Row, after: str | None, limit: int
) -> list[Row]:
    """Rows by falling id, those after ``after``."""
    table = getattr(tables(), name)
    query = sa().select(table).where(*_matching(table, where))
    if after:
        query = query.where(table.c.id < after)
    found = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
    return [dict(row) for row in found.mappings()]


def newest_page(
    connection: Connection, name: str, where: Row, after: str | None, limit: int
) -> tuple[list[Row], bool]:
    """As :func:`newest_first`, but some megabytes at most; and whether there are others after."""
    table, wanted, held = getattr(tables(), name), list[str](), 0
    while True:
        query = sa().select(table.c.id, _size(table)).where(*_matching(table, where))
        if after:
            query = query.where(table.c.id < after)
        step = connection.execute(query.order_by(table.c.id.desc()).limit(_STEP)).all()
        for id, size in step:
            if len(wanted) == limit or (wanted and held + size > PAGE_BYTES):
                return _newest_of(connection, name, wanted), True
            wanted.append(id)
            held, after = held + size, id
        if len(step) < _STEP:
            return _newest_of(connection, name, wanted), False


def _size(table: Any) -> Any:
    """How long the free texts of a row are; its other columns have limits of their own."""
    lib = sa()
    free = [one for one in table.c if isinstance(one.type, lib.JSON | lib.Text)]
    return sum((lib.func.length(lib.cast(one, lib.Text)) for one in free), lib.literal(0))


def _newest_of(connection: Connection, name: str, ids: list[str]) -> list[Row]:
    return sorted(rows_among(connection, name, "id", ids), key=lambda row: row["id"], reverse=True)


def change(connection: Connection, name: str, where: Row, /, **values: Any) -> int:
    """Change rows; how many there were."""
    table = getattr(tables(), name)
    statement = sa().update(table).where(*_matching(table, where)).values(**values)
    return int(connection.execute(statement).rowcount)


def remove(connection: Connection, name: str, /, **where: Any) -> int:
    """Remove rows; how many there were."""
    table = getattr(tables(), name)
    return int(connection.execute(sa().delete(table).where(*_matching(table, where))).rowcount)


def remove_of(connection: Connection, name: str, column: str, of: str, /, **where: Any) -> int:
    """Remove rows that refer to matching rows of another table; how many there were.

    One statement without their ids, of which it could hold some ten thousand only.
    """
    table, other = getattr(tables(), name), getattr(tables(), of)
    theirs = sa().select(other.c.id).where(*_matching(other, where))
    found = connection.execute(sa().delete(table).where(table.c[column].in_(theirs)))
    return int(found.rowcount)


def count(connection: Connection, name: str, /, **where: Any) -> int:
    """How many rows there are."""
    table = getattr(tables(), name)
    query = sa().select(sa().func.count()).select_from(table).where(*_matching(table, where))
    return int(connection.execute(query).scalar_one())


def hold(connection: Connection, tenant: str) -> None:
    """Let nobody else count what is a tenant's before this transaction is over.

    PostgreSQL does not show a transaction what others are about to record.
    """
    tenants = tables().tenants
    mine = sa().select(tenants.c.id).where(tenants.c.id == tenant)
    connection.execute(mine.with_for_update(key_share=True))


def count_alone(connection: Connection, name: str, tenant: str, /, **where: Any) -> int:
    """How many of a tenant's rows there are, while no other transaction adds some after this."""
    hold(connection, tenant)
    return count(connection, name, tenant=tenant, **where)


def total(connection: Connection, name: str, column: str, /, **where: Any) -> int:
    """The sum of a column."""
    table = getattr(tables(), name)
    query = sa().select(sa().func.coalesce(sa().func.sum(table.c[column]), 0))
    return int(connection.execute(query.where(*_matching(table, where))).scalar_one())


def grouped(
    connection: Connection, name: str, columns: Sequence[str], /, **where: Any
) -> list[Any]:
    """Rows of ``(*columns, count)``."""
    table = getattr(tables(), name)
    by = [table.c[column] for column in columns]
    query = sa().select(*by, sa().func.count()).where(*_matching(table, where)).group_by(*by)
    return [tuple(row) for row in connection.execute(query)]


def rows_among(
    connection: Connection, name: str, column: str, values: Sequence[str], /, **where: Any
) -> list[Row]:
    """Rows where a column is one of these values."""
    table = getattr(tables(), name)
    query = sa().select(table).where(table.c[column].in_(values), *_matching(table, where))
    return [dict(row) for row in connection.execute(query).mappings()]


def remove_until(connection: Connection, name: str, column: str, value: float) -> int:
    """Remove rows where a column is at most this; how many there were."""
    table = getattr(tables(), name)
    return int(connection.execute(sa().delete(table).where(table.c[column] <= value)).rowcount)


def lend(connection: Connection, rows: Sequence[Row], at: float) -> None:
    """Record leases where no other holds the item at this instant."""
    table = tables().leases
    said = upsert(connection, table).values(list(rows))
    mine = (table.c.holder == said.excluded.holder) | (table.c.until <= at)
    said = said.on_conflict_do_update(
        index_elements=[table.c.pool, table.c.item],
        set_={"holder": said.excluded.holder, "until": said.excluded.until},
        where=mine,
    )
    connection.execute(said)

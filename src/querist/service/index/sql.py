"""The one door to SQLAlchemy, Alembic and the database drivers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, require

_FOR = "the service's index"
MIGRATIONS = Path(__file__).with_name("migrations")
_ONE = threading.Lock()
_MIGRATION_LOCK = 7_301_517_204  # any number; PostgreSQL's advisory lock for migrating


def sa() -> Any:
    """The package ``sqlalchemy``."""
    return require("sqlalchemy", "service", _FOR)


def operations() -> Any:
    """Alembic's ``op``, for the steps of the migrations."""
    return require("alembic", "service", _FOR).op


def integrity_error() -> type[Exception]:
    """What a broken uniqueness raises."""
    found: type[Exception] = sa().exc.IntegrityError
    return found


def database_errors() -> type[Exception]:
    """Everything that a database raises."""
    found: type[Exception] = sa().exc.SQLAlchemyError
    return found


def upsert(connection: Any, table: Any) -> Any:
    """An ``insert`` of the connection's dialect, which can say what is done where a row is."""
    name = f"sqlalchemy.dialects.{connection.dialect.name}"
    return require(name, "service", _FOR).insert(table)


def open_engine(place: str | Path) -> Any:
    """An engine for SQLite or PostgreSQL, by a URL or SQLite's file.

    Raises:
        ConfigError: For another database.
    """
    sqlalchemy = sa()
    if isinstance(place, Path):
        return _sqlite(sqlalchemy.URL.create("sqlite", database=str(place)))
    try:
        parsed = sqlalchemy.make_url(place)
    except sqlalchemy.exc.ArgumentError:
        # The text is not shown: it may hold a password.
        raise ConfigError("'index' is not the URL of a database.") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        require("psycopg", "service", "a PostgreSQL index")
        parsed = parsed.set(drivername="postgresql+psycopg")
        return sqlalchemy.create_engine(
            parsed, pool_size=20, max_overflow=70, pool_pre_ping=True, hide_parameters=True
        )
    raise ConfigError(f"'index' should be a sqlite:// or postgresql:// URL, got {backend}://.")


def _sqlite(url: Any) -> Any:
    sqlalchemy = sa()
    engine = sqlalchemy.create_engine(
        url,
        pool_size=50,
        max_overflow=50,
        hide_parameters=True,
        connect_args={"timeout": 30.0, "check_same_thread": False},
    )

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        try:
            for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # SQLAlchemy leaves it to whoever refuses it
            raise

    def begun(connection: Any) -> None:
        # A reader that turns writer can fail at once with "locked": writers say so at the start.
        write = connection.get_execution_options().get("querist_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    sqlalchemy.event.listen(engine, "connect", connected)
    sqlalchemy.event.listen(engine, "begin", begun)
    return engine


def migrate(engine: Any) -> None:
    """Bring the tables up to date; several servers may do it at once.

    Raises:
        ConfigError: If a newer version did so already.
    """
    # Alembic keeps the context of a migration in the module: one at a time in a process.
    with _ONE, _migrating(engine) as environment:
        environment.run_migrations()


def version_of(engine: Any) -> str | None:
    """The step that the database is at; None for an empty one."""
    migration = require("alembic.runtime.migration", "service", _FOR)
    with engine.connect() as connection:
        found: str | None = migration.MigrationContext.configure(connection).get_current_revision()
        return found


def newest() -> str:
    """The last step of the migrations."""
    return str(_scripts().get_current_head())


def _scripts() -> Any:
    script = require("alembic.script", "service", _FOR)
    return script.ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS / "versions")])


@contextmanager
def _migrating(engine: Any) -> Iterator[Any]:
    environment = require("alembic.runtime.environment", "service", _FOR)
    config = require("alembic.config", "service", _FOR).Config()
    unknown = require("alembic.util.exc", "service", _FOR).CommandError
    scripts = _scripts()

    def steps(revision: Any, _: Any) -> Any:
        try:
            return scripts._upgrade_revs("head", revision)
        except unknown as error:
            raise ConfigError(
                f"The index is at step {revision}, which this version of Querist does not know: a "
                "newer one was here. Install that one, or restore a backup from before it."
            ) from error

    with (
        engine.connect().execution_options(querist_write=True) as connection,
        connection.begin(),
        environment.EnvironmentContext(config, scripts, fn=steps) as context,
    ):
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        context.configure(connection=connection)
        yield context

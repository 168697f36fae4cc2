"""From ``pool.yaml`` to picks on this machine: the pool is brought up to date, and asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote

from querist.core.errors import ConfigError
from querist.pool.adding import Progress as Adding
from querist.pool.file import PoolFile, load_pool_file
from querist.pool.items import Added
from querist.pool.pool import Pool
from querist.pool.query import QueryResult, run_query, start_query
from querist.pool.query_status import QueryStatus
from querist.pool.settings import FILE, PoolSettings, write_settings


def pool_of(found: PoolFile) -> Pool:
    """The pool that a file describes: made, or opened where it is already.

    Raises:
        ConfigError: If it was made with other settings, and has items.
    """
    folder, settings = Path(found.folder or found.name), found.settings()
    if not (folder / FILE).exists():
        return Pool.create(folder, settings)
    pool = Pool.open(folder)
    other = _differences(pool.settings, settings)
    if not other:
        return pool
    empty = len(pool) == 0
    pool.close()
    if not empty:
        raise ConfigError(
            f"The pool in {folder} was made with other settings. Take those back, or name a new "
            "folder:",
            other,
        )
    write_settings(folder, settings)  # nothing rests on the others yet
    return Pool.open(folder)


def bring_up(pool: Pool, found: PoolFile, progress: Adding | None = None) -> Added:
    """Add what the file names and the pool does not have, labels included; the counts."""
    how = {"columns": found.data.columns}
    added = pool.add(*found.data.from_, progress=progress, manifest=how)
    for path in found.data.labels:
        told = pool.import_labels(path, manifest=how)
        added = added._replace(labelled=added.labelled + told.labelled)
    return added


def run_file(
    path: Path | str,
    progress: Callable[[QueryStatus], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> QueryResult:
    """Carry out ``pool.yaml``: bring the pool up to date, then pick.

    Args:
        path: Of the file.
        progress: Told how far the query is.
        should_stop: Looked at several times a second; true stops the query in order.

    Raises:
        ConfigError: If the file cannot be used, with lines; or if it names a server, which is for
            ``querist run`` and ``querist.Client``.
    """
    found = load_pool_file(path)
    if found.server is not None:
        how = f"querist run {quote(str(path))}"
        raise ConfigError(f"{path} names a server; carry it out with: {how}")
    with pool_of(found) as pool:
        bring_up(pool, found)
        folder = start_query(pool, found.asked())
    return run_query(folder, progress, should_stop)


def _differences(made: PoolSettings, asked: PoolSettings) -> tuple[str, ...]:
    names = PoolSettings.model_fields
    pairs = ((name, getattr(made, name), getattr(asked, name)) for name in names)
    return tuple(
        f"{name}: the pool has {one!r}, the file {other!r}"
        for name, one, other in pairs
        if one != other
    )

"""Queries: which items of a pool are worth a label. A query is a durable job in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.engines.machine import usable_cores
from querist.pool.errors import NotAPool
from querist.pool.live_models import is_live, live_model
from querist.pool.pool import Pool
from querist.pool.query_errors import QueryCancelled, QueryFailed, QueryUnfinished
from querist.pool.query_needs import needs_of
from querist.pool.query_picks import failures_of, picked_fact, picks_of
from querist.pool.query_result import ItemFailure, Pick, QueryResult
from querist.pool.query_run import QueryRun, state_of
from querist.pool.query_settings import QuerySettings, parse_query
from querist.pool.query_state import CANDIDATES, QueryState
from querist.pool.query_status import (
    CANCELLED,
    CANCELLING,
    DONE,
    FAILED,
    RUNNING,
    Progress,
    QueryStatus,
    read_status,
    write_status,
)
from querist.pool.scan.outputs import remove_outputs
from querist.store.errors import RunLocked
from querist.store.run_folder import RunFolder, new_run_id
from querist.strategies.registry import get

FOLDER = "queries"
_SHOWN = 1000  # failures in a result; query_failures pages through all


def start_query(
    pool: Pool | Path | str,
    settings: QuerySettings | Mapping[str, Any],
    id: str | None = None,
    git: Mapping[str, Any] | None = None,
) -> Path:
    """Make the folder of a new query; nothing runs yet.

    Args:
        pool: The pool, or its folder.
        settings: What is asked.
        id: Of the query; by default the time and a random part.
        git: The state of the code, for the manifest, where it is known already.

    Returns:
        The query's folder, ``POOL/queries/ID``.

    Raises:
        ConfigError: If the settings cannot be used, or the strategy needs what a pool cannot give.
        UnknownStrategy: If there is none of that name.
        RunExists: If there is a query of this id.
    """
    checked = parse_query(settings)
    with _opened(pool) as found:
        needs_of(get(checked.strategy), found.count("labelled") > 0)
        folder = found.folder / FOLDER / (id or new_run_id())
        folder.parent.mkdir(exist_ok=True)
        told = {"kind": "query", "settings": _plain(checked)}
        RunFolder.create(folder, told, seeds={"seed": checked.seed}, run_id=folder.name, git=git)
    return folder


def _plain(settings: QuerySettings) -> dict[str, Any]:
    try:
        return settings.model_dump(mode="json")
    except ValueError as error:  # Pydantic's, for what JSON has not
        raise ConfigError(
            f"A query's settings are kept as JSON, and these hold an object ({error}). Name code "
            "by its import path, such as 'my_net:build'; a torch module is {'module': net}."
        ) from error


def run_query(
    folder: Path | str,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    model: Any = None,
    handle_signals: bool = False,
) -> QueryResult:
    """Run a query to its end, or go on with one that was stopped, killed or failed.

    With the engine "mpi" all ranks call this. It returns on rank 0; the others work, and exit when
    rank 0's process does.

    Args:
        folder: Of the query.
        progress: Called several times a second with a :class:`QueryStatus`.
        should_stop: Looked at several times a second; true stops the query in order.
        model: What is used in place of the model of the settings, in this process only: as of
            :meth:`~querist.pool.pool.Pool.query`, other than settings.
        handle_signals: Let SIGINT, SIGTERM and SIGUSR1 stop it in order (main thread only).

    Raises:
        QueryFailed: If it cannot be answered; the status keeps the sentence.
        QueryCancelled: If it was cancelled.
        QueryStopped: If it was stopped before its end.
        RunLocked: If another process runs it.
        ConfigError: If its model or strategy cannot be used.
    """
    run = RunFolder(folder)
    with Pool.open(pool_folder(run.path)) as pool:
        settings = settings_of(run)
        if model is not None:
            model = live_model(model, pool, usable_cores(), settings.engine.device)
        QueryRun(pool, run, settings, model).run(progress, should_stop, handle_signals)
    return query_result(folder)


def ask(
    pool: Pool, settings: Mapping[str, Any], model: Any = None, progress: Progress | None = None
) -> QueryResult:
    """Start a query and run it.

    ``model`` is settings, a fitted estimator, torch modules, an opened model, a function of a batch
    that gives probabilities, or None.

    Raises:
        ConfigError: If it is something else.
    """
    engine = settings.get("engine")
    device = engine.get("device") if isinstance(engine, Mapping) else None
    opened = live_model(model, pool, usable_cores(), device) if is_live(model) else None
    told = {"use": "live"} if opened is not None else model
    folder = start_query(pool, {**settings, "model": told})
    return run_query(folder, progress, model=opened)


def query_status(folder: Path | str) -> QueryStatus:
    """How far a query is; cheap."""
    run = RunFolder(folder)
    status = read_status(run.path, run.run_id)
    cancelling = status.state == RUNNING and any(m.kind == "stop" for m in run.inbox.pending(10))
    return status._replace(state=CANCELLING) if cancelling else status


def cancel_query(folder: Path | str, reason: str = "") -> QueryStatus:
    """Cancel a query, whoever runs it, and whether it runs or not; it cannot be resumed.

    A query that is done stays done.
    """
    run = RunFolder(folder)
    try:
        with run.lock():
            state = state_of(run)
            if state.picked is None and state.ended != CANCELLED:
                data = {"status": CANCELLED, "reason": reason or "cancelled by a user"}
                with run.journal_writer() as writer:
                    writer.append("query.ended", data)
                remove_outputs(run.path)
                status = read_status(run.path, run.run_id)
                write_status(run.path, status._replace(state=CANCELLED, error=data["reason"]))
    except RunLocked:
        run.inbox.post("stop", {"reason": reason})
    return query_status(folder)


def query_result(folder: Path | str) -> QueryResult:
    """What came of a query that is done.

    Raises:
        QueryUnfinished: If there is no result yet.
        QueryFailed: If it failed.
        QueryCancelled: If it was cancelled.
    """
    run = RunFolder(folder)
    fact = picked_fact(run)
    if fact is None:
        raise _no_result(run, state_of(run))
    told, arrays = fact
    state = state_of(run)
    with Pool.open(pool_folder(run.path)) as pool:
        return QueryResult(
            id=run.run_id,
            folder=run.path,
            picks=list(picks_of(pool, told, arrays)),
            failures=failures_of(pool, run, 0, _SHOWN) if state.counts["failed"] else [],
            counts={**state.counts, **told["counts"]},
            seconds={**state.seconds, "wall": state.t},
            digest=told["digest"],
            strategy=told["strategy"],
            notes=tuple(told["notes"]),
        )


def query_picks(folder: Path | str) -> Iterator[Pick]:
    """The picks of a query that is done, one after the other; raises as :func:`query_result`."""
    run = RunFolder(folder)
    fact = picked_fact(run)
    if fact is None:
        raise _no_result(run, state_of(run))
    with Pool.open(pool_folder(run.path)) as pool:
        yield from picks_of(pool, *fact)


def query_failures(folder: Path | str, after: int = 0, limit: int = 1000) -> list[ItemFailure]:
    """A page of the items that could not be used, also while the query runs.

    Args:
        folder: Of the query.
        after: How many to leave out at the beginning.
        limit: At most so many.
    """
    run = RunFolder(folder)
    with Pool.open(pool_folder(run.path)) as pool:
        return failures_of(pool, run, after, limit)


def queries(pool: Pool | Path | str) -> list[QueryStatus]:
    """All queries of a pool, the oldest first."""
    folder = (pool.folder if isinstance(pool, Pool) else Path(pool)) / FOLDER
    found = sorted(path for path in folder.glob("*") if (path / "manifest.json").is_file())
    return [query_status(path) for path in found]


def settings_of(run: RunFolder) -> QuerySettings:
    """What was asked."""
    return parse_query(run.config().get("settings"), f"{run.path}/config.json")


def pool_folder(folder: Path) -> Path:
    """The folder of the pool that a query belongs to."""
    if folder.parent.name != FOLDER:
        raise NotAPool(f"{folder} does not lie in the folder {FOLDER!r} of a pool.")
    return folder.parent.parent


def _no_result(run: RunFolder, state: QueryState) -> Exception:
    if state.ended == CANCELLED:
        return QueryCancelled(f"The query {run.run_id} was cancelled: {state.reason}")
    if state.ended == FAILED:
        return QueryFailed(state.reason)
    return QueryUnfinished(
        f"The query {run.run_id} has no result yet: {state.items_done(CANDIDATES):,} candidates "
        "are scanned. Run it to its end with run_query."
    )


def _opened(pool: Pool | Path | str) -> AbstractContextManager[Pool]:
    return nullcontext(pool) if isinstance(pool, Pool) else Pool.open(pool)


__all__ = [
    "DONE",
    "ItemFailure",
    "Pick",
    "QueryResult",
    "QuerySettings",
    "QueryStatus",
    "cancel_query",
    "queries",
    "query_failures",
    "query_picks",
    "query_result",
    "query_status",
    "run_query",
    "start_query",
]

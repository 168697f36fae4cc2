"""One run of a query: from its folder to an engine that works, and to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from querist.campaign.driver import Driver, Outcome, signals
from querist.control.desk import Desk
from querist.core.errors import QueristError
from querist.core.roles import Engine
from querist.core.tasks import Factory, PoolSpec, Resources
from querist.engines import create, fitted
from querist.engines.gpus import gpu_names, gpu_share
from querist.engines.machine import usable_cores
from querist.pool.pool import Pool
from querist.pool.query_control import QueryController, QueryPlan
from querist.pool.query_errors import QueryCancelled, QueryFailed, QueryStopped
from querist.pool.query_listing import listed, needs_in
from querist.pool.query_needs import Needs
from querist.pool.query_settings import QuerySettings
from querist.pool.query_state import QueryState
from querist.pool.query_status import (
    CANCELLED,
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    Progress,
    QueryStatus,
    StatusWriter,
    read_status,
    write_status,
)
from querist.pool.scan.outputs import remove_outputs
from querist.store.lock import WriterLock
from querist.store.run_folder import RunFolder
from querist.strategies.registry import get

SCANNER = "querist.pool.scan.scanner:Scanner"
_LOOK = 0.2  # seconds between two looks at should_stop
_STATES = {"finished": DONE, "stopped": STOPPED, "failed": FAILED, "cancelled": CANCELLED}


def state_of(run: RunFolder) -> QueryState:
    """What the journal of a query says."""
    state = QueryState()
    for record in run.journal_reader():
        state.fold(record.kind, record.data)
    return state


class QueryRun:
    """Runs a query once.

    Args:
        pool: Its pool.
        run: Its folder.
        settings: What was asked.
        model: An opened model in place of that of the settings, or None.
    """

    def __init__(
        self, pool: Pool, run: RunFolder, settings: QuerySettings, model: Any = None
    ) -> None:
        self._pool, self._run, self._settings, self._model = pool, run, settings, model

    def run(
        self,
        progress: Progress | None,
        should_stop: Callable[[], bool] | None,
        handle_signals: bool,
    ) -> None:
        """Run to the end; see :func:`querist.pool.query.run_query`."""
        workers, threads = self._attend()
        with self._run.lock() as lock:
            state = state_of(self._run)
            if state.ended == "cancelled":
                raise QueryCancelled(f"The query {self._run.run_id} was cancelled: {state.reason}")
            if state.picked is not None and state.ended:
                self._settled(state)
                return
            with self._told(progress):
                parts = self._listed(progress)
            controller = self._controller(state, parts, workers)
            outcome = self._drive(
                controller,
                lock,
                StatusWriter(self._run.path, self._run.run_id, parts, state, progress),
                threads,
                lambda driver: self._watched(driver, should_stop, handle_signals),
            )
        _raise(self._run.run_id, outcome, controller.state.traceback)

    @property
    def needs(self) -> Needs:
        """What the strategy needs."""
        return needs_in(self._run.path, get(self._settings.strategy), self._pool)

    def _attend(self) -> tuple[int, int]:
        """Workers, and threads of each; with MPI this returns on rank 0 only."""
        engine = self._settings.engine
        cores = usable_cores()
        if engine.kind == "mpi":
            from querist.engines.mpi import attend

            return engine.workers or max(1, len(attend().free)), engine.threads or 0
        if engine.kind == "inline":
            return 1, engine.threads or cores
        workers = engine.workers or max(1, cores // 2)
        return workers, engine.threads or max(1, cores // workers)

    @contextmanager
    def _told(self, progress: Progress | None) -> Iterator[None]:
        """A failure to begin is the status, too."""
        try:
            yield
        except QueristError as error:
            told = QueryStatus(self._run.run_id, FAILED, "listing", error=str(error))
            write_status(self._run.path, told)
            if progress is not None:
                progress(told)
            raise

    def _listed(self, progress: Progress | None) -> dict[str, int]:
        told = QueryStatus(self._run.run_id, RUNNING, "listing")
        write_status(self._run.path, told)
        if progress is not None:
            progress(told)
        return listed(self._pool, self._settings, self.needs, self._run.path)

    def _controller(
        self, state: QueryState, parts: dict[str, int], workers: int
    ) -> QueryController:
        scan = self._settings.scan
        scanned = self.needs.scanned
        plan = QueryPlan(
            parts=tuple((part, count) for part, count in parts.items() if part in scanned),
            workers=tuple(f"scan.{number}" for number in range(workers)),
            chunk=scan.chunk,
            batch=scan.batch,
            abort_share=scan.abort_share,
        )
        last = self._last_record()
        return QueryController(plan, state, Desk(seq=last, epoch=state.epoch))

    def _last_record(self) -> int:
        reader = self._run.journal_reader()
        for _ in reader.read_new():
            pass
        return reader.last_seq

    def _drive(
        self,
        controller: QueryController,
        lock: WriterLock,
        status: StatusWriter,
        threads: int,
        watched: Callable[[Driver], Any],
    ) -> Outcome:
        engine = self._engine(controller.state.t)
        specs = fitted(engine, self._specs(controller.plan.workers, threads))
        header = {
            "engine": self._settings.engine.kind,
            "pools": {spec.name: spec.count for spec in specs},
            "parts": dict(controller.plan.parts),
        }
        driver = Driver(self._run, controller, engine, lock, header, status)
        try:
            with watched(driver):
                engine.start(specs)
                outcome = driver.run()
        finally:
            engine.close(grace=2.0)
        if outcome.status in ("finished", "cancelled"):
            remove_outputs(self._run.path)  # not before: who stops here selects again
        status.end(_STATES[outcome.status], "" if outcome.status == "finished" else outcome.reason)
        return outcome

    def _settled(self, state: QueryState) -> None:
        """What a run that died after its last fact left undone."""
        remove_outputs(self._run.path)
        if read_status(self._run.path, self._run.run_id).state != DONE:
            parts = {part: state.items_done(part) for part in state.done}
            StatusWriter(self._run.path, self._run.run_id, parts, state).end(DONE)

    def _engine(self, now: float) -> Engine:
        options = {"run": self._run.path, "seed": self._settings.seed, "start_at": now}
        if self._settings.engine.kind == "mpi":
            options["isolate"] = False
        return create(self._settings.engine.kind, **options)

    def _specs(self, workers: tuple[str, ...], threads: int) -> list[PoolSpec]:
        if self._model is None:
            handler = Factory(SCANNER, {"folder": str(self._run.path)})
        else:
            from querist.pool.scan.scanner import Scanner

            handler = Factory(live=Scanner(self._run.path, self._model))
        resources = Resources(gpus=self._gpu_share(len(workers)))
        return [PoolSpec(name, handler, threads=threads, resources=resources) for name in workers]

    def _gpu_share(self, workers: int) -> float:
        """GPUs of each worker process, which sees no other: the fullest is shared by fewest."""
        engine = self._settings.engine
        if engine.kind == "inline" or not (engine.device or "").startswith("cuda"):
            return 0.0
        if engine.kind == "mpi":
            from querist.engines.mpi import attend

            return gpu_share(workers, attend().gpus)
        return gpu_share(workers, len(gpu_names()))

    @contextmanager
    def _watched(
        self, driver: Driver, should_stop: Callable[[], bool] | None, handle_signals: bool
    ) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=_look, args=(driver, should_stop, over), daemon=True)
        with signals(driver.interrupt) if handle_signals else nullcontext():
            if should_stop is not None:
                thread.start()
            try:
                yield
            finally:
                over.set()
                if should_stop is not None:
                    thread.join()


def _look(driver: Driver, should_stop: Callable[[], bool], over: threading.Event) -> None:
    while not over.wait(_LOOK):
        if should_stop():
            driver.interrupt("stopped by its caller")
            return


def _raise(id: str, outcome: Outcome, traceback: str) -> None:
    if outcome.status == "failed":
        failed = QueryFailed(outcome.reason)
        if traceback:  # of somebody's code; Python prints notes below the sentence
            failed.add_note(f"In its worker:\n{traceback}")
        raise failed
    if outcome.status == "cancelled":
        raise QueryCancelled(f"The query {id} was cancelled: {outcome.reason}")
    if outcome.status == "stopped":
        raise QueryStopped(f"The query {id} was stopped: {outcome.reason}. Run it again to go on.")

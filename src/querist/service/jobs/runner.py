"""The thread that runs jobs: starts their processes, listens to them, and records what they say.

It claims jobs in the index, so that several runners may share one; a claim is renewed while the
runner lives, and lapses when it does not. What a job did is in its own folder, so that the next
process goes on from there, whoever starts it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from querist.service.index.index import Connection, Index, Row, change, find, now
from querist.service.index.sql import database_errors
from querist.service.jobs import line
from querist.service.jobs.plan import Running, Shares, came_further, plan
from querist.service.jobs.process import JobProcess
from querist.service.jobs.records import active, by_ids, move, served, waiting
from querist.service.people import tenant_told
from querist.service.settings import ServiceSettings
from querist.service.wire.jobs import JobState
from querist.service.workspace import Workspace

_LOG = logging.getLogger("querist.service.jobs")
_TICK_S, _RECORD_S, _SHARE_S, _LEASE_S = 0.1, 0.5, 0.5, 30.0
_PATIENCE_S = 20.0  # from the wish that a process ends to its being killed
_SERVED_S, _SUMMED_S = 86_400.0, 5.0  # the last day's work counts; how often it is summed up

Tell = Callable[[Row, Row], Mapping[str, Any]]


class Runner:
    """Runs jobs until it is stopped.

    Args:
        index: Where the jobs are.
        workspace: Where their folders are.
        settings: Slots, shares, limits.
        tell: From a job's row and its tenant's, what its process is told.
        after: Called with a job's row after its process started or ended.
    """

    def __init__(
        self,
        index: Index,
        workspace: Workspace,
        settings: ServiceSettings,
        tell: Tell,
        after: Callable[[Row], None],
    ) -> None:
        self._index, self._workspace, self._settings = index, workspace, settings
        self._tell, self._after = tell, after
        self._own: dict[str, JobProcess] = {}
        self._rows: dict[str, Row] = {}
        self._wake, self._stopping = threading.Event(), False
        self._recorded = self._shared = self._leased = self._summed = 0.0
        self._served: dict[str, float] = {}
        self._barren = Counter[str]()
        self._thread = threading.Thread(target=self._run, name="querist-jobs", daemon=True)
        self.beat = time.monotonic()

    def start(self) -> None:
        """Take back what an earlier process with this name ran, and begin."""
        self._take_back()
        self._thread.start()

    def poke(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    def stop(self) -> None:
        """Suspend all jobs, and end. They go on where they were when a runner starts again."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S + 10)

    @property
    def alive(self) -> bool:
        """Whether its thread looks at the jobs."""
        return self._thread.is_alive() and time.monotonic() - self.beat < 60

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._stopping and not self._own):
            self._wake.wait(_TICK_S)
            self._wake.clear()
            self.beat = time.monotonic()
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - without this thread no job runs any more
                what = "index failed" if isinstance(error, database_errors()) else "round failed"
                _LOG.error(what, exc_info=error)
                time.sleep(1.0)

    def _round(self) -> None:
        for job, process in list(self._own.items()):
            status = process.poll()
            if status is not None:
                self._ended(job, process, status)
            elif self._stopping:
                process.ask(signal.SIGTERM, _PATIENCE_S)
            elif process.seconds > self._settings.jobs.seconds:
                process.kill()
        at = time.monotonic()
        if self._own and at - self._recorded >= _RECORD_S:
            self._recorded = at
            self._record()
        full = len(self._own) >= self._settings.jobs.slots
        # While nothing is free, looking for who has waited too long need not follow every submit.
        if not self._stopping and not (full and at - self._shared < _SHARE_S):
            self._shared = at
            self._share()
        if at - self._leased >= _LEASE_S / 5:
            self._leased = at
            self._lease()

    def _record(self) -> None:
        """Write progress down, and see who is to be cancelled."""
        with self._index.write() as connection:
            rows = by_ids(connection, list(self._own))
            for job, process in self._own.items():
                progress = process.progress
                if progress and progress != rows[job]["progress"]:
                    change(connection, "jobs", {"id": job}, progress=progress)
        for job, process in self._own.items():
            if rows[job]["cancel"]:
                process.ask(signal.SIGUSR1, _PATIENCE_S)

    def _share(self) -> None:
        """Start what is next, and make room."""
        with self._index.read() as connection:
            queue = waiting(connection, self._settings.jobs.slots)
            if not queue:
                return
            running = [self._running(row) for row in active(connection)]
            shares = self._shares(connection, {one.tenant for one in queue})
        decided = plan(queue, running, shares, now())
        for job in decided.start:
            self._begin(job)
        for job in decided.suspend:
            self._own[job].ask(signal.SIGTERM, _PATIENCE_S)

    def _running(self, row: Row) -> Running:
        job, since = row["id"], row["started"] or 0.0
        return Running(job, row["tenant"], since, job in self._own, self._barren[job])

    def _shares(self, connection: Connection, tenants: set[str]) -> Shares:
        if time.monotonic() - self._summed >= _SUMMED_S:
            self._summed = time.monotonic()
            self._served = served(connection, now() - _SERVED_S)
        weight, most = {}, {}
        for tenant in tenants:
            found = find(connection, "tenants", id=tenant)
            if found is None:
                continue
            name, own = found["name"], tenant_told(found).quota
            weight[tenant] = self._settings.tenant(name).share
            most[tenant] = self._settings.quota_of(name, own).running or 1
        return Shares(
            self._settings.jobs.slots,
            weight,
            most,
            self._served,
            self._settings.jobs.patience,
        )

    def _begin(self, job: str) -> None:
        """Claim a job and start its process; another runner may have been faster."""
        with self._index.write() as connection:
            row = find(connection, "jobs", id=job, state=JobState.QUEUED.value)
            if row is None:
                return
            tenant = find(connection, "tenants", id=row["tenant"]) or {}
            values = {
                "runner": self._settings.jobs.name,
                "lease": now() + _LEASE_S,
                "attempts": row["attempts"] + 1,
                "started": now(),
                "error": "",
            }
            if not move(connection, row, JobState.RUNNING, "", **values):
                return
        try:
            told = self._tell(row, tenant)
            credentials = self._settings.tenant(tenant["name"]).credentials
            folder = self._workspace.job(row["tenant"], job)
            self._own[job], self._rows[job] = JobProcess(folder, told, credentials), row
        except Exception as error:  # noqa: BLE001 - one job's trouble is not the others'
            _LOG.error("job not started", extra={"job": job, "error": type(error).__name__})
            with self._index.write() as connection:
                move(connection, row, JobState.FAILED, error="The job could not be started.")
            return
        _LOG.info("job started", extra={"job": job, "pid": self._own[job].pid})
        self._say(row)

    def _ended(self, job: str, process: JobProcess, status: int) -> None:
        process.close()
        with self._index.write() as connection:
            row = by_ids(connection, [job])[job]
            values: Row = {"seconds": row["seconds"] + process.seconds}
            if process.progress:
                values["progress"] = process.progress
            state, more = self._outcome(row, process, status)
            move(connection, row, state, "", **values, **more)
        if state is not JobState.QUEUED:
            del self._barren[job]
        elif not came_further(self._rows[job]["progress"], process.progress):
            self._barren[job] += 1
        del self._own[job], self._rows[job]
        # Until it is summed up again, this runner's work counts already: who is next hangs on it.
        tenant = row["tenant"]
        self._served[tenant] = self._served.get(tenant, 0.0) + process.seconds
        _LOG.info("job ended", extra={"job": job, "status": status, "state": state.value})
        self._say(row)

    def _say(self, row: Row) -> None:
        """Tell the service; its trouble (a pool that was removed meanwhile) is not the jobs'."""
        try:
            self._after(row)
        except Exception as error:  # noqa: BLE001 - without this thread no job runs any more
            _LOG.error("after job failed", exc_info=error, extra={"job": row["id"]})

    def _outcome(
        self, row: Row, process: JobProcess, status: int
    ) -> tuple[JobState, Mapping[str, Any]]:
        """The job's next state by how its process ended."""
        again = {"runner": "", "attempts": row["attempts"] - 1}  # it did nothing wrong
        if status == line.DONE:
            return JobState.DONE, {"result": process.result}
        if status == line.CANCELLED or row["cancel"]:
            return JobState.CANCELLED, {"result": process.result}
        if status == line.FAILED:
            return JobState.FAILED, {
                "error": self._workspace.hidden(process.error) or "The job failed."
            }
        if process.seconds > self._settings.jobs.seconds:
            return JobState.FAILED, {"error": "The job took longer than the server allows."}
        if status in (line.SUSPENDED, line.LOCKED) or process.asked:
            return JobState.QUEUED, again
        if row["attempts"] >= self._settings.jobs.attempts:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            return JobState.FAILED, {
                "error": f"The job's process ended {row['attempts']} times by {how}; the last "
                "lines of its log are for the administrator."
            }
        return JobState.QUEUED, {"runner": ""}

    # -- claims -------------------------------------------------------------------------------

    def _take_back(self) -> None:
        with self._index.write() as connection:
            for row in active(connection):
                if row["runner"] == self._settings.jobs.name:
                    _give_up(connection, row)

    def _lease(self) -> None:
        """Renew the claims of this runner, and end those that lapsed."""
        with self._index.write() as connection:
            for row in active(connection):
                if row["id"] in self._own:
                    change(connection, "jobs", {"id": row["id"]}, lease=now() + _LEASE_S)
                elif row["lease"] < now():
                    _give_up(connection, row)


def _give_up(connection: Connection, row: Row) -> None:
    """A job whose process is gone: it waits again, or ends if that was wished."""
    if row["cancel"]:
        move(connection, row, JobState.CANCELLED)
    else:
        move(connection, row, JobState.QUEUED, "interrupted", runner="")

"""Each question as a job of its own in the site's queue; jobs outlive the campaign's process."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError
from querist.core.roles import TaskContext, WorkerContext
from querist.oracles import folders
from querist.oracles import job as jobs
from querist.oracles.checks import CANCELLED, failure_of, tell
from querist.oracles.command import logs
from querist.oracles.guarded import Command, Ended
from querist.oracles.parallel import GRACE_SECONDS, ParallelCommand
from querist.oracles.scheduler import LOCAL, Order, Refused, Scheduler
from querist.oracles.streams import Stream

POLL_SECONDS = 0.05
LINGER_SECONDS = 10.0  # a job's last file may appear late on a shared file system
LONGEST_BACKOFF = 300.0
ENDING_SECONDS = 5.0
RECORD = "job.json"


@dataclass(slots=True)
class _Job:
    """One question's job, as far as this process knows it."""

    sample: Sample
    folder: Path
    attempt: int
    handle: Any = None
    native: str = ""
    over_since: float | None = None
    next_look: float = 0.0
    stream: Stream | None = None

    @property
    def spec(self) -> Path:
        return self.folder / f"job-{self.attempt}.json"

    def file(self, kind: str) -> Path:
        return self.spec.with_suffix(f".{kind}.json")

    def record(self, **more: Any) -> None:
        held = {"attempt": self.attempt, "native": self.native, **more}
        jobs.write_json(self.folder / RECORD, held)


@dataclass(eq=False)
class QueuedCommand(ParallelCommand):
    """Submits one job a sample through PSI/J, and reads the answer from its folder.

    The folder must be seen by the job: it lies in the run's folder, or in ``folder``. A job goes on
    when the campaign's process is stopped or killed. Asked again, after ``resume``, the oracle
    finds the job by what is written in the folder: one that ended is read, one that waits or runs
    is waited for, and none is started twice.

    ``resources`` say what each job asks for; its wall time counts from the job's start, however
    long it waited. Each worker holds up to ``max_jobs`` jobs in the queue, those of one task
    (``batch`` questions) at a time.

    Attributes:
        launcher: As for :class:`~querist.oracles.parallel.ParallelCommand`, but looked for in the
            job, and "auto" means none for one rank.
        executor: PSI/J's name of the queue: "slurm", "pbs", "lsf", "flux", "cobalt", or "local" for
            processes of this host.
        queue, account, reservation: For the scheduler, "" for the site's default.
        attributes: The scheduler's own: ``{"slurm.constraint": "cpu"}``.
        max_jobs: How many jobs of each worker may be in the queue at once.
        patience: Seconds for which a scheduler may refuse a job (because of its own limits) before
            the question fails; asked again after 1, 2, 4 ... at most 300 seconds.
        poll_seconds: How often a job's folder is looked at.
        queue_seconds: How often the scheduler is asked.
    """

    needs_share: ClassVar[bool] = False
    queues: ClassVar[bool] = True

    executor: str = LOCAL
    queue: str = ""
    account: str = ""
    reservation: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    max_jobs: int = 100
    patience: float = 3600.0
    poll_seconds: float = 1.0
    queue_seconds: float = 30.0
    _scheduler: Scheduler | None = field(default=None, init=False, repr=False)
    _done: list[Path] = field(default_factory=list, init=False, repr=False)
    _backoff: float = field(default=0.0, init=False, repr=False)
    _not_before: float = field(default=0.0, init=False, repr=False)
    _refused_since: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_jobs < 1 or min(self.poll_seconds, self.queue_seconds) <= 0:
            raise ConfigError("max_jobs is 1 or more, poll_seconds and queue_seconds positive.")

    def open(self, context: WorkerContext) -> None:
        """Find the scheduler."""
        self._queue()

    def close(self) -> None:
        """Remove what is no longer needed; jobs go on."""
        self._clear()

    @property
    def _lasts(self) -> bool:
        return True

    def _queue(self) -> Scheduler:
        if self._scheduler is None:
            self._scheduler = Scheduler(self.executor, self.queue_seconds)
        return self._scheduler

    # ---------------------------------------------------------------------------------- answering

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample, all of them in the queue together."""
        self._clear()
        waiting = list(enumerate(samples.samples()))
        found: dict[int, Outcome] = {}
        running: dict[int, _Job] = {}
        while len(found) < len(samples):
            if context.should_stop():
                self._leave(running, context)
                return [found.get(index, CANCELLED) for index in range(len(samples))]
            while waiting and len(running) < self.max_jobs and time.monotonic() >= self._not_before:
                index, sample = waiting[0]
                begun = self._begin(sample, context)
                if begun is None:  # refused for now
                    break
                waiting.pop(0)
                if isinstance(begun, _Job):
                    running[index] = begun
                else:
                    found[index] = begun
            for index in list(running):
                outcome = self._look(running[index], context)
                if outcome is not None:
                    found[index] = outcome
                    del running[index]
                    tell(context, len(samples), index, outcome)
            if len(found) < len(samples):
                time.sleep(POLL_SECONDS)
        return [found[index] for index in range(len(samples))]

    def _begin(self, sample: Sample, context: TaskContext) -> _Job | Outcome | None:
        """Find the sample's job, or submit one; None when the scheduler refuses it for now."""
        folder = self._folder(sample, context)
        held = jobs.read_json(folder / RECORD)
        job = _Job(sample, folder, int(held.get("attempt", 0)), native=str(held.get("native", "")))
        try:
            if not held or held.get("seen"):
                job.attempt, job.native = job.attempt + 1, ""
                self._write(job, context)
            elif job.file("ended").exists() or self._attach(job):
                return self._followed(job, context)
            return self._submit(job, context)
        except ConfigError as error:
            return replace(failure_of(error), transient=False)
        except Exception as error:  # noqa: BLE001 - the user's files are written here
            return failure_of(error, logs(folder))

    def _write(self, job: _Job, context: TaskContext) -> None:
        command = self._prepare(job.sample, job.folder, context)
        given = {k: v for k, v in command.environment.items() if os.environ.get(k) != v}
        alone = self.launcher == "auto" and self.resources.ranks == 1
        held = {
            "argv": list(command.argv),
            "folder": str(job.folder),
            "environment": given,
            "timeout": command.timeout,
            "memory_mb": command.memory_mb,
            "grace": GRACE_SECONDS,
            "launcher": "none" if alone else self.launcher,
            "launcher_options": list(self.launcher_options),
            "pin": self.pin,
            "resources": asdict(self.resources),
        }
        jobs.write_json(job.spec, held)
        job.record()

    def _launched(self, command: Command) -> Command:
        return command  # in the job

    def _submit(self, job: _Job, context: TaskContext) -> _Job | Failure | None:
        order = Order(
            f"q-{job.folder.name[:12]}",
            [sys.executable, jobs.__file__, str(job.spec)],
            job.folder,
            self.resources,
            self.queue,
            self.account,
            self.reservation,
            self.attributes,
        )
        try:
            job.handle = self._queue().submit(order)
        except Refused as error:
            return self._refused(job, str(error))
        self._refused_since, self._backoff = None, 0.0
        job.native = str(job.handle.native_id)
        job.record()
        return self._followed(job, context)

    def _refused(self, job: _Job, why: str) -> Failure | None:
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        self._backoff = min(LONGEST_BACKOFF, 2 * self._backoff or 1.0)
        self._not_before = now + self._backoff
        if now - self._refused_since < self.patience:
            return None
        self._refused_since, self._backoff = None, 0.0
        message = f"{self.executor} refused the job for {self.patience:g} s: {why}"
        return self._seen(job, Failure(Reason.RAISED, message))

    def _followed(self, job: _Job, context: TaskContext) -> _Job:
        if self.stream:
            about = {"sample": job.sample.id, "worker": context.worker.name}
            job.stream = Stream(job.folder / self.stream, context.progress, about)
        return job

    # ---------------------------------------------------------------------------------- following

    def _attach(self, job: _Job) -> bool:
        """Find a job of an earlier process; False when it never began and is in no queue."""
        started = jobs.read_json(job.file("started"))
        if self.executor == LOCAL:
            pid = int(started.get("pid", 0))
            alive = bool(started) and jobs.birth(pid) == started["birth"]
            job.native = str(pid) if alive else ""
        else:
            job.native = str(started.get("native") or job.native)
        job.handle = self._queue().attach(job.native) if job.native else None
        return bool(started) or job.handle is not None

    def _look(self, job: _Job, context: TaskContext) -> Outcome | None:
        """The outcome of a job that has ended."""
        if job.stream is not None:
            job.stream.look()
        now = time.monotonic()
        if now < job.next_look:
            return None
        job.next_look = now + self.poll_seconds
        if job.file("ended").exists():
            return self._ended(job, context)
        if job.handle is not None and not self._queue().is_over(job.handle):
            return None
        if job.over_since is None:
            job.over_since = now
            return None
        if now - job.over_since < min(LINGER_SECONDS, 5 * self.poll_seconds):
            return None
        return self._vanished(job)

    def _vanished(self, job: _Job) -> Outcome | None:
        """A job that is over and left no word; perhaps another job of it runs."""
        started, before = jobs.read_json(job.file("started")), job.native
        other = started.get("native") or before
        unseen = job.handle is not None and self._queue().is_out_of_sight(job.handle)
        if self.executor != LOCAL and (unseen or other != before) and self._attach(job):
            job.over_since = None
            return None
        said = "" if job.handle is None else f" ({self._queue().why(job.handle)})"
        where = f"the job {job.native or 'of an earlier process'} of {self.executor}"
        message = f"{where} ended without an answer{said}."
        return self._seen(job, Failure(Reason.WORKER_LOST, message, logs(job.folder)))

    def _ended(self, job: _Job, context: TaskContext) -> Outcome:
        if job.stream is not None:
            job.stream.look(last=True)
        spec = jobs.read_json(job.spec)
        environment: dict[str, str] = {}
        limits = spec["timeout"], spec["memory_mb"]
        command = Command(spec["argv"], job.folder, environment, *limits)
        ended = Ended(**jobs.read_json(job.file("ended")))
        outcome = self._read_answer(ended, command, job.sample)
        if isinstance(outcome, Label) and outcome.cost is None:
            outcome = outcome._replace(cost=ended.seconds)  # what it waited costs nothing
        if isinstance(outcome, Failure):
            outcome = self._seen(job, outcome)
            return self._settle(outcome, job.folder, job.sample, context)
        # What was answered is not durable yet: the folder goes when the next task is here.
        self._done.append(job.folder)
        return outcome

    def _seen(self, job: _Job, failure: Failure) -> Failure:
        """The next try is another job."""
        job.record(seen=True)
        return failure

    def _leave(self, running: Mapping[int, _Job], context: TaskContext) -> None:
        """Cancel the jobs of a cancelled task; those of a worker that closes go on."""
        if getattr(context, "closing", False):
            return
        for job in running.values():
            self._cancel(job)
            job.record(seen=True)
        until = time.monotonic() + ENDING_SECONDS
        while any(self._lives(job) for job in running.values()) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def _cancel(self, job: _Job) -> None:
        pid = jobs.read_json(job.file("started")).get("pid")
        if self.executor == LOCAL and pid and self._lives(job):
            # It ends all that it started; PSI/J's own way would kill it before it can.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        elif job.handle is not None:
            self._queue().cancel(job.handle)

    def _lives(self, job: _Job) -> bool:
        """Whether a process of this host is still there."""
        pids = (job.native, jobs.read_json(job.file("started")).get("pid"))
        return self.executor == LOCAL and any(pid and jobs.birth(int(pid)) for pid in pids)

    def _clear(self) -> None:
        done, self._done = self._done, []
        for folder in done:
            if self.keep != "all":
                folders.keep_only(folder, self.keep_files)

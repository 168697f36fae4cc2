"""Jobs: everything that takes long. A query is one kind of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from querist.service.wire.base import Count, Instant, Told

JobKind = Literal[
    "query", "addition", "round", "review", "agreement", "map", "answers", "suggestion"
]


class JobState(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it will not change again."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


QueryState = JobState


class Progress(Told):
    """How far a job is.

    Attributes:
        stage: What it does now: "listing", "scan", "select", ...
        done, total: Items; ``total`` is None while it is not known.
        failed: Items that could not be read, decoded or scored.
        rate: Items a second.
        seconds_left: An estimate.
        memory_mb: Resident memory of the job's processes.
    """

    stage: str = ""
    done: Count = 0
    total: Count | None = None
    failed: Count = 0
    rate: float | None = None
    seconds_left: float | None = None
    memory_mb: float | None = None


class Job(Told):
    """A durable piece of work: it goes on after a crash of the server.

    Attributes:
        attempts: How often it was started; more than 1 after a restart of the server.
        error: Why it failed: a sentence, "" while it has not.
    """

    id: str
    kind: JobKind
    pool: str
    state: JobState
    progress: Progress = Progress()
    attempts: Count = 0
    error: str = ""
    created: Instant
    started: Instant | None = None
    finished: Instant | None = None


class JobEvent(Told):
    """One server-sent event of a job's stream.

    Attributes:
        id: To be sent back as Last-Event-ID: state changes after it are not missed.
        event: "state" when the job's state changed, "progress" in between, "end" as the last.
    """

    id: str
    event: Literal["state", "progress", "end"]
    job: Job


class Failure(Told):
    """One item that could not be used, or one URI that could not be listed.

    Attributes:
        reason: A word for programs: "missing", "too-large", "forbidden", "unreachable", "broken".
        message: A sentence.
    """

    id: str = ""
    uri: str = ""
    reason: str
    message: str = ""
    attempts: Count = 1


class Added(Told):
    """What an addition found."""

    new: Count = 0
    changed: Count = 0
    duplicates: Count = 0
    unchanged: Count = 0
    broken: Count = 0
    forgotten: Count = 0
    labelled: Count = 0


class AdditionJob(Job):
    """The job of an addition, with what it found so far."""

    added: Added = Added()

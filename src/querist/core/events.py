"""What can happen to a controller, and what it can ask for in return. Values, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from querist.core.answers import Failure
from querist.core.batch import Array, Batch, Column
from querist.core.tasks import Spans, Task

NO_SPANS = Spans()
_LAYOUT = ("offsets", "shapes")


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: a deadline that the controller named has come."""


class TaskStarted(NamedTuple):  # of which there are many: made in half a dataclass's time
    """A worker began a task."""

    task: str
    worker: str
    owner: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TaskProgress:
    """A partial result of a task that goes on."""

    task: str
    data: Mapping[str, Any]
    owner: str = ""


class TaskFinished(NamedTuple):
    """A task returned; ``result`` is what its handler returned (failures item by item inside)."""

    task: str
    worker: str
    result: Mapping[str, Any]
    spans: Spans = NO_SPANS
    owner: str = ""


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """A task gave no result at all: it raised, its worker died, or it was cancelled."""

    task: str
    worker: str
    failure: Failure
    spans: Spans = NO_SPANS
    owner: str = ""


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker opened its role and is ready."""

    worker: str
    pool: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, its task reported apart; ``final``: the engine will not replace it."""

    worker: str
    pool: str
    message: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A worker has left its pool for another, which it joins under the name that it has there."""

    worker: str
    pool: str


@dataclass(frozen=True, slots=True)
class Durable:
    """All records up to and including ``seq`` are on disk."""

    seq: int


@dataclass(frozen=True, slots=True)
class StoreBroken:
    """Nothing can be made durable any more (disk full ...); the sentence says why."""

    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Posted:
    """A message from the durable inbox: an outside answer or a user's command.

    Kinds: "answer" (question, outputs), "abstain", "withdraw" (question), "lease", "pause",
    "resume", "stop", "set" (labels, cost, seconds, threshold), "staff" (source, target, why).
    """

    id: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user or the scheduler wants an orderly end within ``grace`` seconds."""

    message: str
    grace: float = 3.0


OfEngine = TaskStarted | TaskProgress | TaskFinished | TaskFailed | WorkerJoined | WorkerLost
Event = OfEngine | RoleChanged | Tick | Durable | StoreBroken | Posted | Interrupted


class Fact(NamedTuple):
    """One record of the journal: a kind, JSON-able data, and arrays."""

    kind: str
    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = {}  # nobody writes into a fact's


class Submit(NamedTuple):
    """Run this task."""

    task: Task


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop this task; ``hard`` allows killing its worker."""

    task: str
    why: str
    hard: bool = True


class Move(NamedTuple):
    """Let a worker of ``source``, once it has nothing to do, serve the pool ``target``."""

    source: str
    target: str


class Record(NamedTuple):
    """Append a fact; the driver answers with :class:`Durable` once ``seq`` is on disk."""

    fact: Fact
    seq: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Remove what was posted, or left in the outbox: it is durable; after Finish, it will be."""

    id: str


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence for the person who watches. Levels: "info", "warning", "error"."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The campaign is over; ``status`` is "finished", "stopped" or "failed"."""

    status: str
    reason: str


Command = Submit | Cancel | Move | Record | Acknowledge | Say | Finish


def pack_batch(batch: Batch, prefix: str = "") -> dict[str, Array]:
    """Flatten a batch into named arrays for a fact; :func:`unpack_batch` reads it back."""
    packed: dict[str, Array] = {}
    for name, column in batch.columns.items():
        for part in ("data", *_LAYOUT):
            packed[f"{prefix}{name}/{part}"] = getattr(column, part)
    if batch.uris is not None:
        packed[f"{prefix}/uris"] = np.array([uri or "" for uri in batch.uris])
    return packed


def unpack_batch(arrays: Mapping[str, Array], prefix: str = "") -> Batch:
    """Read back what :func:`pack_batch` gave; other arrays are passed over."""
    uris = tuple(str(uri) or None for uri in arrays.get(f"{prefix}/uris", ()))
    columns = {}
    for name in (k[:-5] for k in arrays if k.startswith(prefix) and k.endswith("/data")):
        offsets, shapes = (arrays[f"{name}/{part}"].astype(np.int64) for part in _LAYOUT)
        columns[name[len(prefix) :]] = Column(arrays[f"{name}/data"], offsets, shapes)
    return Batch(columns, uris=uris or None)

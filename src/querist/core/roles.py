"""The contracts of the roles. Each is small enough to read in a minute.

No role calls another. Roles return values and only the engine moves them. A role object lives in
one worker and is used by one thread at a time, so it needs no lock; arrays that it is given are
read-only and may be views; arrays that it returns are given away. A role may raise anything: the
campaign turns it into a failure with its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Outcome
from querist.core.batch import Array, Batch, Sample
from querist.core.events import Command, Event
from querist.core.prediction import Feedback, Prediction, Proposal, Verdicts
from querist.core.tasks import PoolSpec, Resources, Task


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a role is told when it is opened in its worker.

    Attributes:
        name: The worker's name.
        index: Its number within its pool.
        device: "cpu" or "cuda:0" ...
        threads: Threads that it may use.
        memory_mb: Its share of memory, None when unlimited.
        scratch: A folder of its own.
        run: The run's folder, None when nothing is kept.
        rng: Its own stream of randomness.
        link: To its party (:class:`querist.engines.link.Link`); None where it has none.
    """

    name: str
    index: int
    device: str
    threads: int
    memory_mb: int | None
    scratch: Path
    run: Path | None
    rng: np.random.Generator
    link: Any = None


class TaskContext(Protocol):
    """What a handler may use while it runs one task."""

    worker: WorkerContext

    def should_stop(self) -> bool:
        """Whether the task was cancelled or asked to yield; cheap, call it often."""

    def progress(self, data: Mapping[str, Any]) -> None:
        """Send a partial result."""

    def now(self) -> float:
        """Seconds of campaign time."""


class Handler(Protocol):
    """What a pool's factory makes in each worker; ``open`` and ``close`` are optional."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Do one task. An exception becomes :class:`~querist.core.events.TaskFailed`."""


@runtime_checkable
class SupportsOpen(Protocol):
    """A role that wants its worker's context before it is used."""

    def open(self, context: WorkerContext) -> None:
        """Called once, first."""


@runtime_checkable
class SupportsClose(Protocol):
    """A role that holds something to be released."""

    def close(self) -> None:
        """Called once, last; not called when the worker is killed."""


@runtime_checkable
class Generator(Protocol):
    """Explores with ``n`` walkers. Single-threaded, stateful, owns its randomness."""

    def propose(self) -> Proposal:
        """The samples that the walkers which are ready want predicted; empty when all wait."""

    def observe(self, feedback: Feedback) -> None:
        """Take predictions and verdicts of the last proposal, and answers when there are any.

        Each walker decides for itself: continue, back up, or wait for its answer.
        """


@runtime_checkable
class SupportsState(Protocol):
    """A generator that can be continued after a crash."""

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Arrays and JSON-able data, randomness included, that :meth:`restore` understands."""

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue exactly where :meth:`state` was taken."""


@runtime_checkable
class SupportsRestart(Protocol):
    """A generator whose walkers can be put elsewhere (adaptive sampling, optimisers)."""

    def restart(self, samples: Sequence[Sample]) -> None:
        """Put walkers on these samples."""


@runtime_checkable
class SupportsInitial(Protocol):
    """A generator that can offer samples before there is any model."""

    def initial(self, count: int) -> Batch:
        """``count`` samples worth asking first."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelState:
    """A fitted model as named arrays and JSON-able data; nothing is ever unpickled from it."""

    arrays: Mapping[str, Array]
    data: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def merge(parts: Sequence[ModelState]) -> ModelState:
        """Union of states fitted by member on several trainers."""
        arrays = {name: array for part in parts for name, array in part.arrays.items()}
        data = {name: value for part in parts for name, value in part.data.items()}
        return ModelState(arrays, data)


@dataclass(frozen=True, slots=True, eq=False)
class FitRequest:
    """How to fit.

    Attributes:
        seed: Seed of this fit; the same request on the same data gives the same state.
        previous: The state fitted before, to start from; None the first time.
        previous_version: Dataset version that ``previous`` was fitted on.
        members: Which committee members to fit; None for all.
        should_stop: Poll it now and then; when true, return what there is or raise.
        failed: Inputs of the questions that failed for good before; None where nobody knows.
    """

    seed: int = 0
    previous: ModelState | None = None
    previous_version: int = 0
    members: tuple[int, ...] | None = None
    should_stop: Callable[[], bool] = lambda: False
    failed: Batch | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """A fitted state and what the fit said of itself (metrics: name to number)."""

    state: ModelState
    metrics: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Model(Protocol):
    """Predicts with uncertainty and can be fitted; ``fit`` changes nothing in ``predict``."""

    def predict(self, batch: Batch) -> Prediction:
        """Predict ``n`` samples; UnsupportedSample for one that it cannot represent."""

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to the rows of purpose "train" (a calibrator uses "calibration"); never hold-out."""

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on."""


@runtime_checkable
class Oracle(Protocol):
    """The expensive thing. Asked for one or many samples at a time."""

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample, in order.

        Expected failures are returned as :class:`~querist.core.answers.Failure`; an exception
        fails the whole batch. It should poll ``context.should_stop()`` where it can.
        """


@runtime_checkable
class SupportsOracleSpec(Protocol):
    """An oracle that declares what it costs and needs; defaults are used otherwise."""

    @property
    def level(self) -> str:
        """Level of theory or fidelity, part of an answer's identity."""

    @property
    def cost(self) -> float | None:
        """Declared cost of one answer; None when only experience tells."""

    @property
    def resources(self) -> Resources:
        """What one call needs."""


Validator = Callable[[Sample, Mapping[str, Array]], str | None]
"""Returns None for a good answer, or the sentence that says why it is refused."""

Filter = Callable[[Batch], NDArray[np.bool_]]
"""Returns ``(n,)`` True for samples that make sense."""


@runtime_checkable
class Gate(Protocol):
    """Pure and vectorised; sits where predictions are made."""

    def decide(self, batch: Batch, prediction: Prediction, limits: Limits) -> Verdicts:
        """Trust, ask or reject each of ``n`` samples."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds in force, in units of the gated output: trust <= ask < questions <= reject."""

    ask: float
    reject: float = float("inf")


class Controller(Protocol):
    """Pure control: no thread, clock, socket or file; owns its state and changes it in place."""

    def handle(self, event: Event, now: float) -> Sequence[Command]:
        """React to one event, in O(log n)."""

    def next_deadline(self) -> float | None:
        """When to send :class:`~querist.core.events.Tick` at the latest; None for never."""


class Engine(Protocol):
    """Runs tasks in worker pools for any controller; knows nothing of campaigns.

    Embeddable: it owns no signal handler. Used by one thread at a time, except ``wake``.
    """

    def start(self, pools: Sequence[PoolSpec]) -> None:
        """Start the workers; returns at once, :class:`WorkerJoined` events follow."""

    def share(self, owner: str, weight: float) -> None:
        """Give an owner this weight in the sharing of every pool."""

    def submit(self, task: Task) -> None:
        """Queue a task for its pool.

        Raises:
            RunError: If there is no such pool.
        """

    def cancel(self, task: str, why: str, hard: bool = True) -> None:
        """Stop a task: its ``should_stop`` turns true; with ``hard`` its worker may be killed."""

    def events(self, timeout: float | None) -> list[Event]:
        """All events that are there, waiting up to ``timeout`` seconds for the first."""

    def wake(self) -> None:
        """Make a waiting :meth:`events` return; callable from any thread."""

    def now(self) -> float:
        """Seconds of campaign time (virtual in simulated time)."""

    def close(self, grace: float = 0.0) -> None:
        """End all workers and what they started, after at most ``grace`` seconds."""

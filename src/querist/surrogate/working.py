"""Simulations and fits on an engine, waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from querist.core.answers import Failure, Outcome, Question
from querist.core.batch import Sample
from querist.core.errors import RunError
from querist.core.events import TaskFailed, TaskFinished, WorkerLost
from querist.core.roles import Engine, TaskContext
from querist.core.tasks import Factory, PoolSpec, Spans, Task
from querist.engines import create
from querist.surrogate.voices import learn

ORACLE, TRAINER = "simulation", "trainer"
LABELLER = "querist.campaign.handlers.labeller:Labeller"
FITTER = "querist.surrogate.working:Fitter"
EngineLike = str | Mapping[str, Any] | Engine


class Fitter:
    """Runs "fit" tasks.

    Args:
        model: Makes the model; None for the default.
    """

    def __init__(self, model: Factory | None) -> None:
        self._model = model

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Fit."""
        del context
        return learn(self._model, task.payload["lesson"])


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """A task that ended: what it gave, where, and when in engine time."""

    task: str
    result: Mapping[str, Any] | Failure
    worker: str
    spans: Spans
    age: float


class Workshop:
    """One pool on an engine of its own, for callers in any number of threads.

    An engine is for one thread at a time: of the callers that wait, one leads. It tells the engine
    what all of them want, and takes what ends, for whoever waits for it.

    Args:
        engine: Its name, a mapping of ``kind``, ``workers`` and the engine's options, or an engine
            that is not started; that is closed here, too.
        spec: Of the pool.
    """

    def __init__(self, engine: EngineLike, spec: PoolSpec) -> None:
        told = {"kind": engine} if isinstance(engine, str) else engine
        self._spec, self._count = spec, 0
        if isinstance(told, Mapping):
            options = dict(told)
            kind, workers = options.pop("kind", "processes"), options.pop("workers", 1)
            self._engine: Engine = create(kind, **options)
            self._spec = PoolSpec(spec.name, spec.handler, workers, threads=spec.threads)
            self.inline = kind == "inline"
        else:
            self._engine, self.inline = told, False
        self._changed = threading.Condition()
        self._leader: int | None = None  # thread
        self._closed = False
        self._due: list[Callable[[], None]] = []  # what the engine is told next
        self._known: set[str] = set()  # tasks that somebody waits for
        self._ended: dict[str, Done | str] = {}  # of these; text: why there will be none
        self._engine.start([self._spec])

    def run(self, kind: str, payloads: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Done]]:
        """Run tasks, and give each with its number as it ends.

        Raises:
            RunError: If no worker can be started, or the workshop is closed meanwhile.
        """
        tasks: dict[str, int] = {}
        try:
            self._order(tasks, kind, payloads)
            while tasks:
                task, done = self._next(tasks)
                yield tasks.pop(task), done
        finally:  # the caller was interrupted: what waits must not keep the next one waiting
            if tasks:
                self._forget(tasks)

    def _order(
        self, tasks: dict[str, int], kind: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        with self._changed:
            for index, payload in enumerate(payloads):
                self._count += 1
                task = Task(f"{kind}-{self._count}", kind, self._spec.name, payload)
                tasks[task.id] = index
                self._due.append(partial(self._engine.submit, task))
            self._known.update(tasks)
            self._call_leader()

    def _next(self, tasks: Collection[str]) -> tuple[str, Done]:
        """Wait for one of these tasks, as the leader where there is none."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._leader is None or self._found(tasks))
                if (task := self._found(tasks)) is not None:
                    self._known.discard(task)
                    done = self._ended.pop(task)
                    if isinstance(done, str):
                        raise RunError(done)
                    return task, done
            with self._leading() as leads:
                if leads:
                    self._tell()
                    self._take(self._engine.events(1.0))

    def _found(self, tasks: Collection[str]) -> str | None:
        return next((task for task in tasks if task in self._ended), None)

    @contextmanager
    def _leading(self) -> Iterator[bool]:
        """Whether this thread has the engine now."""
        me = threading.get_ident()
        try:
            with self._changed:
                if self._leader is None:
                    self._leader = me
                leads = self._leader == me
            yield leads
        finally:  # also where an interrupt came in the middle of it
            with self._changed:
                if self._leader == me:
                    self._leader = None
                    self._changed.notify_all()

    def _call_leader(self) -> None:
        if self._leader is not None:
            self._engine.wake()

    def _tell(self) -> None:
        with self._changed:
            due, self._due = self._due, []
        for tell in due:
            tell()

    def _take(self, events: Iterable[Any]) -> None:
        with self._changed:
            for event in events:
                if isinstance(event, WorkerLost) and event.final:
                    self._give_up(
                        f"a worker of the surrogate could not be started: {event.message}"
                    )
                elif isinstance(event, TaskFinished | TaskFailed) and event.task in self._known:
                    self._ended[event.task] = self._done(event)

    def _give_up(self, why: str) -> None:
        """Let nobody wait any longer for what has not ended."""
        self._ended.update({task: why for task in self._known if task not in self._ended})

    def _done(self, event: TaskFinished | TaskFailed) -> Done:
        result = event.result if isinstance(event, TaskFinished) else event.failure
        age = self._engine.now() - event.spans.finished
        # A call in this very process keeps no worker waiting.
        worker = "" if self.inline else event.worker
        return Done(event.task, result, worker, event.spans, age)

    def _forget(self, tasks: Collection[str]) -> None:
        why = "nobody waits for it any more"
        with self._changed:
            for task in tasks:
                self._known.discard(task)
                self._ended.pop(task, None)
                self._due.append(partial(self._engine.cancel, task, why, hard=False))
            self._call_leader()
        with self._leading() as leads:
            if leads and not self._closed:
                self._tell()

    def close(self) -> None:
        """End the workers, and whoever waits for them."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._give_up("this surrogate was closed.")
            self._call_leader()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._leader in (None, threading.get_ident()))
        self._engine.close()


def simulations(engine: EngineLike, oracle: Factory) -> Workshop:
    """Where simulations run."""
    return Workshop(engine, PoolSpec(ORACLE, Factory(LABELLER, {"oracle": oracle})))


def fits(engine: EngineLike, model: Factory | None) -> Workshop:
    """Where fits run."""
    return Workshop(engine, PoolSpec(TRAINER, Factory(FITTER, {"model": model})))


def label_payload(sample: Sample, oracle: str) -> dict[str, Any]:
    """What the handler of simulations is given for one sample."""
    return {"samples": [sample], "questions": [Question(sample.id, oracle)]}


def outcome_of(done: Done) -> Outcome:
    """What a simulation gave."""
    if isinstance(done.result, Failure):
        return done.result
    outcome: Outcome = done.result["outcomes"][0]
    return outcome

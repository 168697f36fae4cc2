"""Simulations and fits on an engine, waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """One pool on an engine of its own. One caller at a time has it.

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
        self._lock = threading.Lock()
        self._engine.start([self._spec])

    def run(self, kind: str, payloads: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Done]]:
        """Run tasks, and give each with its number as it ends."""
        with self._lock:
            tasks: dict[str, int] = {}
            for index, payload in enumerate(payloads):
                self._count += 1
                task = Task(f"{kind}-{self._count}", kind, self._spec.name, payload)
                tasks[task.id] = index
                self._engine.submit(task)
            try:
                while tasks:
                    for event in self._engine.events(1.0):
                        done = self._done(event)
                        if done is not None and done.task in tasks:
                            yield tasks.pop(done.task), done
            finally:  # the caller was interrupted: what waits must not keep the next one waiting
                for left in tasks:
                    self._engine.cancel(left, "nobody waits for it any more", hard=False)

    def _done(self, event: Any) -> Done | None:
        if isinstance(event, TaskFinished | TaskFailed):
            result = event.result if isinstance(event, TaskFinished) else event.failure
            age = self._engine.now() - event.spans.finished
            # A call in this very process keeps no worker waiting.
            worker = "" if self.inline else event.worker
            return Done(event.task, result, worker, event.spans, age)
        if isinstance(event, WorkerLost) and event.final:
            raise RunError(f"a worker of the surrogate could not be started: {event.message}")
        return None

    def close(self) -> None:
        """End the workers."""
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

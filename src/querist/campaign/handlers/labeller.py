"""Asks an oracle, in its worker."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from querist.campaign.called import made
from querist.campaign.handlers.joining import gathered
from querist.campaign.handlers.parts import open_role
from querist.control.desk import prefixed
from querist.control.posted import ASKED
from querist.core.answers import Abstention, Failure, Label, Outcome, Reason
from querist.core.batch import Array, Batch, Sample, as_array
from querist.core.errors import ShapeError, UnsupportedSample
from querist.core.roles import SupportsClose, TaskContext, Validator, WorkerContext
from querist.core.tasks import Factory, Resources, Task
from querist.oracles.allocation import Share
from querist.store.errors import StoreFailed
from querist.store.outbox import Outbox

OUTBOX_SECONDS = 1.0


class Labeller:
    """Runs "label" tasks.

    Args:
        oracle: Makes the oracle.
        validator: Makes a further check of finite answers, None for none.
        level: Level of theory of labels that do not say theirs.
        resources: Of each program that the oracle starts, None for its own statement.
        shares: Of this job's allocation, one for each worker, where it starts programs there.
    """

    def __init__(
        self,
        oracle: Factory,
        validator: Factory | None = None,
        level: str = "",
        resources: Resources | None = None,
        shares: Sequence[Share] = (),
    ) -> None:
        self._factory, self._validator_factory, self._level = oracle, validator, level
        self._resources, self._shares = resources, shares
        self._validator: Validator | None = None
        self._axes: dict[str, int] = {}

    def open(self, context: WorkerContext) -> None:
        """Make the oracle."""
        self._oracle = open_role(self._factory, context)
        if self._resources is not None or self._shares:
            share = self._shares[context.index] if self._shares else None
            self._oracle.place(self._resources, share)
        if self._validator_factory is not None:
            self._validator = made(self._validator_factory)
        self._level = self._level or str(getattr(self._oracle, "level", ""))
        self._outbox = None if context.run is None else Outbox(context.run / "outbox")

    def close(self) -> None:
        """Let the oracle release what it holds."""
        if isinstance(self._oracle, SupportsClose):
            self._oracle.close()

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Answer the questions of one task: one outcome each, and the seconds each took."""
        samples = gathered(task.payload["samples"])
        begin = time.perf_counter()
        told = context if len(samples) == 1 else Telling(context, self._checker(samples))
        outcomes = self._answer(samples, told)
        seconds = (time.perf_counter() - begin) / max(1, len(outcomes))
        checked = [self._check(samples, i, outcome) for i, outcome in enumerate(outcomes)]
        result: dict[str, Any] = {"outcomes": checked, "seconds": [seconds] * len(checked)}
        if self._outbox is not None and seconds * len(checked) > OUTBOX_SECONDS:
            result["outbox"] = self._keep(self._outbox, task, checked, seconds)
        return result

    def _checker(self, samples: Batch) -> Callable[[int, Outcome], Outcome]:
        return lambda index, outcome: self._check(samples, index, outcome)

    def _answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        try:
            outcomes = list(self._oracle.answer(samples, context))
        except Exception as error:  # noqa: BLE001 - a user's oracle may raise anything
            return [_failure(error)] * len(samples)
        if len(outcomes) != len(samples):
            message = f"the oracle gave {len(outcomes)} outcomes for {len(samples)} samples"
            return [Failure(Reason.WRONG_SHAPE, message, transient=False)] * len(samples)
        return outcomes

    def _check(self, samples: Batch, index: int, outcome: Outcome) -> Outcome:
        """A label must be finite arrays like those before it, whoever wrote the oracle."""
        if isinstance(outcome, (Failure, Abstention)):
            return outcome
        try:
            if not isinstance(outcome, Label):
                raise ShapeError(
                    "an oracle gives a Label, a Failure or an Abstention for each sample, "
                    f"but gave {type(outcome).__name__}"
                )
            return self._checked(samples.sample(index), outcome)
        except Exception as error:  # noqa: BLE001 - a validator is anyone's code, too
            return _failure(error)

    def _checked(self, sample: Sample, label: Label) -> Outcome:
        outputs = {name: as_array(value, name) for name, value in label.outputs.items()}
        if not outputs:
            raise ShapeError("the oracle gave a label without outputs")
        for name, array in outputs.items():
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                bad = int((~np.isfinite(array)).sum())
                message = f"{bad} of {array.size} values of {name!r} are not finite"
                return Failure(Reason.NOT_FINITE, message)
            self._compare(name, array)
        if self._validator is not None:
            complaint = self._validator(sample, outputs)
            if complaint is not None:
                return Failure(Reason.REJECTED, str(complaint))
        self._axes.update({name: array.ndim for name, array in outputs.items()})
        return Label(outputs, label.level or self._level, label.cost)

    def _compare(self, name: str, array: Array) -> None:
        """One label with another number of axes would spoil every later training."""
        axes = self._axes.get(name, array.ndim)
        if array.ndim != axes:
            raise ShapeError(
                f"{name!r} has the shape {array.shape}, but labels before it had {axes} axes"
            )

    def _keep(
        self, outbox: Outbox, task: Task, outcomes: Sequence[Outcome], seconds: float
    ) -> list[str | None]:
        """Long answers are on disk before they are sent: they outlive a dying controller."""
        kept: list[str | None] = []
        asked = zip(task.payload["questions"], task.payload["samples"], outcomes, strict=True)
        for question, sample, outcome in asked:
            if not isinstance(outcome, Label):
                kept.append(None)
                continue
            told = {**question._asdict(), "uri": sample.uri}
            data = {"level": outcome.level, "cost": outcome.cost, "seconds": seconds, "asked": told}
            try:
                path = outbox.put(
                    question.id, data, {**outcome.outputs, **prefixed(ASKED, sample.arrays)}
                )
            except StoreFailed:  # no space: it is still sent, only less safe on its way
                kept.append(None)
                continue
            kept.append(f"outbox:{path.name}")
        return kept


class Telling:
    """The context of a task of several questions: an outcome that is there is told at once.

    Args:
        context: The task's.
        check: Judges the outcome of a question, by its index.
    """

    def __init__(self, context: TaskContext, check: Callable[[int, Outcome], Outcome]) -> None:
        self.worker, self._context, self._check = context.worker, context, check
        self.should_stop, self.now = context.should_stop, context.now
        self._begin = time.perf_counter()

    @property
    def closing(self) -> bool:
        """Whether the task stops because its worker closes."""
        return bool(getattr(self._context, "closing", False))

    def progress(self, data: Mapping[str, Any]) -> None:
        """Send a partial result; an outcome in it, of the question "index", is checked."""
        if "outcome" in data:
            outcome = self._check(data["index"], data["outcome"])
            seconds = time.perf_counter() - self._begin
            about = {"outcome": outcome, "seconds": seconds, "worker": self.worker.name}
            data = {**data, **about}
        self._context.progress(data)


def _failure(error: Exception) -> Failure:
    text = "".join(traceback.format_exception(error))
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return Failure(Reason.MEMORY, message, text)
    if isinstance(error, UnsupportedSample):
        return Failure(Reason.UNSUPPORTED, str(error), text, transient=False)
    if isinstance(error, ShapeError):
        return Failure(Reason.WRONG_SHAPE, str(error), text, transient=False)
    return Failure(Reason.RAISED, message, text)

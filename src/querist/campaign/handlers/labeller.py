"""Asks an oracle, in its worker."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from querist.campaign.handlers.parts import open_role
from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.batch import Batch
from querist.core.errors import ShapeError, UnsupportedSample
from querist.core.roles import SupportsClose, TaskContext, Validator, WorkerContext
from querist.core.tasks import Factory, Task
from querist.store.outbox import Outbox

OUTBOX_SECONDS = 1.0


class Labeller:
    """Runs "label" tasks.

    Args:
        oracle: Makes the oracle.
        validator: Makes a further check of finite answers, None for none.
        level: Level of theory of labels that do not say theirs.
    """

    def __init__(self, oracle: Factory, validator: Factory | None = None, level: str = "") -> None:
        self._factory, self._validator_factory, self._level = oracle, validator, level
        self._validator: Validator | None = None

    def open(self, context: WorkerContext) -> None:
        """Make the oracle."""
        self._oracle = open_role(self._factory, context)
        if self._validator_factory is not None:
            self._validator = self._validator_factory.create()
        self._level = self._level or str(getattr(self._oracle, "level", ""))
        self._outbox = None if context.run is None else Outbox(context.run / "outbox")

    def close(self) -> None:
        """Let the oracle release what it holds."""
        if isinstance(self._oracle, SupportsClose):
            self._oracle.close()

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Answer the questions of one task: one outcome each, and the seconds each took."""
        samples = Batch.from_samples(task.payload["samples"])
        begin = time.perf_counter()
        outcomes = self._answer(samples, context)
        seconds = (time.perf_counter() - begin) / max(1, len(outcomes))
        checked = [self._check(samples, i, outcome) for i, outcome in enumerate(outcomes)]
        result: dict[str, Any] = {"outcomes": checked, "seconds": [seconds] * len(checked)}
        if self._outbox is not None and seconds * len(checked) > OUTBOX_SECONDS:
            result["outbox"] = self._keep(self._outbox, task, checked, seconds)
        return result

    def _answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        try:
            outcomes = self._oracle.answer(samples, context)
        except Exception as error:  # noqa: BLE001 - a user's oracle may raise anything
            return [_failure(error)] * len(samples)
        if len(outcomes) != len(samples):
            message = f"gave {len(outcomes)} outcomes for {len(samples)} samples"
            return [Failure(Reason.WRONG_SHAPE, message, transient=False)] * len(samples)
        return list(outcomes)

    def _check(self, samples: Batch, index: int, outcome: Outcome) -> Outcome:
        """A label must be finite, whoever wrote the oracle."""
        if not isinstance(outcome, Label):
            return outcome
        for name, value in outcome.outputs.items():
            array = np.asarray(value)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                bad = int((~np.isfinite(array)).sum())
                message = f"{bad} of {array.size} values of {name!r} are not finite"
                return Failure(Reason.NOT_FINITE, message)
        if self._validator is not None:
            complaint = self._validator(samples.sample(index), outcome.outputs)
            if complaint is not None:
                return Failure(Reason.REJECTED, complaint)
        return Label(outcome.outputs, outcome.level or self._level, outcome.cost)

    def _keep(
        self, outbox: Outbox, task: Task, outcomes: Sequence[Outcome], seconds: float
    ) -> list[str | None]:
        """Long answers are on disk before they are sent: they outlive a dying controller."""
        kept: list[str | None] = []
        for question, outcome in zip(task.payload["questions"], outcomes, strict=True):
            if not isinstance(outcome, Label):
                kept.append(None)
                continue
            data = {"level": outcome.level, "cost": outcome.cost, "seconds": seconds}
            path = outbox.put(question.id, data, outcome.outputs)
            kept.append(f"outbox:{path.name}")
        return kept


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

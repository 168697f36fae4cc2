"""Wrappers: an oracle around an oracle. Retrying is the controller's decision and not here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from querist.core.answers import Abstention, Failure, Label, Outcome
from querist.core.batch import Batch, Sample
from querist.core.roles import Oracle, TaskContext, Validator, WorkerContext
from querist.core.tasks import ONE_CORE, Resources
from querist.oracles.checks import AnswerCheck, callable_of, describe

LOG = logging.getLogger("querist.oracles")


@dataclass(eq=False)
class _Wrapper:
    """Hands everything on to the oracle inside."""

    oracle: Any

    @property
    def level(self) -> str:
        """Level of theory of the oracle inside."""
        return str(getattr(self.oracle, "level", ""))

    @property
    def cost(self) -> float | None:
        """Declared cost of the oracle inside."""
        cost: float | None = getattr(self.oracle, "cost", None)
        return cost

    @property
    def resources(self) -> Resources:
        """What a call of the oracle inside needs."""
        resources: Resources = getattr(self.oracle, "resources", ONE_CORE)
        return resources

    def open(self, context: WorkerContext) -> None:
        """Open the oracle inside."""
        if hasattr(self.oracle, "open"):
            self.oracle.open(context)

    def close(self) -> None:
        """Close the oracle inside."""
        if hasattr(self.oracle, "close"):
            self.oracle.close()


@dataclass(eq=False)
class Validated(_Wrapper):
    """Checks every label once more: finite, the atoms schema, and a validator of your own.

    Attributes:
        oracle: Any oracle.
        validator: Returns the sentence that refuses an answer, or None.
    """

    oracle: Oracle
    validator: Validator | str
    _check: AnswerCheck = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check = AnswerCheck(validator=callable_of(self.validator, "a validator"))

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """The outcomes of the oracle inside, labels that are refused turned into failures."""
        outcomes = self.oracle.answer(samples, context)
        return [self._judge(s, o) for s, o in zip(samples.samples(), outcomes, strict=True)]

    def _judge(self, sample: Sample, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Label):
            return outcome
        judged = self._check(sample, outcome.outputs)
        return judged if isinstance(judged, Failure) else outcome


@dataclass(eq=False)
class Logged(_Wrapper):
    """Writes a line to the log "querist.oracles" for every answer.

    Attributes:
        oracle: Any oracle.
        logger: Where to, if not there.
    """

    oracle: Oracle
    logger: logging.Logger = LOG

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """The outcomes of the oracle inside, unchanged; an exception is logged and goes on."""
        start = context.now()
        try:
            outcomes = self.oracle.answer(samples, context)
        except Exception as error:
            self.logger.error("%d samples: raised %s", len(samples), describe(error))
            raise
        seconds = context.now() - start
        for key, outcome in zip(samples.ids, outcomes, strict=True):
            level = logging.WARNING if isinstance(outcome, Failure) else logging.INFO
            self.logger.log(level, "%s: %s (task: %.3f s)", key, _words(outcome), seconds)
        return outcomes


def _words(outcome: Outcome) -> str:
    if isinstance(outcome, Label):
        return f"label {sorted(outcome.outputs)}"
    if isinstance(outcome, Abstention):
        return f"abstention {outcome.message}".strip()
    return f"failure: {outcome.reason}: {outcome.message}"

"""A Python function of settings as an oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.batch import Batch
from querist.core.roles import TaskContext, Validator
from querist.oracles.checks import (
    CANCELLED,
    AnswerCheck,
    Field,
    Outputs,
    callable_of,
    declared,
    failure_of,
)
from querist.oracles.function import call
from querist.tuning.evidence import SECONDS, numbers
from querist.tuning.space import Space

# Trying again changes nothing about these, and what a setting cannot do is worth knowing.
TELLING = {Reason.RAISED, Reason.NOT_FINITE, Reason.REJECTED, Reason.MEMORY, Reason.WRONG_SHAPE}


class Simulation:
    """Calls a function with settings as plain Python values, by name or as one mapping.

    Settings that do not exist at a point are left out, or are what their ``otherwise`` says. The
    function returns a number (the objective) or a mapping of names to numbers and arrays; to them
    ``seconds`` is added, the wall time of the call, unless it is there. What it raises is a failed
    trial, not tried again.

    Args:
        function: It, or "package.module:attribute"; ``context`` as for any function oracle.
        space: As :meth:`~querist.tuning.space.Space.of` takes.
        output: The name of a bare number.
        cost: Name of the output that is a run's cost; "" for seconds.
        timed: Whether to add the wall time; in simulated time it says nothing.
        checks: ``outputs`` and ``validator``, as for any function oracle.
    """

    def __init__(
        self,
        function: Callable[..., Any] | str,
        space: Mapping[str, Any],
        output: str = "y",
        cost: str = "",
        timed: bool = True,
        **checks: Any,
    ) -> None:
        self._call = callable_of(function, "the function of a study")
        self._space, self._output, self._cost = Space.of(space), output, cost
        self._check, self._timed = _checked(timed, **checks), timed
        names = set(self._check.outputs) - {SECONDS}
        if len(names) == 1:  # the name of a bare number
            [self._output] = names

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample."""
        return [
            CANCELLED if context.should_stop() else self._one(sample, context)
            for sample in samples.samples()
        ]

    def _one(self, sample: Any, context: TaskContext) -> Outcome:
        begin = time.perf_counter()
        try:
            values = self._space.given(self._space.read(sample.arrays))
            raw = call(self._call, values, context)
            if isinstance(raw, Label | Failure):
                return raw
            named = dict(raw) if isinstance(raw, Mapping) else {self._output: raw}
        except Exception as error:  # noqa: BLE001 - the function is the user's
            return _final(failure_of(error))
        if self._timed:
            named.setdefault(SECONDS, time.perf_counter() - begin)
        outcome = self._check(sample, named)
        if isinstance(outcome, Label):
            return replace_cost(outcome, self._cost)
        return _final(outcome)


def _checked(
    timed: bool, outputs: Outputs = None, validator: Validator | str | None = None
) -> AnswerCheck:
    """What an answer must be; where outputs are declared, the wall time is one of them."""
    fields = declared(outputs)
    if fields and timed:
        fields.setdefault(SECONDS, Field())
    return AnswerCheck(fields, callable_of(validator, "a validator") if validator else None)


def replace_cost(label: Label, cost: str) -> Label:
    """The label with the output of this name as its cost, where there is one."""
    found = numbers(label.outputs).get(cost)
    return label if found is None else label._replace(cost=found)


def _final(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Failure) and outcome.reason in TELLING:
        return replace(outcome, transient=False)
    return outcome

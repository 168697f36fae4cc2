"""A Python function as an oracle."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from querist.core.answers import Outcome
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ContractError, ShapeError
from querist.core.roles import TaskContext, Validator
from querist.core.tasks import ONE_CORE, Resources
from querist.oracles.checks import (
    CANCELLED,
    AnswerCheck,
    Outputs,
    callable_of,
    declared,
    failure_of,
)

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(eq=False)
class FunctionOracle:
    """Asks a function.

    How the function is called follows from its signature and the sample's fields:

    - when all parameters without a default are names of fields, it gets those fields by name (all
      of them when it takes ``**fields``; by place where it takes no names, as ``math.sin``);
    - otherwise, when it can be called with one positional argument, it gets one mapping of names to
      arrays;
    - a parameter ``context`` that is no field gets the task's context: long functions poll
      ``context.should_stop()``.

    It returns a mapping of names to arrays, or one array or number when ``outputs`` declares a
    single name. What it raises becomes a failure with the full traceback.

    Attributes:
        function: The function, or "package.module:attribute".
        level: Level of theory or fidelity.
        cost: Cost of one answer, where it is known beforehand.
        outputs: Declared outputs: a name, names, or name to shape, see
            :class:`~querist.oracles.checks.Field`.
        batched: Whether it takes ``n`` samples at a time: ``(n, ...)`` arrays, or a list of arrays
            where samples differ in shape; it returns the same by output.
        validator: Returns the sentence that refuses an answer, or None.
        resources: What one call needs.
    """

    function: Callable[..., Any] | str
    level: str = ""
    cost: float | None = None
    outputs: Outputs = None
    batched: bool = False
    validator: Validator | str | None = None
    resources: Resources = ONE_CORE
    _call: Callable[..., Any] = field(init=False, repr=False)
    _check: AnswerCheck = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._call = callable_of(self.function, "the function of an oracle")
        validator = self.validator and callable_of(self.validator, "a validator")
        self._check = AnswerCheck(declared(self.outputs), validator or None, self.level, self.cost)

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample; those after a cancellation are failures that say so."""
        if self.batched and len(samples):
            return self._answer_batch(samples, context)
        return [
            CANCELLED if context.should_stop() else self._answer_one(sample, context)
            for sample in samples.samples()
        ]

    def _answer_one(self, sample: Sample, context: TaskContext) -> Outcome:
        try:
            raw = _something(call(self._call, sample.arrays, context))
        except Exception as error:  # noqa: BLE001 - the function is the user's
            return failure_of(error)
        return self._check(sample, raw)

    def _answer_batch(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        columns = samples.columns.items()
        fields = {n: c.uniform if c.is_uniform else list(c.items()) for n, c in columns}
        # The same boundary, for the whole batch: no sample can be told from the others.
        try:
            made = _something(call(self._call, fields, context))
            rows = _rows(self._named(made), len(samples))
        except Exception as error:  # noqa: BLE001 - the function is the user's
            return [failure_of(error)] * len(samples)
        return [
            self._check(sample, row) for sample, row in zip(samples.samples(), rows, strict=True)
        ]

    def _named(self, raw: Any) -> Mapping[str, Any]:
        if isinstance(raw, Mapping):
            return raw
        if len(self._check.outputs) == 1:
            return {next(iter(self._check.outputs)): raw}
        raise ShapeError(
            f"a batched oracle should return a mapping of names to arrays, but returned "
            f"{type(raw).__name__}; declare one output name to return a bare array."
        )


def _something(raw: Any) -> Any:
    if raw is None:
        raise ShapeError("the function returned None; it ends without a `return` of its result.")
    return raw


def _rows(named: Mapping[str, Any], count: int) -> list[dict[str, Array]]:
    for name, values in named.items():
        if not hasattr(values, "__len__") or len(values) != count:
            got = f"{len(values)} rows" if hasattr(values, "__len__") else type(values).__name__
            raise ShapeError(f"{name!r} should have {count} rows, one a sample, but has {got}.")
    return [{name: values[i] for name, values in named.items()} for i in range(count)]


def call(function: Callable[..., Any], fields: Mapping[str, Any], context: TaskContext) -> Any:
    """Call a user's function with named arrays, as :class:`FunctionOracle` describes.

    Raises:
        ContractError: If its signature fits neither way.
    """
    parameters = _parameters(function)
    if parameters is None:
        return function(fields)
    named = {p.name: p for p in parameters if p.kind in _NAMED}
    extra = {"context": context} if "context" in named and "context" not in fields else {}
    required = {n for n, p in named.items() if p.default is p.empty} - set(extra)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    bare = [p for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    placed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in fields]
    known = set(named) & set(fields) or placed
    if required <= set(fields) and {p.name for p in bare} <= set(placed) and (takes_all or known):
        by_name = {n: v for n, v in fields.items() if n in named or takes_all}
        chosen = {n: v for n, v in by_name.items() if n not in placed}
        return function(*(fields[n] for n in placed), **chosen, **extra)
    if len(required) + len(bare) <= 1 and (first := _first(parameters)) is not None:
        try:
            return function(fields, **extra)
        except (TypeError, KeyError) as error:
            if not getattr(error, "__notes__", None):  # functions within functions: once
                error.add_note(f"{first.name!r} was one mapping of the fields {sorted(fields)}")
            raise
    raise ContractError(
        f"{getattr(function, '__name__', function)}{inspect.signature(function)} can take neither "
        f"the fields {sorted(fields)} by name nor one mapping of them."
    )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # some built-ins have no signature
        return None


def _first(parameters: Sequence[inspect.Parameter]) -> inspect.Parameter | None:
    """The parameter that takes a mapping; None where there is none."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    first = next((p for p in parameters if p.kind not in kinds), None)
    return None if first is None or first.name == "context" else first

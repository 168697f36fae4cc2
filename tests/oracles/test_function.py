"""How a function is called, and what becomes of what it raises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RoleFailed
from querist.oracles.function import FunctionOracle

XY = Batch.stack(x=np.array([1.0, 2.0]), y=np.array([3.0, 4.0]))


def by_name(x, y):
    return x * y


def some(x):
    return x * 3


def everything(**fields):
    return fields["x"] * fields["y"]


def mapping(sample):
    return sample["x"] * sample["y"]


def with_default(x, y, power=1):
    return (x * y) ** power


def with_context(x, y, context):
    return x * y + (0 if context.should_stop() else 0 * context.worker.threads)


def mapping_with_context(fields, context):
    return mapping(fields) * context.worker.threads


class Callable:
    def __call__(self, x, y):
        return x * y


@pytest.mark.parametrize(
    "function",
    [
        by_name,
        everything,
        mapping,
        with_default,
        with_context,
        mapping_with_context,
        Callable(),
        lambda s, /: s["x"] * s["y"],
        lambda x, y, /: x * y,
        lambda x, /, y, z=1.0: x * y * z,
        lambda x, /, **rest: x * rest["y"],
    ],
)
def test_the_signature_decides(function, context) -> None:
    labels = FunctionOracle(function, outputs="z").answer(XY, context)
    assert [float(label.outputs["z"]) for label in labels] == [3.0, 8.0]


def test_it_gets_only_the_fields_it_names(context) -> None:
    labels = FunctionOracle(some, outputs="z").answer(XY, context)
    assert [float(label.outputs["z"]) for label in labels] == [3.0, 6.0]


def test_a_name_is_imported(context) -> None:
    fours = Batch.stack(x=np.array([4.0]))  # of a function that takes no names
    (label,) = FunctionOracle("math:sqrt", outputs="y").answer(fours, context)
    assert label.outputs["y"] == 2.0
    with pytest.raises(RoleFailed, match="no attribute"):
        FunctionOracle("math:square_root")
    with pytest.raises(ConfigError, match="callable"):
        FunctionOracle(math.pi)  # type: ignore[arg-type]


def test_a_signature_that_fits_neither_way_is_a_failure(context) -> None:
    outcome = FunctionOracle(lambda a, b: a + b, outputs="z").answer(XY, context)[0]
    assert isinstance(outcome, Failure)
    assert "(a, b) can take neither the fields ['x', 'y']" in outcome.message


def test_a_function_that_expected_no_mapping_is_told_that_it_got_one(context) -> None:
    outcome = FunctionOracle(lambda speed: speed * speed, outputs="z").answer(XY, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.message.endswith("('speed' was one mapping of the fields ['x', 'y'])")


@pytest.mark.parametrize("batched", [False, True])
def test_a_function_that_returns_nothing_is_told_so(context, batched: bool) -> None:
    def forgetful(x, y):
        x * y

    answers = FunctionOracle(forgetful, outputs="z", batched=batched).answer(XY, context)
    assert [answer.reason for answer in answers] == [Reason.WRONG_SHAPE] * 2
    assert "returned None" in answers[0].message


def test_the_traceback_is_the_functions_own(context) -> None:
    def deep(x):
        raise RuntimeError("in the deep")

    outcome = FunctionOracle(deep).answer(XY, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.message == "RuntimeError: in the deep"
    assert "in deep" in outcome.traceback


def test_an_interrupt_goes_through(context) -> None:
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunctionOracle(interrupted).answer(XY, context)


def test_a_batch_may_be_ragged(context) -> None:
    ragged = Batch.of([{"x": np.ones(2)}, {"x": np.ones(5)}])
    oracle = FunctionOracle(lambda x: [v.sum() for v in x], outputs="y", batched=True)
    assert [float(label.outputs["y"]) for label in oracle.answer(ragged, context)] == [2.0, 5.0]


def test_a_batch_needs_a_row_a_sample(context) -> None:
    oracle = FunctionOracle(lambda x, y: {"z": np.zeros(3)}, batched=True)
    for outcome in oracle.answer(XY, context):
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.WRONG_SHAPE
        assert "2 rows, one a sample, but has 3 rows" in outcome.message


def test_one_bad_row_leaves_the_others(context) -> None:
    oracle = FunctionOracle(lambda x, y: {"z": np.array([np.nan, 1.0])}, batched=True)
    first, second = oracle.answer(XY, context)
    assert isinstance(first, Failure)
    assert isinstance(second, Label)


def test_a_cancellation_between_samples_keeps_what_is_there(context) -> None:
    asked = []
    context.stop = lambda: len(asked) == 1
    outcomes = FunctionOracle(lambda x, y: asked.append(x) or 1.0, outputs="z").answer(XY, context)
    assert isinstance(outcomes[0], Label)
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].reason is Reason.CANCELLED

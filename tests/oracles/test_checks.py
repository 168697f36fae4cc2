"""What was returned becomes a label or a readable failure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.answers import Failure, Label, Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Sample
from querist.core.errors import (
    ConfigError,
    MissingExtra,
    OracleRejected,
    ShapeError,
    UnsupportedSample,
)
from querist.oracles.checks import AnswerCheck, Field, callable_of, declared, failure_of

SAMPLE = Sample.of({"x": np.zeros(3)})
DIMER = atoms_sample([1, 1], np.eye(2, 3))


def check(raw, outputs=None, sample=SAMPLE, **more):
    return AnswerCheck(declared(outputs), **more)(sample, raw)


def failed(reason: Reason, *words: str, outcome) -> None:
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason
    for word in words:
        assert word in outcome.message


def test_a_label_carries_level_and_cost() -> None:
    label = check({"y": 1.0}, level="exact", cost=2.0)
    assert isinstance(label, Label)
    assert (label.level, label.cost, label.outputs["y"].shape) == ("exact", 2.0, ())


def test_a_bare_value_is_the_one_declared_output() -> None:
    label = check(3.0, "y")
    assert isinstance(label, Label)
    assert label.outputs["y"] == 3.0


@pytest.mark.parametrize(
    ("raw", "outputs", "words"),
    [
        (3.0, None, ["mapping of names", "float"]),
        (None, "y", ["None"]),
        ({}, None, ["empty"]),
        ({"z": 1.0}, ["y"], ["lacks ['y']", "it has ['z']"]),
        ({"y": np.zeros(2)}, {"y": (3,)}, ["'y'", "(3,)", "(2,)"]),
        ({"y": np.zeros((2, 1))}, {"y": (None,)}, ["(2, 1)"]),
        ({"y": np.zeros(2)}, {"y": ("x",)}, ["(3,)", "(2,)"]),
        ({"y": ["a"]}, {"y": {"dtype": "float64"}}, ["float64", "<U1"]),
        ({"y": object()}, None, ["Python objects"]),
        ({"y": [[1], [1, 2]]}, None, ["cannot be made an array"]),
    ],
)
def test_wrong_shapes_fields_and_dtypes_are_named(raw, outputs, words) -> None:
    outcome = check(raw, outputs)
    failed(Reason.WRONG_SHAPE, *words, outcome=outcome)
    assert not outcome.transient


def test_a_shape_may_follow_an_input_and_a_dtype_is_converted() -> None:
    outputs = {"y": {"shape": ["x", None], "dtype": "float32"}}
    label = check({"y": np.ones((3, 5))}, outputs)
    assert isinstance(label, Label)
    assert label.outputs["y"].dtype == np.float32
    assert Field.of(Field((1,))) == Field((1,))


def test_what_was_not_declared_is_left_out() -> None:
    label = check({"y": 1.0, "z": 2.0}, ["y"])
    assert isinstance(label, Label)
    assert set(label.outputs) == {"y"}


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 5))
def test_a_value_that_is_not_finite_is_found_wherever_it_stands(bad: float, place: int) -> None:
    value = np.zeros((2, 3))
    value.flat[place] = bad
    failed(Reason.NOT_FINITE, "'y' holds 1 of 6", outcome=check({"x": 0, "y": value}))


def test_complex_values_are_checked_too() -> None:
    failed(Reason.NOT_FINITE, outcome=check({"y": complex(0, np.nan)}))


def test_a_validator_refuses_with_its_sentence() -> None:
    outcome = check({"y": 1.0}, validator=lambda sample, outputs: "too round")
    failed(Reason.REJECTED, "too round", outcome=outcome)
    assert isinstance(check({"y": 1.0}, validator=lambda sample, outputs: None), Label)


def test_a_validator_that_raises_is_a_failure() -> None:
    outcome = check({"y": 1.0}, validator=lambda sample, outputs: outputs["z"])
    failed(Reason.RAISED, "KeyError", outcome=outcome)
    assert "Traceback" in outcome.traceback


def test_the_atoms_schema_holds_where_it_applies() -> None:
    outcome = check({"energy": 1.0, "forces": np.zeros((3, 3))}, sample=DIMER)
    failed(Reason.WRONG_SHAPE, "'forces'", "(2, 3)", outcome=outcome)
    label = check({"energy": 1, "forces": np.zeros((2, 3), np.float32)}, sample=DIMER)
    assert isinstance(label, Label)
    assert {value.dtype for value in label.outputs.values()} == {np.dtype("float64")}


def test_the_label_does_not_share_the_oracles_buffer() -> None:
    buffer = np.zeros(2)
    label = check({"y": buffer})
    buffer[:] = 7
    assert isinstance(label, Label)
    assert (label.outputs["y"] == 0).all()


@pytest.mark.parametrize(
    ("error", "reason", "transient"),
    [
        (MemoryError(), Reason.MEMORY, True),
        (TimeoutError("late"), Reason.TIMEOUT, True),
        (UnsupportedSample("a cell"), Reason.UNSUPPORTED, False),
        (OracleRejected("unconverged"), Reason.REJECTED, True),
        (ShapeError("wrong"), Reason.WRONG_SHAPE, False),
        (ZeroDivisionError("1/0\nsecond line"), Reason.RAISED, True),
        (MissingExtra("ase", "atoms", "It"), Reason.RAISED, True),
    ],
)
def test_exceptions_have_reasons(error, reason, transient) -> None:
    failure = failure_of(error, "log")
    assert (failure.reason, failure.transient) == (reason, transient)
    assert failure.message
    assert "\n" not in failure.message
    assert failure.traceback.endswith("log")


def test_a_callable_is_a_callable_or_a_name() -> None:
    assert callable_of("math:sqrt", "it")(4.0) == 2.0
    with pytest.raises(ConfigError, match=r"it should be a callable .* int 3"):
        callable_of(3, "it")

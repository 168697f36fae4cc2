"""From arguments to samples, and back to what the simulation would have returned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist import Sample, Surrogate
from querist.core.errors import ConfigError, ShapeError
from querist.oracles.function import FunctionOracle
from querist.surrogate.calling import BARE, Form, importable, oracle_of, require_same, returned


def plain(x, y=2.0, *, z=None):
    return x + y


def test_arguments_get_the_names_of_parameters() -> None:
    form = Form(plain)
    assert {k: v.item() for k, v in form.sample((1.0,), {}).items()} == {"x": 1.0, "y": 2.0}
    assert set(form.sample((1.0, 3.0), {"z": 1})) == {"x", "y", "z"}
    assert form.sample(({"x": 1.0},), {})["x"] == 1.0
    assert form.sample((Sample.of({"x": np.ones(3)}),), {})["x"].shape == (3,)
    with pytest.raises(TypeError):
        form.sample((), {})


def test_further_names_are_inputs_and_nameless_ones_are_refused() -> None:
    assert set(Form(lambda **fields: 0).sample((), {"a": 1, "b": 2})) == {"a", "b"}
    with pytest.raises(ShapeError, match=r"\*x"):
        Form(lambda *x: 0).sample((1, 2), {})
    with pytest.raises(ShapeError, match="needs an input"):
        Form(lambda: 0).sample((), {})


def test_an_oracle_is_called_by_names() -> None:
    form = Form(FunctionOracle(plain, outputs="y"))
    assert set(form.sample((), {"x": 1})) == {"x"}
    with pytest.raises(TypeError, match="by name"):
        form.sample((1,), {})


def test_what_comes_back_looks_like_what_the_simulation_returns() -> None:
    assert returned({BARE: np.array(2.5)}) == 2.5
    assert isinstance(returned({BARE: np.array(2.5)}), float)
    assert returned({BARE: np.arange(3)}).tolist() == [0, 1, 2]
    assert set(returned({"a": np.array(1.0), "b": np.ones(2)})) == {"a", "b"}


def test_what_another_process_can_import() -> None:
    assert importable("math:hypot") == "math:hypot"
    assert importable(np.linalg.norm) == "numpy.linalg:norm"
    assert importable(lambda x: x) is None


def test_another_simulation_is_told_where_both_are_known() -> None:
    kept = "math:hypot"
    for trusted in (None, kept, math.hypot):
        require_same(trusted, kept, "here")
    require_same(plain, None, "here")  # it was no part of a module
    require_same(plain, "math:renamed", "here")
    for wrong in (plain, "math:sin", lambda x: x):
        with pytest.raises(ConfigError, match="in here stands in for math:hypot, and not for"):
            require_same(wrong, kept, "here")


def test_what_is_no_simulation_is_refused() -> None:
    assert oracle_of(None) is None
    with pytest.raises(ConfigError, match="a simulation should be"):
        oracle_of(3)


def test_functions_of_numpy_are_called_by_their_numbers_alone() -> None:
    for function, arguments in ((np.sin, (0.5,)), (np.hypot, (3.0, 4.0))):
        sample = Form(function).sample(arguments, {})
        assert len(sample) == len(arguments)
        assert Surrogate(function, tolerance=0.1)(*arguments) == function(*arguments)

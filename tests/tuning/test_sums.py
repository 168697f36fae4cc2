"""Bounds on sums of settings: how they are written, and what cannot be one."""

from __future__ import annotations

import math

import pytest

from querist.core.errors import ConfigError
from querist.tuning.space import Space
from querist.tuning.sums import Sum, read_sums

SETTINGS = Space.of(
    {
        "inner": {"real": [0.0, 1.0]},
        "outer": {"real": [0.0, 2.0]},
        "count": {"integer": [1, 9]},
        "dose": {"real": [1e-3, 1.0], "log": True},
        "kind": {"choice": ["a", "b"]},
        "size": {"choice": [1, 2]},
        "depth": {"real": [0.0, 1.0], "when": {"kind": "b"}},
    }
).settings


@pytest.mark.parametrize(
    ("text", "factors", "low", "high"),
    [
        ("inner <= outer", {"inner": 1.0, "outer": -1.0}, -math.inf, 0.0),
        ("inner + outer = 1", {"inner": 1.0, "outer": 1.0}, 1.0, 1.0),
        ("inner + outer == 1", {"inner": 1.0, "outer": 1.0}, 1.0, 1.0),
        ("2*inner - (outer - 1) / 4 >= 0.5", {"inner": 2.0, "outer": -0.25}, 0.25, math.inf),
        ("-count + dose * 3 + 1 <= 0", {"count": -1.0, "dose": 3.0}, -math.inf, -1.0),
        ("inner + inner <= 1 + inner", {"inner": 1.0}, -math.inf, 1.0),
        ("1e-3 <= dose", {"dose": -1.0}, -math.inf, -1e-3),
    ],
)
def test_a_text_is_a_sum_with_its_bound(text, factors, low, high) -> None:
    [found] = read_sums(text, SETTINGS)
    assert found == Sum(text, factors, low, high)


def test_a_bound_of_both_sides_is_two() -> None:
    first, second = read_sums(["0.2 <= inner + outer <= 0.8"], SETTINGS)
    values = {"inner": 0.1, "outer": 0.3}
    assert (first.value(values), first.high) == (-0.4, -0.2)
    assert (second.value(values), second.high) == (0.4, 0.8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("iner <= outer", "'iner' is no setting; known: .* Did you mean 'inner'?"),
        ("inner + kind <= 1", "'kind' is a choice; a sum has real and integer"),
        ("inner + size <= 1", "'size' is a choice"),
        ("inner + depth <= 1", "'depth' exists under a condition only"),
        ("inner * outer <= 1", "multiplies or divides by a setting"),
        ("inner / 0 <= 1", "or by 0"),
        ("inner < outer", "a < b is a <= b - 1"),
        ("inner != outer", "another relation"),
        ("inner + outer", "compares nothing"),
        ("inner <= ", "cannot be read"),
        ("inner ** 2 <= 1", "is no bound on a sum"),
        ("max(inner, outer) <= 1", "is no bound on a sum"),
        ("inner <= True", "is no bound on a sum"),
        ("inner <= inner", "leaves no setting"),
        ("inner + outer >= 3.5", "can never hold: .* inner \\+ outer lies between 0 and 3"),
        ("2 * inner - outer = 5", "2 \\* inner - outer lies between -2 and 2"),
        ({"inner": 1}, "a bound is a text"),
    ],
)
def test_what_is_no_bound_is_said(text, said) -> None:
    with pytest.raises(ConfigError, match=f"^where: .*{said}"):
        read_sums([text], SETTINGS)

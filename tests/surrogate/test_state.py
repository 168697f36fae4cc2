"""What can be learned from together; odd calls are answered and keep nobody from learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from querist import Surrogate
from querist.surrogate.state import Answered, alike


def one(inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> Answered:
    told = None if outputs is None else {k: np.asarray(v) for k, v in outputs.items()}
    return Answered(1, {k: np.asarray(v) for k, v in inputs.items()}, told, "train")


def test_most_decide_which_form_is_learned_from() -> None:
    plain = [one({"x": float(i)}, {"y": 1.0}) for i in range(3)]
    failed, other_output = one({"x": 9.0}), one({"x": 4.0}, {"y": 1.0, "z": 2.0})
    odd = [one({"x": 1.0, "extra": 2.0}, {"y": 1.0}), one({"x": [1.0]}, {"y": 1.0})]
    odd.append(one({"x": "one"}))
    not_a_number = one({"x": np.nan}, {"y": 1.0})
    assert alike([*plain, *odd, failed, other_output, not_a_number]) == [*plain, failed]
    assert alike([not_a_number]) == alike([]) == []
    assert alike([failed]) == [failed]


@pytest.mark.parametrize(
    "odd",
    [
        {"x": np.array([np.nan, 1.0])},
        {"x": np.array([np.inf, 1.0])},
        {"x": np.array([0.1, 0.2, 0.3])},
        {"x": 0.5},
    ],
    ids=["nan", "infinite", "longer", "a number"],
)
def test_odd_calls_are_answered_and_the_rest_is_learned(odd) -> None:
    def simulation(x):
        return min(9.9, float(np.nansum(x)))

    surrogate = Surrogate(simulation, tolerance=0.2, coverage=0.8)
    rng = np.random.default_rng(0)
    for _ in range(12):  # some of them are audits
        assert surrogate(**odd) == simulation(**odd)
        surrogate.many(x=rng.uniform(size=(15, 2)))
    assert surrogate.many(x=rng.uniform(size=(40, 2))).share() > 0.5
    assert surrogate(**odd) == simulation(**odd)
    assert surrogate.status()["unlearned"] == ""


def test_a_field_that_is_there_now_and_then() -> None:
    surrogate = Surrogate(lambda x, z=None: x + (z or 0.0), tolerance=0.2, coverage=0.8)
    rng = np.random.default_rng(0)
    for number in range(160):
        x = float(rng.uniform())
        assert surrogate(x) == pytest.approx(x, abs=0.3)
        if number % 9 == 0:
            assert surrogate(x, z=1.0) == x + 1.0
    assert surrogate.status()["answered_by_model"] > 40


def test_outputs_that_are_there_now_and_then() -> None:
    def simulation(x):
        return {"y": x} if x < 0.8 else {"y": x, "note": np.array([1.0, 2.0])}

    surrogate = Surrogate(simulation, tolerance={"y": 0.2}, coverage=0.8)
    rng = np.random.default_rng(0)
    for _ in range(10):
        answers = surrogate.many(x=rng.uniform(size=20))
        assert "y" in answers.outputs
    assert answers.share() > 0.5


def test_an_output_whose_shape_changes_is_wrong_where_it_does() -> None:
    surrogate = Surrogate(lambda x: np.full(1 + (x > 0.9), x), tolerance=0.2, coverage=0.8)
    rng = np.random.default_rng(0)
    for _ in range(200):
        surrogate(float(rng.uniform()))
    status = surrogate.status()
    assert status["unlearned"] == ""
    assert status["answered_by_model"] > 40
    assert all(audit.wrong in (True, False) for audit in surrogate._keeper.state.audited)

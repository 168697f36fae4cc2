"""Wrappers hand on what they wrap, on success as well."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.tasks import Resources
from querist.oracles.function import FunctionOracle
from querist.oracles.wrappers import Logged, Validated

X = Batch.stack(x=np.array([1.0, -1.0, 0.0]))


def inverse(x):
    return 1.0 / float(x)


def positive(sample, outputs):
    return None if outputs["y"] > 0 else f"y = {outputs['y']} is negative"


def oracle() -> FunctionOracle:
    resources = Resources(cores=3)
    return FunctionOracle(inverse, level="exact", cost=2.0, outputs="y", resources=resources)


def test_a_validator_is_asked_of_labels_only(context) -> None:
    good, refused, failed = Validated(oracle(), positive).answer(X, context)
    assert isinstance(good, Label)
    assert (good.level, good.cost) == ("exact", 2.0)
    assert (refused.reason, refused.message) == (Reason.REJECTED, "y = -1.0 is negative")
    assert failed.reason is Reason.RAISED


def test_every_answer_is_logged_and_unchanged(context, caplog) -> None:
    caplog.set_level(logging.INFO, "querist.oracles")
    outcomes = Logged(oracle()).answer(X, context)
    assert [type(outcome) for outcome in outcomes] == [Label, Label, Failure]
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING"]
    assert X.ids[0] in caplog.text
    assert "ZeroDivisionError" in caplog.text


class Raising:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def open(self, context) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")

    def answer(self, samples, context):
        raise RuntimeError("broken")


def test_an_exception_is_logged_and_goes_on(context, caplog) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        Logged(Raising()).answer(X, context)
    assert "3 samples: raised RuntimeError: broken" in caplog.text


@pytest.mark.parametrize("wrap", [Logged, lambda inside: Validated(inside, positive)])
def test_declarations_and_lifetime_are_those_of_the_oracle_inside(wrap, context) -> None:
    wrapped = wrap(oracle())
    assert (wrapped.level, wrapped.cost, wrapped.resources.cores) == ("exact", 2.0, 3)
    wrapped.open(context.worker)  # the oracle inside has neither
    wrapped.close()
    inside = Raising()
    wrap(inside).open(context.worker)
    wrap(inside).close()
    assert inside.calls == ["open", "close"]
    assert (wrap(inside).level, wrap(inside).cost) == ("", None)

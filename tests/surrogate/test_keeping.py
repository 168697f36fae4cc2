"""The writer's work: judging goes on while a fit does."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from querist import Surrogate
from querist.models.random_features import RandomFeatures


class Slow(RandomFeatures):
    """A model whose fits wait, once told to."""

    held, may = threading.Event(), threading.Event()
    waits = False

    def fit(self, dataset: Any, request: Any) -> Any:
        if Slow.waits:
            Slow.held.set()
            assert Slow.may.wait(60)
        return super().fit(dataset, request)

    def __deepcopy__(self, memo: Any) -> Slow:
        return Slow(members=4, features=32)

    __hash__ = object.__hash__


@pytest.mark.parametrize("learn", ["background", "now"])
def test_drift_is_noticed_while_a_fit_goes_on(learn) -> None:
    shift, told = [0.0], []
    rng = np.random.default_rng(0)
    Slow.held.clear()
    Slow.may.clear()
    Slow.waits = False
    surrogate = Surrogate(
        lambda x: float(np.sin(3 * x)) + shift[0], Slow(), tolerance=0.2, coverage=0.8,
        audit=0.3, learn=learn, on_alarm=told.append,
    )  # fmt: skip
    with surrogate:
        while surrogate.status()["threshold"] is None:
            surrogate.many(x=rng.uniform(size=30))
        Slow.waits = True
        fitting = threading.Thread(target=teach, args=(surrogate, rng))
        fitting.start()
        assert Slow.held.wait(60)
        shift[0] = 5.0
        while not told:  # at most a few audits later; the fit goes on all the time
            surrogate.many(x=rng.uniform(size=20))
        assert surrogate.status()["threshold"] is None
        Slow.may.set()
        fitting.join(60)
        Slow.waits = False


def test_where_calls_go_elsewhere_models_are_judged_as_if_the_gate_was_closed() -> None:
    surrogate = Surrogate(lambda x: float(np.sin(3 * x)), tolerance=0.1, coverage=0.8, audit=0.05)
    rng = np.random.default_rng(0)
    while surrogate.status()["threshold"] is None:
        surrogate.many(x=rng.uniform(size=10))
    for _ in range(30):
        surrogate.many(x=rng.uniform(size=10))
    state = surrogate._keeper.state
    before = len(state.judging)
    shares = [surrogate.many(x=5.0 + rng.uniform(size=10)).share() for _ in range(40)]
    # 14 audits at least prove a model, and one call in twenty would be one: 280 calls and more.
    assert max(shares[:3]) == 0.0
    assert np.mean(shares[-10:]) > 0.5
    assert len(state.judging) - before < 200


def teach(surrogate: Surrogate, rng: np.random.Generator) -> None:
    """Give it what it does not trust, until a fit is due."""
    while not Slow.held.is_set():
        surrogate.many(x=1000.0 + rng.uniform(size=30))

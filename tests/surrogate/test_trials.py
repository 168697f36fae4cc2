"""Why no model is trusted is told in words, and the numbers are those of the audits."""

from __future__ import annotations

import numpy as np
import pytest

from querist import Surrogate
from querist.surrogate.gate import GRID, Promise, Trial, first_threshold
from querist.surrogate.surrogate import state_in
from querist.surrogate.telling import lines, status_of
from querist.surrogate.trials import trial_of, why

WRONG = np.array([False] * 92 + [True] * 8)


def test_a_model_that_is_too_poor_says_by_how_much(tmp_path) -> None:
    rng = np.random.default_rng(0)
    with Surrogate(
        lambda x: float(rng.normal()), tolerance=0.2, coverage=0.8, folder=tmp_path / "s"
    ) as noise:
        assert noise.status()["untrusted"].startswith("no model yet: the first one is fitted to 20")
        for _ in range(8):
            noise.many(x=rng.uniform(size=25))
        status = noise.status()
    newest = status["trials"][-1]
    assert status["fitted"] >= newest["version"] >= 2
    # The error of a mean is about normal(0, 1), in units of 0.2: the median 3.4, 80 % within 6.4.
    judged = max(status["trials"], key=lambda one: one["audits"])
    assert judged["audits"] > 50
    assert 2 < judged["median"] < 5 < judged["bound"] < 9
    assert judged["wrong"] > 0.6 * judged["audits"]
    assert "by more than the tolerance" in status["untrusted"]
    assert "times as wide" in status["untrusted"]
    assert "Its uncertainty does not tell which" in status["untrusted"]
    assert status["answered_by_model"] == 0
    # Whoever reads the folder is told the same.
    read = status_of(*state_in(tmp_path / "s"))
    assert read["trials"] == status["trials"]
    assert dict(lines(read))["Gate"] == f"closed: {status['untrusted']}"


def test_it_says_so_while_audits_are_few_and_nothing_once_it_is_trusted() -> None:
    surrogate = Surrogate(lambda x: float(np.sin(3 * x)), tolerance=0.05, coverage=0.8)
    rng = np.random.default_rng(0)
    surrogate.many(x=rng.uniform(size=50))
    assert "at least are needed to trust it" in surrogate.status()["untrusted"]
    for _ in range(40):
        surrogate.many(x=rng.uniform(size=25))
        status = surrogate.status()
        if status["threshold"] is not None:
            break
        assert status["untrusted"]
    assert status["threshold"] is not None
    assert (status["untrusted"], status["trials"]) == ("", [])


def test_a_trial_counts_the_surest_quarter_apart() -> None:
    trial = Trial(Promise(0.9), range(GRID.index(1.0), len(GRID)))
    errors = np.linspace(0.1, 2.0, 20)
    for score, error in zip(np.linspace(0.3, 3.0, 20), errors, strict=True):
        trial.add(score, bool(error > 1))
    told = trial_of(3, 40, trial, errors)
    assert (told["version"], told["learned_from"], told["audits"]) == (3, 40, 20)
    assert (told["wrong"], told["surest"], told["surest_wrong"]) == (10, 5, 0)
    assert (told["inside"], told["needed"]) == (5, trial.promise.needed(1))
    assert told["median"] == pytest.approx(1.1)
    status = {"threshold": None, "alarms": [{}], "promise": 0.9, "trials": [told], "fitted": 3}
    assert why(status).startswith(
        "drift closed the gate; since then: model 3, of 40 labels, has 20"
    )
    enough = {**told, "audits": 50}
    assert "may become trusted for that quarter" in why({**status, "trials": [enough]})
    infinite = {**enough, "median": None, "bound": None}
    assert "has no answer, or the simulation none" in why({**status, "trials": [infinite]})


def test_where_no_threshold_was_good_the_first_is_one_that_audits_reach() -> None:
    """A model whose uncertainty has a floor: below it there would never be an audit to test."""
    scores = np.full(100, 0.6)  # 8 % are wrong, which is more than half of what may be
    start = first_threshold(scores, WRONG, 0.1)
    assert GRID[start] >= 0.6
    trial = Trial(Promise(0.9), range(start, len(GRID)))
    rng = np.random.default_rng(0)
    for wrong in rng.uniform(size=400) < 0.04:
        trial.add(0.6, bool(wrong))
    assert trial.threshold is not None
    # One odd audit far below all others does not make it wait for more like it.
    odd = np.concatenate([[0.01], scores[1:]])
    assert GRID[first_threshold(odd, np.ones(100, bool), 0.1)] >= 0.6

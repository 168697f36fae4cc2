"""What labels are worth, by hand; a law that is recovered from what it made, and where none is."""

from __future__ import annotations

import numpy as np
import pytest

from querist.planning.worth import RATES, Law, Worth, law_of
from querist.testing.runs import RunFact


def folded(*facts: tuple[str, dict]) -> Worth:
    worth = Worth("y.mae")
    for seq, (kind, data) in enumerate(facts, 1):
        worth.add(RunFact(seq, kind, {"t": float(seq), **data}, {}))
    return worth


def asked(name: str, version: int, purpose: str = "train") -> tuple[str, dict]:
    return "question.asked", {"question": name, "version": version, "purpose": purpose}


def label(name: str, purpose: str = "train") -> tuple[str, dict]:
    return "answer.label", {"question": name, "purpose": purpose}


def test_staleness_counts_what_was_asked_since_the_chooser_was_trained() -> None:
    worth = folded(
        ("labels.imported", {"purpose": "train", "count": 2}),
        ("labels.imported", {"purpose": "holdout", "count": 50}),
        asked("a", 0),
        asked("b", 0),
        label("b"),
        label("a"),
        ("model.published", {"version": 1, "train": 4}),
        asked("h", 1, "holdout"),
        asked("c", 1),  # 4 asked by then, 4 known: fresh
        asked("d", 1),  # one more than the model knows: 1/4
        label("h", "holdout"),
        label("d"),  # answers come in another order
        ("answer.failure", {"question": "x", "purpose": "train"}),
        asked("e", 1),  # 2/4
        label("c"),
        label("e"),
        ("model.published", {"version": 2, "train": 7}),
        ("model.evaluated", {"version": 2, "train": 7, "metrics": {"y.mae": 0.5}, "on": "holdout"}),
        ("model.evaluated", {"version": 2, "train": 7, "metrics": {"y.mae": 0.1}, "on": "recent"}),
    )
    assert worth.of([0, 4, 5, 7], (0.0, 2.0)) == pytest.approx(
        np.array([[0, 4, 5, 7], [0, 4, 4 + 1 / 1.5, 4 + 1 / 1.5 + 1 + 1 / 2]])
    )
    assert worth.errors == [(7, 0.5)]
    assert [(version, train) for _, version, train in worth.fits] == [(1, 4), (2, 7)]


def learned(every: int, rate: float, noise: float = 0.05, seed: int = 0) -> Worth:
    """A run that retrains after so many labels, and whose error is 2 / sqrt(worth)."""
    worth, rng = Worth("y.mae"), np.random.default_rng(seed)
    worth.add(RunFact(1, "labels.imported", {"t": 0.0, "purpose": "train", "count": 20}, {}))
    train = 20
    for version in range(1, 400 // every + 2):
        error = 2.0 / np.sqrt(worth.of([train], (rate,))[0, 0]) * np.exp(noise * rng.normal())
        told = {"t": 0.0, "version": version, "train": train}
        worth.add(RunFact(1, "model.published", told, {}))
        worth.add(
            RunFact(
                1, "model.evaluated", {**told, "metrics": {"y.mae": error}, "on": "holdout"}, {}
            )
        )
        for number in range(every):
            name = f"{version}-{number}"
            for kind, data in (asked(name, version), label(name)):
                worth.add(RunFact(1, kind, {"t": 0.0, **data}, {}))
        train += every
    return worth


def test_two_intervals_tell_what_staleness_costs() -> None:
    law = law_of([learned(5, 8.0), learned(80, 8.0, seed=1)], "y.mae")
    assert law is not None
    rates = np.array(RATES)[law.rate]
    assert 4.0 <= np.median(rates) <= 16.0
    assert np.median(law.power) == pytest.approx(0.5, abs=0.1)
    assert law.expected(400) == pytest.approx(0.1, rel=0.2)
    assert np.median(law.wanted(0.1)) == pytest.approx(400, rel=0.4)
    assert "y.mae falls as labels^-0." in law.said()
    free = law_of([learned(5, 0.0), learned(80, 0.0, seed=1)], "y.mae")
    assert free is not None
    assert np.median(np.array(RATES)[free.rate]) < 1.0


def test_errors_far_from_the_wanted_one_hardly_count() -> None:
    run = learned(20, 0.0, noise=0.02)
    run.errors[0] = (20, 50.0)  # a first model that knows nothing
    law = law_of([run], "y.mae", error=0.15)
    assert law is not None
    assert np.median(law.power) == pytest.approx(0.5, abs=0.15)


def test_too_few_evaluations_and_errors_that_do_not_fall_are_no_law() -> None:
    few = learned(200, 0.0)
    assert len(few.errors) < 5
    assert law_of([few], "y.mae") is None
    flat = learned(20, 0.0)
    flat.errors = [(n, 0.3 + 1e-4 * n) for n, _ in flat.errors]
    assert law_of([flat], "y.mae") is None
    assert law_of([Worth("y.mae")], "y.mae") is None


def test_the_draws_of_a_law_are_the_same_again() -> None:
    first, again = (law_of([learned(20, 2.0)], "y.mae") for _ in range(2))
    assert isinstance(first, Law)
    assert isinstance(again, Law)
    assert np.array_equal(first.level, again.level)

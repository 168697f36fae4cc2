from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.strategies.choosing.auto import Auto, Rules
from querist.strategies.errors import BudgetError, NeedError

True_ = Callable[[int], float]


def rising(top: float, start: int = 20) -> True_:
    return lambda n: top - (top - 0.5) * (n / start) ** -0.8


TRUTH = {"poor": rising(0.7), "best": rising(0.95), "fair": rising(0.85), "weak": rising(0.75)}


def play(
    auto: Auto, truth: dict[str, True_], *, noise: float = 0.0, seed: int = 0, rounds: int = 10**6
) -> Auto:
    """Serve all shares from true curves; every pick is paid for."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        if auto.due:
            share_all(auto, truth, noise)
        shares = auto.propose()
        if not shares:
            break
        for share in shares:
            name = share.strategy
            labels = measured(auto, name) + share.count
            metric = truth[name](labels) + noise * rng.standard_normal()
            auto.observe(name, labels, metric, paid=share.count, error=noise)
    return auto


def share_all(auto: Auto, truth: dict[str, True_], noise: float = 0.0) -> None:
    """All labels are as good as the best strategy's of those that are left."""
    labels = 20 + auto.paid
    auto.begin(labels, max(truth[name](labels) for name in auto.alive), noise)


def measured(auto: Auto, name: str) -> int:
    """What a branch was last fitted to."""
    branches = auto.state()["branches"]
    return next(one["labels"][-1] for one in branches if one["strategy"] == name)


def test_the_best_strategy_is_chosen_and_gets_the_rest() -> None:
    auto = play(Auto(list(TRUTH), 400, 10), TRUTH)
    assert auto.chosen == "best"
    assert auto.paid == 400
    assert auto.stopped
    dropped = [d for d in auto.decisions if d.kind == "dropped"]
    assert {d.sentence.split()[0] for d in dropped} == {"poor", "fair", "weak"}
    chosen = next(d for d in auto.decisions if d.kind == "chosen")
    assert chosen.paid <= 0.5 * 400 + 4 * 10
    assert auto.decisions[-1].sentence == "The budget is spent."


def test_noise_fools_it_seldom() -> None:
    found = [
        play(Auto(list(TRUTH), 600, 10), TRUTH, noise=0.02, seed=seed).chosen for seed in range(20)
    ]
    assert found.count("best") >= 17
    assert "poor" not in found


def test_half_go_at_the_end_of_each_rung() -> None:
    names = [f"s{k}" for k in range(8)]
    same = rising(0.9)
    auto = Auto(names, 720, 5, Rules(doubt=0.0))
    seen = []
    while not auto.chosen:
        if auto.due:
            share_all(auto, dict.fromkeys(names, same))
        shares = auto.propose()
        seen.append(len(shares))
        for share in shares:
            labels = measured(auto, share.strategy) + 5
            auto.observe(share.strategy, labels, same(labels), paid=5)
    assert sorted(set(seen), reverse=True) == [8, 4, 2]
    # Each rung has a third of the exploration, so a branch buys twice as much in every next one.
    assert [seen.count(k) for k in (8, 4, 2)] == [3, 6, 12]
    assert auto.chosen == "s0"  # of equals the one named first


def test_a_hopeless_branch_is_dropped_between_rungs() -> None:
    truth = {"good": rising(0.95), "also": rising(0.94), "flat": lambda n: 0.5}
    auto = play(Auto(list(truth), 2000, 5), truth, rounds=12)
    first = auto.decisions[0]
    assert first.sentence.startswith("flat was dropped (hardly a chance left)")
    assert first.paid < 0.5 * 2000 / 2
    assert first.numbers["sure"] > 0.95


def test_the_target_ends_it() -> None:
    auto = play(Auto(list(TRUTH), 2000, 10, Rules(target=0.85)), TRUTH)
    assert auto.stopped
    assert auto.paid < 1000
    assert "The target 0.85 is reached by best" in auto.decisions[-1].sentence


def test_a_single_lucky_measurement_does_not_reach_the_target() -> None:
    auto = Auto(["one"], 1000, 10, Rules(target=0.9))
    auto.begin(20, 0.5)
    for step in range(8):
        (share,) = auto.propose()
        lucky = 0.93 if step == 6 else 0.6
        auto.observe("one", 30 + 10 * step, lucky, paid=share.count, error=0.1)
    assert not auto.stopped


def test_a_target_out_of_reach_ends_it_early() -> None:
    flat = {"a": lambda n: 0.6, "b": lambda n: 0.59}
    auto = play(Auto(list(flat), 2000, 10, Rules(target=0.95)), flat)
    assert auto.paid < 1000
    assert "out of reach" in auto.decisions[-1].sentence


def test_labels_that_are_not_worth_it_are_not_bought() -> None:
    flat = {"a": lambda n: 0.8, "b": lambda n: 0.79}
    auto = play(Auto(list(flat), 2000, 10, Rules(worth=0.05)), flat)
    assert auto.stopped
    assert auto.paid < 1000
    assert "not worth buying" in auto.decisions[-1].sentence
    still = play(Auto(list(TRUTH), 400, 10, Rules(worth=0.001)), TRUTH)
    assert still.paid > 200


def test_without_rules_it_never_stops_before_the_budget() -> None:
    flat = {"a": lambda n: 0.8, "b": lambda n: 0.8}
    assert play(Auto(list(flat), 300, 10), flat).paid == 300


@given(
    count=st.integers(1, 7),
    budget=st.integers(7, 120),
    batch=st.integers(1, 20),
    seed=st.integers(0, 999),
)
def test_the_budget_is_met_exactly_and_rungs_end(
    count: int, budget: int, batch: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    names = [f"s{k}" for k in range(count)]
    auto = Auto(names, budget, batch)
    labels = dict.fromkeys(names, 5)
    for _ in range(10 * budget):
        if auto.due and not auto.stopped:
            auto.begin(5 + auto.paid, 0.3)
            labels = dict.fromkeys(names, 5 + auto.paid)
        shares = auto.propose()
        if not shares:
            break
        assert sum(share.count for share in shares) <= auto.left
        assert all(share.count >= 1 for share in shares)
        for share in shares:
            name = share.strategy
            free = int(rng.integers(0, share.count)) if not auto.chosen else 0
            labels[name] += share.count
            metric, paid = float(rng.random()), share.count - free
            auto.observe(name, labels[name], metric, paid=paid, error=0.05)
    assert auto.stopped
    assert auto.paid == budget
    assert len(auto.alive) == 1
    json.dumps(auto.record(), allow_nan=False)


@given(stop=st.integers(0, 12), within=st.integers(0, 3))
def test_it_goes_on_from_json_as_if_nothing_had_happened(stop: int, within: int) -> None:
    def serve(auto: Auto, most: int) -> None:
        if auto.due and not auto.stopped:
            share_all(auto, TRUTH)
        for share in auto.propose()[:most]:
            labels = measured(auto, share.strategy) + share.count
            metric = TRUTH[share.strategy](labels)
            auto.observe(share.strategy, labels, metric, paid=share.count)

    whole = Auto(list(TRUTH), 300, 10, Rules(target=0.99))
    for _ in range(stop):
        serve(whole, 9)
    serve(whole, within)  # perhaps in the middle of a round
    again = Auto.restore(json.loads(json.dumps(whole.state())))
    assert again.state() == whole.state()
    for auto in (whole, again):
        while auto.propose():
            serve(auto, 9)
    assert again.state() == whole.state()
    assert again.record() == whole.record()


def test_open_shares_are_proposed_again_until_they_are_told() -> None:
    auto = Auto(["a", "b"], 100, 10)
    first = auto.propose()
    assert auto.propose() == first
    auto.observe("a", 30, 0.5, paid=10)
    assert [share.strategy for share in auto.propose()] == ["b"]


def test_a_branch_that_finds_nothing_is_dropped() -> None:
    auto = Auto(["a", "b"], 100, 10)
    auto.begin(20, 0.5)
    auto.propose()
    auto.observe("a", 20, 0.5, paid=0)
    auto.observe("b", 30, 0.6, paid=10)
    assert auto.chosen == "b"
    assert auto.decisions[0].sentence == "a was dropped: it found no further row to ask for."
    assert auto.decisions[1].kind == "chosen"
    auto.begin(40, 0.6)
    auto.propose()
    auto.observe("b", 40, 0.6, paid=0)
    assert auto.stopped
    assert "row left to ask for" in auto.decisions[-1].sentence


def test_nothing_left_for_any_branch_ends_it() -> None:
    auto = Auto(["a", "b"], 100, 10)
    auto.begin(20, 0.5)
    auto.propose()
    auto.observe("a", 20, 0.5, paid=0)
    auto.observe("b", 20, 0.5, paid=0)
    assert auto.stopped
    assert auto.propose() == []


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NeedError, match="each once"):
        Auto(["a", "a"], 10, 1)
    with pytest.raises(NeedError, match="each once"):
        Auto([], 10, 1)
    with pytest.raises(BudgetError, match="does not pay"):
        Auto(["a", "b", "c"], 2, 1)
    with pytest.raises(BudgetError):
        Auto(["a"], 10, 0)
    with pytest.raises(NeedError, match="explore=2"):
        Rules(explore=2)
    auto = Auto(["a", "b"], 10, 1)
    with pytest.raises(NeedError, match="open shares"):
        auto.observe("a", 5, 0.5, paid=1)
    auto.propose()
    with pytest.raises(NeedError, match="finite"):
        auto.observe("a", 5, float("nan"), paid=1)
    with pytest.raises(BudgetError, match="paid 2"):
        auto.observe("a", 5, 0.5, paid=2)
    with pytest.raises(NeedError, match="version"):
        Auto.restore({"version": 0})


def test_the_record_holds_curves_forecasts_and_reasons() -> None:
    record = play(Auto(list(TRUTH), 400, 10), TRUTH).record()
    assert record["chosen"] == "best"
    assert record["paid"] == 400
    assert [branch["strategy"] for branch in record["branches"]] == list(TRUTH)
    for branch in record["branches"]:
        forecast = branch["forecast"]
        assert len(branch["labels"]) == len(branch["metric"]) == len(branch["error"])
        assert all(
            0.0 <= low <= mean <= high <= 1.0
            for low, mean, high in zip(
                forecast["low"], forecast["mean"], forecast["high"], strict=True
            )
        )
    assert all(decision["sentence"].endswith(".") for decision in record["decisions"])

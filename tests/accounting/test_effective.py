"""Effective speed-up against journals whose every number is computed by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hand_journal import answer, facts, failed, small, spans
from hypothesis import given
from hypothesis import strategies as st

from querist.accounting.effective import Covered, EffectiveFold
from querist.accounting.effective_terms import ratio
from querist.accounting.effective_text import rows as rows_of
from querist.accounting.effective_units import Units, intervals
from querist.accounting.summary import SummaryBuilder, summarise


def explored(stop: float, proposed: int, trusted: int, predict: float) -> Any:
    told = {"proposed": proposed, "trusted": trusted, "predict": predict}
    return (stop, "explored", told | {"worker": "e/0", "spans": spans(stop - 2, stop)})


def parallel() -> list[Any]:
    """Two oracles side by side from 0 to 10, an explorer from 10 to 12, a fit from 12 to 16.

    Four simulations of 5 s each: elapsed 10 s, so Ttrain = 2.5; Tlearn = 4 / 4; a look-up takes
    1 s / 100, and 80 of the 100 are trusted. All four workers are there from 0 to 20.
    """
    joins = [
        (0.0, "worker.joined", {"worker": w, "pool": w[0]}) for w in ("o/0", "o/1", "e/0", "t/0")
    ]
    fit = {"version": 1, "digest": "d", "dataset": 4, "spans": [spans(12, 16)], "workers": ["t/0"]}
    return facts(
        (0.0, "run.started", {"epoch": 0, "wall": 0.0}),
        *joins,
        *[answer(f"{w}{i}", 5.0 * i, 5.0 * i + 5, f"o/{w}") for i in (0, 1) for w in (0, 1)],
        explored(12.0, 100, 80, 1.0),
        (16.0, "model.published", fit),
        (20.0, "run.ended", {"status": "finished", "reason": "", "wall": 20.0}),
    )  # fmt: skip


def effective(rows: list[Any], simulation: str = "") -> dict[str, Any]:
    builder = SummaryBuilder(simulation=simulation)
    for row in rows:
        builder.add(row)
    found: dict[str, Any] = builder.build()["effective"]
    return found


def test_the_published_formula_with_elapsed_seconds() -> None:
    found = effective(parallel())["elapsed"]
    assert (found["t_train"], found["t_learn"], found["t_lookup"]) == (2.5, 1.0, 0.01)
    # 5 (80 + 4) / (0.01 80 + (2.5 + 1) 4)
    assert found["speed_up"] == pytest.approx(420 / 14.8)
    assert found["no_learning"] == 2  # two oracles side by side
    assert found["all_lookups"] == pytest.approx(500)


def test_the_published_formula_with_worker_seconds_has_no_gain_without_learning() -> None:
    found = effective(parallel())["worker_seconds"]
    assert (found["t_train"], found["no_learning"]) == (5, 1)
    assert found["speed_up"] == pytest.approx(420 / (0.8 + 6 * 4))


def test_the_audited_speed_up_charges_all_elapsed_and_all_worker_time() -> None:
    found = effective(parallel())
    assert found["audited"]["delivered"] == 84
    assert found["audited"]["elapsed"]["speed_up"] == pytest.approx(420 / 20)
    assert found["audited"]["worker_seconds"]["speed_up"] == pytest.approx(420 / 80)
    assert found["spent"] == {
        "training_simulations": 20, "other_simulations": 0, "failed": 0, "trusted_lookups": 0.8,
        "rejected_lookups": 0.2, "learning": 4, "generating": 1, "other_tasks": 0, "idle": 54,
        "total": 80,
    }  # fmt: skip


def test_break_even_is_where_all_that_was_paid_is_earned_back() -> None:
    # All but look-ups: 79 s, of which 20 s of simulations had to be; a trusted look-up costs
    # 1 / 80 s and saves 5 s: (79 - 20) / (5 - 0.0125).
    found = effective(parallel())["break_even"]
    assert found["lookups"] == pytest.approx(59 / 4.9875)
    assert found["reached"] is True
    # Of 48 s until 12, 47 were not look-ups: (47 - 20) / (5 - 1 / 5) = 5.6, and 5 were trusted.
    few = [*parallel()[:-3], *facts(explored(12.0, 100, 5, 1.0))]
    assert effective(few)["break_even"]["reached"] is False


def test_the_small_journal_charges_failures_holdout_evaluation_and_idle_workers() -> None:
    found = effective(small())
    assert (found["n_lookup"], found["n_rejected"]) == (30, 10)
    assert (found["n_train"], found["n_other"], found["n_failed"]) == (2, 1, 2)
    assert found["t_seq"] == pytest.approx(7 / 3)
    spent = found["spent"]
    assert (spent["other_simulations"], spent["failed"], spent["other_tasks"]) == (2, 2, 1)
    assert (spent["trusted_lookups"], spent["rejected_lookups"]) == (5.25, 1.75)
    assert spent["total"] == 20 + 20 + 15  # o/0, e/0 and t/0, which joined at 5
    assert found["audited"]["elapsed"]["speed_up"] == pytest.approx(7 / 3 * 32 / 20)
    assert found["lookup_error"]["error_max"] == 0.3


def test_answers_of_one_call_share_its_seconds() -> None:
    rows = facts(answer("a", 0, 6), answer("b", 0, 6), failed("c", 0, 6, True), answer("d", 6, 8))
    found = effective(rows)
    assert found["t_seq"] == pytest.approx(2)
    assert found["spent"]["failed"] == 2


def test_one_of_several_oracles_may_be_what_look_ups_stand_for() -> None:
    rows = [*parallel(), *facts(answer("x", 16, 17, oracle="cheap"))]
    assert effective(rows)["t_seq"] == pytest.approx(21 / 5)
    found = effective(rows, "xtb")
    assert found["t_seq"] == 5
    assert found["audited"]["elapsed"]["speed_up"] == pytest.approx(5 * 85 / 20)


def test_without_a_timed_simulation_nothing_is_claimed() -> None:
    found = effective(facts(explored(2.0, 10, 5, 0.1), answer("a", 0, 0, worker="")))
    assert found["audited"] is found["elapsed"] is found["break_even"] is None


def test_look_ups_as_slow_as_simulations_never_pay() -> None:
    rows = facts(
        answer("a", 0, 2), explored(2.0, 1, 1, 2.0), answer("b", 4, 6, kind="answer.failure")
    )
    assert effective(rows)["break_even"] == {"lookups": None, "reached": False}


def test_calls_of_a_surrogate_count_as_look_ups_and_audits_give_the_coverage() -> None:
    calls = {"calls": 50, "trusted": 40, "refused": 3, "predict": 0.5}
    errors = [None, *np.linspace(0.1, 0.9, 9).tolist()]  # the simulation failed in the first
    audits = [
        (9.0, "surrogate.audited", {"within": i != 0, "error": error})
        for i, error in enumerate(errors)
    ]
    rows = facts(answer("a", 0, 2), (3.0, "surrogate.calls", calls), *audits)
    found = effective(rows)
    assert (found["n_lookup"], found["n_rejected"]) == (40, 10)
    told = found["surrogate"]
    assert (told["audits"], told["within"], told["refused"]) == (10, 9, 3)
    assert told["error"] == pytest.approx({"mean": 0.5, "largest": 0.9})
    line = "mean 0.500, largest 0.900 of the tolerance (of audits)"
    assert ("Error of look-ups", line) in rows_of(found)
    # Clopper and Pearson's interval of 9 in 10, as `querist surrogate status` shows it
    assert told["interval"] == pytest.approx([0.554984, 0.997471], abs=1e-5)


def test_every_answer_of_a_surrogate_was_called_for() -> None:
    # By hand: 2 s each; 4 to learn from, 4 that judge, 40 look-ups of 0.5 s in all, a fit of 3 s.
    names = "abcdefgh"
    purposes = ["train", "calibration", "train", "audit"] * 2
    told = [
        answer(name, 2.0 * i, 2.0 * i + 2, worker="", purpose=purpose)
        for i, (name, purpose) in enumerate(zip(names, purposes, strict=True))
    ]
    calls = {"calls": 40, "trusted": 40, "refused": 0, "predict": 0.5}
    fit = {"version": 1, "digest": "d", "dataset": 8, "spans": [spans(16, 19)], "workers": [""]}
    more = ((19.0, "model.published", fit), (20.0, "surrogate.calls", calls))
    begun = {"epoch": 0, "wall": 0.0}
    found = effective(facts((0.0, "run.started", begun | {"engine": "surrogate"}), *told, *more))
    assert (found["n_train"], found["n_other"]) == (4, 4)
    assert found["audited"]["delivered"] == 48
    assert found["audited"]["elapsed"]["speed_up"] == pytest.approx(2 * 48 / 20)
    # Only the fit has to be earned back: 3 / (2 - 0.5 / 40).
    assert found["break_even"]["lookups"] == pytest.approx(3 / 1.9875)
    campaign = effective(facts((0.0, "run.started", begun), *told, *more))
    assert campaign["audited"]["delivered"] == 44
    assert campaign["break_even"]["lookups"] == pytest.approx((3 + 8) / 1.9875)


def test_the_bootstrap_interval_holds_the_truth_as_often_as_it_says() -> None:
    def mean(calls: Any) -> float | None:
        return ratio(calls[0], calls[1])

    hits, rounds = 0, 150
    for seed in range(rounds):
        seconds = np.random.default_rng(seed).uniform(1.0, 3.0, 60)
        found = intervals([np.column_stack([seconds, np.ones(60)])], mean)
        hits += found is not None and found[0] <= 2.0 <= found[1]
    assert 0.88 <= hits / rounds <= 0.995


def union_seconds(pairs: list[tuple[float, float]]) -> float:
    """By the instants at which any interval begins or ends: which of the gaps one covers."""
    instants = sorted({instant for pair in pairs for instant in pair})
    return sum(
        after - before
        for before, after in pairwise(instants)
        if any(start <= before and after <= stop for start, stop in pairs)
    )


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=60))
def test_covered_is_the_union_of_its_intervals(pairs: list[tuple[float, float]]) -> None:
    ordered = sorted(((end - min(length, end), end) for end, length in pairs), key=lambda p: p[1])
    covered = Covered()
    for start, stop in ordered:
        if stop > start:
            covered.add(start, stop)
    assert covered.seconds == pytest.approx(union_seconds(ordered))


def test_covered_is_bounded_and_stays_right_for_intervals_in_order() -> None:
    covered = Covered(kept=8)
    for index in range(1000):
        covered.add(index, index + 0.5)
    assert covered.seconds == pytest.approx(500)
    assert len(covered._starts) <= 8
    assert covered.alone == 1


def test_a_late_interval_is_not_counted_again_where_it_reaches_back() -> None:
    covered = Covered(kept=4)
    for index in range(100):
        covered.add(index, index + 0.5)
    covered.add(0.0, 100.0)
    assert 50.0 <= covered.seconds <= 100.0


def test_units_merge_neighbours_and_keep_sums() -> None:
    units = Units(2, blocks=8)
    for index in range(1001):
        units.add([1.0, float(index)])
    assert len(units.table()) <= 9
    assert units.table().sum(axis=0).tolist() == [1001.0, 1000 * 1001 / 2]
    lengths = units.table()[:, 0]  # blocks are equally long, but for the last
    assert len(set(lengths[:-1])) == 1
    assert lengths[-1] <= lengths[0]


def test_an_answer_whose_time_is_not_known_counts_and_takes_none() -> None:
    told = {"question": "b.xtb.0", "sample": "b", "oracle": "xtb", "purpose": "train", "cost": 1.0}
    found = effective(facts(answer("a", 0, 4), (5.0, "answer.label", told)))
    assert (found["n_train"], found["t_seq"]) == (2, 4.0)
    assert found["spent"]["training_simulations"] == 4.0


def test_what_is_not_learned_from_may_take_another_time() -> None:
    rows = facts(answer("a", 0, 4), answer("b", 4, 14, purpose="holdout"))
    found = effective(rows)
    assert (found["t_seq"], found["worker_seconds"]["t_train"]) == (7.0, 4.0)


def test_look_ups_stand_for_the_oracle_that_is_named_not_for_the_mean_of_all() -> None:
    rows = facts(answer("a", 0, 4), answer("b", 4, 10, oracle="dft"))
    found = effective(rows, "xtb")["worker_seconds"]
    assert found["speed_up"] == pytest.approx(4 * 2 / (4 + 6))


def test_explorers_side_by_side_share_the_elapsed_time_of_look_ups() -> None:
    found = effective([*parallel()[:-1], *facts(explored(12.0, 100, 80, 1.0))])
    assert found["worker_seconds"]["t_lookup"] == pytest.approx(0.01)
    assert found["elapsed"]["t_lookup"] == pytest.approx(0.005)


def test_intervals_hold_what_they_are_of() -> None:
    rows = facts(*[answer(f"s{i}", 3 * i, 3 * i + 1 + i % 3) for i in range(30)])
    found = effective(rows)
    assert found["surrogate"] is None  # there is none
    for one in (*(found["audited"][k] for k in ("elapsed", "worker_seconds")), found["elapsed"]):
        low, high = one["interval"]
        assert 0.5 * one["speed_up"] < low <= one["speed_up"] <= high < 2 * one["speed_up"]


def test_only_labels_say_how_long_a_simulation_takes() -> None:
    rows = facts(answer("a", 0, 4), failed("b", 4, 24, True), answer("c", 24, 30, oracle="dft"))
    assert effective(rows, "xtb")["t_seq"] == 4.0
    assert effective(rows)["t_seq"] == 5.0  # of both oracles


def test_building_changes_nothing_and_the_report_tells_it() -> None:
    fold = EffectiveFold()
    for fact in facts(answer("a", 0, 2)):
        fold.label(fact)
    workers: dict[str, Any] = {"pools": {}}
    assert fold.build(2.0, workers, None) == fold.build(2.0, workers, None)
    from querist.accounting.report import report_html

    assert "Effective speed-up" in report_html(summarise(parallel()))

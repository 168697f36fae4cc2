"""The gate's statistics: bookkeeping by Hypothesis, guarantees by repetition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from querist.core.errors import ConfigError
from querist.surrogate.gate import (
    GRID,
    Alarm,
    Promise,
    Trial,
    first_threshold,
    safe,
    tail,
)

HALF = GRID.index(0.5)
audits = st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=300)


def trial(promise: Promise = Promise(), start: int = HALF) -> Trial:  # noqa: B008
    return Trial(promise, range(start, len(GRID)))


def test_levels_of_all_looks_add_up_to_the_error_probability() -> None:
    promise = Promise(0.95, 0.9)
    assert sum(promise.spent(look) for look in range(1, 20000)) == pytest.approx(0.1, rel=1e-3)


def test_the_first_look_is_the_fewest_audits_that_can_prove_anything() -> None:
    promise = Promise(0.95, 0.9)
    needed, level = promise.needed(1), 0.8 * promise.spent(1)
    assert tail(0, needed, 0.05) <= level < tail(0, needed - 1, 0.05)


@pytest.mark.parametrize("value", [-0.1, 0.0, 1.0])
def test_a_promise_is_a_probability(value) -> None:
    with pytest.raises(ConfigError, match="coverage"):
        Promise(coverage=value)


def test_both_starts_together_spend_no_more_than_is_theirs() -> None:
    promise, order = Promise(0.95, 0.9), range(HALF, len(GRID))

    def proven(audits: int) -> set[int]:
        return safe(np.zeros(audits), np.zeros(audits, bool), order, promise, 1)

    level = promise.spent(1)
    enough = next(n for n in range(200) if tail(0, n, 0.05) <= 0.2 * level)
    assert enough > promise.needed(1)
    assert proven(promise.needed(1) - 1) == set()
    assert proven(enough - 1) == {HALF}  # by the four fifths that are the first start's
    assert HALF in proven(enough) > {HALF}
    assert min(proven(enough)) < HALF


def test_where_the_least_threshold_is_the_first_there_is_no_safer_one() -> None:
    nothing = np.zeros(300)
    assert safe(nothing, nothing > 0, range(1, len(GRID)), Promise(), 1) == {0, 1}


def test_what_is_as_uncertain_as_the_threshold_is_within_it() -> None:
    scores = np.full(100, 0.5)
    assert safe(scores, scores > 1, range(HALF, len(GRID)), Promise(), 1) == {HALF}
    held = trial()
    held.take_over(0.5)
    held.add(0.5, True)
    assert held.threshold is None


def test_of_what_was_proven_the_largest_is_used_and_at_once() -> None:
    held = trial(Promise(0.8, 0.8))
    for _ in range(held.promise.needed(1) - 1):
        held.add(0.1, False)
        held.add(2.0, False)
    assert held.threshold is None
    held.add(0.1, False)
    assert held.threshold == 2.0
    inside = len(held.scores)
    while (sum(held.wrong) + 1) / (inside + 1) <= 0.2 - 1e-9:
        held.add(2.0, True)
        inside += 1
        assert held.threshold == 2.0
    held.add(2.0, True)  # the very audit that is one too many narrows it
    assert held.threshold is not None
    assert held.threshold < 2.0


@given(audits)
def test_what_is_trusted_was_proven_and_no_more_was_wrong_than_promised(told) -> None:
    held = trial()
    for score, wrong in told:
        held.add(score, wrong)
    if held.threshold is not None:
        assert GRID.index(held.threshold) in held.proven
        inside = [wrong for score, wrong in told if score <= held.threshold]
        assert np.mean(inside) <= held.promise.allowed


@given(audits)
def test_nothing_is_trusted_before_it_could_be_proven(told) -> None:
    held = trial()
    for score, wrong in told:
        held.add(score, wrong)
        if held.inside < held.promise.needed(1):
            assert held.threshold is None


@given(audits)
def test_the_number_of_looks_follows_from_scores_alone(told) -> None:
    one, other = trial(), trial()
    for score, wrong in told:
        one.add(score, wrong)
        other.add(score, False)
    assert (one.look, one.step, one.inside) == (other.look, other.step, other.inside)


@given(audits, st.integers(1, 4))
def test_more_wrong_audits_never_prove_more(told, look) -> None:
    scores = np.array([score for score, _ in told])
    wrong = np.array([bad for _, bad in told], bool)
    order, promise = range(HALF, len(GRID)), Promise()
    fewer = safe(scores, np.zeros(len(wrong), bool), order, promise, look)
    assert safe(scores, wrong, order, promise, look) <= fewer
    assert all(GRID[i] < scores.max() * 2 or i <= HALF for i in fewer)


@pytest.mark.parametrize(("largest", "wanted"), [(0.1, 0.5), (0.6, 2**-0.5), (5.0, 2**2.5)])
def test_nothing_is_trusted_that_no_audit_looked_like(largest, wanted) -> None:
    scores = np.linspace(0.0, largest, 3000)
    proven = safe(scores, np.zeros(3000, bool), range(HALF, len(GRID)), Promise(), 1)
    assert GRID[max(proven)] == wanted


def test_what_was_proven_is_watched_though_it_is_not_used_any_more() -> None:
    held = trial()
    assert held.watched is None
    held.take_over(0.5)
    for _ in range(10):
        held.add(9.0, False)  # beyond it, so that they say nothing for it
        held.add(0.4, True)
    assert (held.threshold, held.watched) == (None, 0.5)


def test_after_forgetting_looks_that_were_spent_stay_spent() -> None:
    held = trial()
    for _ in range(held.promise.needed(1)):
        held.add(0.1, False)
    assert held.threshold is not None
    spent = held.look
    held.forget()
    assert (held.threshold, held.proven, held.inside, held.look) == (None, set(), 0, spent)
    for _ in range(held.promise.needed(spent) - 1):
        held.add(0.1, False)
    assert held.threshold is None
    held.add(0.1, False)
    assert held.threshold is not None


def test_earlier_audits_choose_where_to_begin() -> None:
    scores = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
    wrong = np.array([False, False, False, True, True])
    assert GRID[first_threshold(scores, wrong, 0.05)] == 2**-0.5  # below 0.8, the first wrong one
    assert first_threshold(np.zeros(0), np.zeros(0, bool), 0.05) == HALF
    # All small ones were wrong; below them all there would never be an audit to test.
    assert GRID[first_threshold(scores, ~wrong, 0.05)] == 0.125


@pytest.mark.parametrize(("wrong", "largest"), [(1, 1.0), (3, 2**-0.5)])
def test_it_begins_where_at_most_half_of_what_is_allowed_was_wrong(wrong, largest) -> None:
    scores = np.repeat([0.4, 0.9], 10)
    bad = np.arange(20) % 10 == 0  # one of ten, which is half of a fifth
    bad[10:] = np.arange(10) < wrong
    assert GRID[first_threshold(scores, bad, 0.2)] == largest


def test_looks_come_one_by_one_each_with_half_as_many_audits_more() -> None:
    on_the_edge = trial()
    on_the_edge.add(0.5, False)
    assert on_the_edge.inside == 1
    held, looks = trial(), []
    for count in range(1, 1000):
        before = held.look
        held.add(0.1, False)
        assert held.look <= before + 1
        looks += [count] if held.look > before else []
    assert looks[0] == held.promise.needed(1)
    assert all(abs(count - 1.5 * last) <= 1 for last, count in pairwise(looks))


def test_after_forgetting_looks_grow_apart_again() -> None:
    held = trial()
    for _ in range(600):
        held.add(0.1, False)
    held.forget()
    looks = []
    for count in range(1, 1000):
        before = held.look
        held.add(0.1, False)
        looks += [count] if held.look > before else []
    assert looks[0] == held.promise.needed(held.look - len(looks))
    # The first ones wait for what their share of the error takes, all others as without forgetting.
    assert all(abs(count - 1.5 * last) <= 2 for last, count in pairwise(looks[3:]))
    assert len(looks) == 7


def population(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and whether the error is beyond: P(wrong | score) grows with the score."""
    scores = rng.exponential(1.0, count)
    return scores, rng.random(count) < np.minimum(0.9, 0.06 * scores)


def true_share(threshold: float) -> float:
    rng = np.random.default_rng(99)
    scores, wrong = population(rng, 100_000)
    return float(wrong[scores <= threshold].sum()) / max(1, int((scores <= threshold).sum()))


def test_thresholds_are_unsafe_as_seldom_as_promised() -> None:
    """Over 250 repetitions with looks as they come; a laxer gate (see below) does not pass."""
    shares = {t: true_share(t) for t in GRID}
    unsafe = {t for t, share in shares.items() if share > 0.05}
    assert len(unsafe) > 3
    assert GRID[HALF] not in unsafe
    bad = opened = lax = 0
    for seed in range(250):
        rng = np.random.default_rng(seed)
        held = trial(Promise(0.95, 0.8))
        scores, wrong = population(rng, 400)
        for score, beyond in zip(scores, wrong, strict=True):
            held.add(float(score), bool(beyond))
        opened += bool(held.proven)
        bad += any(GRID[i] in unsafe for i in held.proven)
        plain = [t for t in GRID if (scores <= t).any() and wrong[scores <= t].mean() <= 0.05]
        lax += bool(plain) and max(plain) in unsafe
    assert opened > 120  # it is no guarantee of a gate that never opens
    assert stats.binomtest(bad, 250, 0.2, "greater").pvalue > 0.01
    assert stats.binomtest(lax, 250, 0.2, "greater").pvalue < 0.01


def test_an_alarm_comes_soon_after_drift_and_seldom_before() -> None:
    delays, false = [], 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alarm = Alarm(0.05, patience=1000)
        for bad in rng.random(200) < 0.05:
            false += alarm.add(bool(bad))
        alarm.reset()
        delays.append(next(i for i in range(1000) if alarm.add(bool(rng.random() < 0.5))))
    assert false / (60 * 200) < 1.5 / 1000
    assert np.mean(delays) < 20


@pytest.mark.parametrize("allowed", [0.05, 0.2])
def test_evidence_is_fair_while_as_many_are_wrong_as_may_be(allowed) -> None:
    wrong, right = Alarm(allowed), Alarm(allowed)
    wrong.add(True)
    right.add(False)
    np.testing.assert_allclose(allowed * wrong.evidence + (1 - allowed) * right.evidence, 1.0)


def test_an_alarm_knows_about_when_it_began() -> None:
    alarm = Alarm(0.05)
    for _ in range(50):
        assert not alarm.add(False)
    said = [alarm.add(True) for _ in range(10)]
    assert any(said)
    assert 9 <= alarm.since <= 11


def level_of_inverse_sampling(due: int, share: float, inner: float, level: float) -> float:
    """P(a threshold of exactly 5 % wrong is proven) when it is looked at after ``due`` audits.

    They are counted within a smaller threshold, which a share of the audits is within, and of
    which ``inner`` are wrong.
    """
    outer = (0.05 - share * inner) / (1.0 - share)
    found = 0.0
    for more in range(int(due / share) + 200):
        chance = stats.nbinom.pmf(more, due, share)
        if chance < 1e-9:
            continue
        most = np.searchsorted(stats.binom.cdf(range(due + more + 1), due + more, 0.05), level)
        wrong = np.arange(most)  # within the smaller threshold
        both = stats.binom.pmf(wrong, due, inner) * stats.binom.cdf(most - 1 - wrong, more, outer)
        found += chance * both.sum()
    return found


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_larger_thresholds_keep_the_level_though_their_audits_are_not_counted(share) -> None:
    promise = Promise(0.95, 0.9)
    for look in (1, 2):
        level = 0.8 * promise.spent(look)
        for inner in (0.0, 0.02, 0.05, 0.052):
            found = level_of_inverse_sampling(promise.due(look, look), share, inner, level)
            assert found <= level

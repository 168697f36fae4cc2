"""The example of a missing mechanism: its filter, its fit and its naming, each on a known answer.

The loop over seeds runs in the examples' stage of CI, not here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "missing_mechanism"
MODULES = ("populations", "assimilation", "naming", "forecasts", "problem", "drawing", "check")
CROWDING, SEASON = "crowding of prey", "seasonal growth of prey"


def test_the_base_keeps_its_invariant(example) -> None:
    """Without anything added, c x - d log x + b y - a log y is constant (Volterra 1926)."""
    p = example.populations
    a, b, c, d = p.USUAL
    path = p.course(p.START[None], p.USUAL[None], (), p.COUNT)[:, 0]
    kept = c * np.exp(path[:, 0]) - d * path[:, 0] + b * np.exp(path[:, 1]) - a * path[:, 1]
    assert np.ptp(kept) < 2e-3 * kept[0]


def test_a_season_is_added_to_the_growth_of_prey_alone(example) -> None:
    p = example.populations
    values = np.array([[*p.USUAL, 0.6, 0.5]])
    state = np.zeros((1, 2))
    for t, more in ((0.0, 0.6), (0.25, 0.5), (0.5, -0.6)):
        got = p.rates(state, t, values, (SEASON,)) - p.rates(state, t, values[:, :4], ())
        np.testing.assert_allclose(got, [[more, 0.0]], atol=1e-12)


def test_the_fit_finds_what_is_true_and_leaves_white_residuals(example) -> None:
    seen = example.populations.world("crowding", 0.05, seed=4)
    begin = [*example.populations.USUAL, -0.2]
    found = example.assimilation.fit(seen.seen, 0.05, (CROWDING,), np.array(begin), seen.truth[0])
    got, std = found.coefficients(CROWDING)
    assert abs(got[0] + 0.3) < 4 * std[0] < 0.05
    assert example.assimilation.whiteness(found.residuals) > 1e-3


def test_whiteness_sees_correlation_and_size(example) -> None:
    noise = np.random.default_rng(0).standard_normal((209, 2))
    white = example.assimilation.whiteness
    assert white(noise) > 0.01
    assert white(1.3 * noise) < 1e-4
    correlated = noise.copy()
    for k in range(1, 209):
        correlated[k] = 0.6 * correlated[k - 1] + 0.8 * noise[k]
    assert white(correlated) < 1e-4


def test_the_filter_s_corrections_are_what_the_model_lacks(example) -> None:
    seen = example.populations.world("season", 0.02, seed=0)
    rng = np.random.default_rng(0)
    found = example.assimilation.assimilate(seen.seen, 0.02, (), example.populations.USUAL, rng)
    true = example.drawing.lacking(seen, (), seen.truth[: example.populations.COUNT])[:, 0]
    assert np.corrcoef(found.corrections[20:-20, 0], true[20:-20])[0, 1] > 0.85


@pytest.mark.slow  # imports pysindy
def test_sparse_regression_names_the_season(example) -> None:
    pytest.importorskip("pysindy")
    p = example.populations
    truth = p.world("season", 0.0, seed=0)
    states = truth.seen
    exact = example.drawing.lacking(truth, (), states)
    exact += 0.05 * np.random.default_rng(0).standard_normal(exact.shape)
    found = example.assimilation.Assimilated(states, exact, states[-1], p.USUAL)
    first = example.naming.nominate(found, ())[0]
    assert first.name == SEASON
    np.testing.assert_allclose(first.coefficients, [0.6, 0.5], atol=0.03)
    assert SEASON not in {one.name for one in example.naming.nominate(found, (SEASON,))}


def test_a_wrong_name_and_a_missed_one_are_counted(example) -> None:
    seen = example.populations.world("both", 0.05, seed=0)
    names = (CROWDING, "crowding of predators")
    values = np.array([*example.populations.USUAL, -0.3, 0.0])
    model = example.assimilation.Fitted(
        names, np.append(values, [0.0, 0.0]), np.full(8, 0.01), np.zeros((209, 2)), np.zeros(2)
    )
    corrected = example.assimilation.Assimilated(seen.seen, seen.seen, seen.seen[-1], values[:4])
    told = example.problem.judged(seen, [example.naming.Round(model, 0.5, corrected, (), names)])
    assert (told["missed"], told["added"], told["wrong"]) == (1, 1, 2)
    assert (told["coefficients"], told["inside"]) == (1, 1)


def test_it_is_told_whether_the_search_or_the_data_was_at_fault(example) -> None:
    """The true model fits noise as it should; one that is far off was chosen over it."""
    seen = example.populations.world("crowding", 0.05, seed=4)
    values, start = np.array([*example.populations.USUAL]), seen.seen[0]
    base = example.assimilation.fit(seen.seen, 0.05, (), values, start)
    corrected = example.assimilation.Assimilated(seen.seen, seen.seen, seen.seen[-1], values)
    told = example.problem.judged(seen, [example.naming.Round(base, 0.0, corrected, (), ())])
    assert told["overlooked"] == 1
    assert told["behind"] < -100
    right = example.problem.rightly(seen, [example.naming.Round(base, 0.0, corrected, (), ())])
    told = example.problem.judged(
        seen, [example.naming.Round(right, 0.5, corrected, (), right.added)]
    )
    assert (told["overlooked"], told["behind"], told["wrong"]) == (0, 0, 0)


def test_more_mechanisms_have_to_fit_better_by_chance(example) -> None:
    """One of twelve: 2 log 12 more than Schwarz's own log n a parameter; of all, nothing more."""
    a, names = example.assimilation, tuple(example.populations.MECHANISMS)
    noise = np.random.default_rng(0).standard_normal((209, 2))

    def badness(added: tuple[str, ...], width: int) -> float:
        return a.Fitted(added, np.zeros(width), np.zeros(width), noise, np.zeros(2)).badness

    own = np.log(418)
    one = badness((CROWDING,), 7) - badness((), 6)
    assert one == pytest.approx(own + 2 * np.log(12))
    assert badness(names, 22) - badness((), 6) == pytest.approx(16 * own)


def test_the_check_fails_where_nothing_is_found(example) -> None:
    errors = {"filtered": 0.1, "base": 0.2, "corrected": 0.1, "completed": 0.1}
    bad = example.check.Group("both", 0.05, 10, 3, 5, 10, 5, 10, errors)
    assert [row.holds for row in example.check.checked([bad])] == [False] * 4
    good = example.check.Group("both", 0.05, 10, 10, 0, 10, 10, 10, {**errors, "completed": 0.01})
    assert all(row.holds for row in example.check.checked([good]))

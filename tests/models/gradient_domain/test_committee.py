import numpy as np
import pytest
from toy_molecule import geometries, label, settings, training_set

from querist.models.gradient_domain import (
    CommitteeSettings,
    FitInterruptedError,
    FitSettings,
    IllConditionedError,
    Predictor,
    choose_length,
    fit_committee,
    fit_member,
    member_rows,
    merge_states,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_members_fitted_apart_merge_to_the_committee(rng):
    data = training_set(rng, 16)
    together = fit_committee(data, CommitteeSettings())
    apart = [fit_member(data, index, CommitteeSettings()) for index in range(4)]
    merged = merge_states([fitted.arrays for fitted in apart])
    assert merged.keys() == together.arrays.keys()
    assert all(fitted.metadata == together.metadata for fitted in apart)
    positions = geometries(rng, 5)
    whole = together.predictor().predict(positions)
    parts = Predictor.from_state(merged, apart[0].metadata).predict(positions)
    assert parts.energies == pytest.approx(whole.energies, abs=1e-4)
    assert parts.forces == pytest.approx(whole.forces, abs=1e-3)


def test_the_seed_reproduces_and_another_differs(rng):
    data = training_set(rng, 16)
    first, again, other = (
        fit_committee(data, CommitteeSettings(seed=seed)).arrays for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_members_keep_their_geometries_as_labels_arrive():
    committee = CommitteeSettings()
    for index in range(4):
        few, many = (set(member_rows(committee, index, count).tolist()) for count in (20, 50))
        assert few == {row for row in many if row < 20}


@pytest.mark.parametrize("fraction", [0.01, 0.8, 0.99])
@pytest.mark.parametrize("count", [4, 5, 30])
def test_members_are_never_empty_or_all_equal(count, fraction):
    committee = CommitteeSettings(fraction=fraction)
    rows = [tuple(member_rows(committee, index, count).tolist()) for index in range(4)]
    assert all(rows)
    assert len(set(rows)) > 1
    for index, chosen in enumerate(rows):
        assert index not in chosen
        assert list(chosen) == sorted(set(chosen))


def test_the_fraction_is_that_of_the_subsets():
    for fraction in (0.3, 0.8):
        rows = member_rows(CommitteeSettings(fraction=fraction), 0, 2000)
        assert len(rows) / 2000 == pytest.approx(fraction, abs=0.05)


def test_fewer_geometries_than_members_are_refused(rng):
    with pytest.raises(ValueError, match="at least 4 geometries"):
        fit_committee(training_set(rng, 3))
    with pytest.raises(ValueError, match="a member below 4"):
        fit_member(training_set(rng, 5), 4)


def test_metrics_are_errors_of_what_was_left_out(rng):
    data = training_set(rng, 20)
    fitted = fit_committee(data, settings())
    left_out = np.setdiff1d(np.arange(20), member_rows(settings(), 2, 20))
    predicted = fitted.predictor().predict(data.positions[left_out])
    expected = np.abs(predicted.forces[2] - data.forces[left_out]).mean()
    assert fitted.metrics["m2.left_out_force_mae"] == pytest.approx(expected)
    assert fitted.metrics["length_scale"] == 1.5
    assert len(fitted.metrics) == 9


def test_the_mean_is_about_as_good_as_its_best_member(rng):
    fitted = fit_committee(training_set(rng, 40), settings())
    positions = geometries(rng, 40)
    forces = label(positions)[1]
    predicted = fitted.predictor().predict(positions)
    members = np.abs(predicted.forces - forces).mean(axis=(1, 2, 3))
    assert np.abs(predicted.mean()[1] - forces).mean() < 1.05 * members.min()


def test_the_chosen_length_scale_is_near_the_best(rng):
    data = training_set(rng, 40)
    chosen = choose_length(data, CommitteeSettings())
    positions = geometries(rng, 40)
    forces = label(positions)[1]

    def error(length):
        fitted = fit_committee(data, CommitteeSettings(length_scale=length))
        return np.abs(fitted.predictor().predict(positions).mean()[1] - forces).mean()

    assert error(chosen) < 1.2 * min(error(factor * chosen) for factor in (0.3, 0.6, 1.7, 3.0))
    assert error(chosen) < 0.8 * error(0.1 * chosen)


def test_few_geometries_get_the_default_length_scale(rng):
    data = training_set(rng, 6)
    assert choose_length(data, CommitteeSettings(seed=0)) == choose_length(
        data, CommitteeSettings(seed=9)
    )


def test_no_usable_length_scale_says_so(rng):
    data = training_set(rng, 6).take(np.repeat(np.arange(6), 3))
    with pytest.raises(IllConditionedError, match="got none"):
        choose_length(data, CommitteeSettings(fit=FitSettings(regularisation=1e-30)))


@pytest.mark.parametrize("calls", [0, 1, 30, 150])
def test_a_fit_stops_when_asked(rng, calls):
    asked = 0

    def should_stop():
        nonlocal asked
        asked += 1
        return asked > calls

    with pytest.raises(FitInterruptedError):
        fit_committee(training_set(rng, 30), CommitteeSettings(), should_stop)
    assert asked == calls + 1


@pytest.mark.parametrize("wrong", [{"members": 1}, {"fraction": 1.0}, {"length_scale": 0.0}])
def test_settings_refuse_values_without_a_meaning(wrong):
    with pytest.raises(ValueError, match="wanted"):
        CommitteeSettings(**wrong)

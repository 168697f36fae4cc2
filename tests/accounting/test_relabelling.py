"""Relabelling against new labels, on one scale."""

from __future__ import annotations

import numpy as np
import pytest

from querist.accounting.annotators import dawid_skene
from querist.accounting.relabelling import answer_gain, next_answers
from querist.core.errors import ConfigError, ShapeError

NOISY = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]])


def by_hand(belief, confusion, value) -> float:
    """Expected value after the answer, less the value now."""
    after = 0.0
    for label in range(len(belief)):
        joint = belief * confusion[:, label]
        if joint.sum():
            after += joint.sum() * value(joint / joint.sum())
    return after - value(belief)


def certainty(p) -> float:
    return float((p[p > 0] * np.log(p[p > 0])).sum())


@pytest.mark.parametrize("measure, value", [("information", certainty), ("error", np.max)])
def test_gain_is_the_expected_change_over_the_answers(measure: str, value) -> None:
    beliefs = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    exact = [by_hand(belief, NOISY, value) for belief in beliefs]
    np.testing.assert_allclose(answer_gain(beliefs, NOISY, measure), exact, atol=1e-12)


def test_a_perfect_annotator_tells_all_that_is_not_known() -> None:
    beliefs = np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])
    np.testing.assert_allclose(
        answer_gain(beliefs, np.eye(2)), [-certainty(row) for row in beliefs], atol=1e-12
    )
    np.testing.assert_allclose(answer_gain(beliefs, np.eye(2), "error"), [0.0, 0.5, 0.1])


def test_who_says_anything_gains_nothing() -> None:
    beliefs = np.random.default_rng(1).dirichlet(np.ones(3), 20)
    np.testing.assert_allclose(answer_gain(beliefs, np.ones((3, 3)) / 3), 0.0, atol=1e-12)


def test_a_contested_item_comes_before_a_new_one_that_is_clear() -> None:
    labelled = np.array([[0.99, 0.01], [0.55, 0.45]])
    unlabelled = np.array([[0.95, 0.05], [0.5, 0.5]])
    ask = next_answers(labelled, unlabelled, np.array([[0.8, 0.2], [0.2, 0.8]]), 3)
    assert ask.again.tolist() == [False, True, False]
    assert ask.place.tolist() == [1, 1, 0]
    assert (np.diff(ask.gain) < 0).all()


def test_more_is_not_asked_than_there_is() -> None:
    ask = next_answers(np.zeros((0, 2)), np.ones((1, 2)) / 2, np.eye(2), 5)
    assert ask.again.tolist() == [False]
    assert next_answers(np.zeros((0, 2)), np.zeros((0, 2)), np.eye(2), 5).place.size == 0


def test_spending_by_gain_beats_one_label_each_and_random_relabelling() -> None:
    """400 answers on 200 items by noisy annotators: by gain more of the labels are right."""
    right = {"gain": 0.0, "random": 0.0}
    for seed in range(4):
        for way in right:
            right[way] += _spent(way, seed) / 4
    assert right["gain"] > right["random"] + 0.02


def _spent(way: str, seed: int) -> float:
    rng = np.random.default_rng(seed)
    n, confusion = (
        200,
        np.array([NOISY, NOISY[::-1, ::-1], np.full((3, 3), 0.15) + 0.55 * np.eye(3)]),
    )
    truth = rng.choice(3, n)
    items, who, said = np.arange(n), rng.choice(3, n), np.zeros(n, np.int64)
    said = np.array(
        [rng.choice(3, p=confusion[w, truth[i]]) for i, w in zip(items, who, strict=True)]
    )
    for _ in range(10):
        found = dawid_skene(items, who, said, classes=3)
        if way == "gain":
            more = next_answers(found.posterior, np.zeros((0, 3)), found.anyone, 20).place
        else:
            more = rng.choice(n, 20, replace=False)
        by = rng.choice(3, 20)
        told = [rng.choice(3, p=confusion[w, truth[i]]) for i, w in zip(more, by, strict=True)]
        items, who = np.concatenate([items, more]), np.concatenate([who, by])
        said = np.concatenate([said, told])
    return float((dawid_skene(items, who, said, classes=3).labels == truth).mean())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="Beliefs"):
        answer_gain(np.ones((2, 3)), np.eye(2))
    with pytest.raises(ConfigError, match="information, error"):
        answer_gain(np.ones((2, 2)) / 2, np.eye(2), "luck")

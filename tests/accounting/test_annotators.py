"""Annotators who err: simulated ones are found again."""

from __future__ import annotations

import numpy as np
import pytest

from querist.accounting.annotators import Annotators, Settings, dawid_skene
from querist.core.errors import ConfigError, ShapeError

CONFUSION = np.array(
    [
        [[0.90, 0.05, 0.05], [0.05, 0.90, 0.05], [0.05, 0.05, 0.90]],  # good
        [[0.60, 0.30, 0.10], [0.10, 0.80, 0.10], [0.20, 0.20, 0.60]],  # careless
        [[0.10, 0.80, 0.10], [0.80, 0.10, 0.10], [0.10, 0.10, 0.80]],  # takes 0 for 1, 1 for 0
        [[1 / 3, 1 / 3, 1 / 3]] * 3,  # says anything
        [[0.85, 0.10, 0.05], [0.10, 0.85, 0.05], [0.02, 0.03, 0.95]],
        [[0.75, 0.15, 0.10], [0.05, 0.70, 0.25], [0.10, 0.10, 0.80]],
    ]
)
PREVALENCE = np.array([0.5, 0.3, 0.2])


def answers(seed: int, n: int, share: float = 1.0, confusion=CONFUSION, prevalence=PREVALENCE):
    """Item, annotator and label of each answer, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(prevalence), n, p=prevalence)
    items, who = np.nonzero(rng.random((n, len(confusion))) < share)
    edges = confusion[who, truth[items]].cumsum(axis=1)
    said = (rng.random((len(items), 1)) > edges).sum(axis=1).clip(0, len(prevalence) - 1)
    return items, who, said, truth


def majority(items, said, n: int, classes: int):
    votes = np.zeros((n, classes))
    np.add.at(votes, (items, said), 1)
    return votes.argmax(axis=1)


def test_confusion_matrices_of_simulated_annotators_are_recovered() -> None:
    items, who, said, _ = answers(0, 4000)
    found = dawid_skene(items, who, said, classes=3)
    assert found.converged
    np.testing.assert_allclose(found.confusion, CONFUSION, atol=0.04)
    np.testing.assert_allclose(found.prevalence, PREVALENCE, atol=0.03)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1.0)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1.0)
    assert (found.answers == 4000).all()
    exact = np.einsum("acc,c->a", CONFUSION, PREVALENCE)
    np.testing.assert_allclose(found.accuracy, exact, atol=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_posterior_labels_beat_the_majority(seed: int) -> None:
    items, who, said, truth = answers(seed, 2000)
    right = (dawid_skene(items, who, said, classes=3).labels == truth).mean()
    assert right > (majority(items, said, 2000, 3) == truth).mean() + 0.02


def test_posterior_probabilities_are_honest() -> None:
    """Of items that are believed with 60 to 90 %, so many are right."""
    items, who, said, truth = answers(4, 6000, share=0.5)
    found = dawid_skene(items, who, said, classes=3)
    best = found.posterior.max(axis=1)
    doubted = (best > 0.6) & (best < 0.9)
    assert doubted.sum() > 300
    right = (found.labels == truth)[doubted].mean()
    assert right == pytest.approx(best[doubted].mean(), abs=0.05)


def test_the_likelihood_only_grows() -> None:
    items, who, said, _ = answers(1, 300, share=0.6)
    bare = [
        dawid_skene(items, who, said, classes=3, settings=Settings(0, 0, steps)).log_likelihood
        for steps in (1, 2, 4, 8, 16)
    ]
    assert bare == sorted(bare)


def test_a_model_as_prior_decides_where_nobody_answered() -> None:
    prior = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    found = dawid_skene([0, 0], [0, 1], [0, 0], classes=2, prior=prior)
    assert found.posterior.shape == (3, 2)
    assert found.posterior[0, 0] > 0.9
    np.testing.assert_allclose(found.posterior[1:], prior[1:])


def test_a_few_answers_are_no_verdict() -> None:
    """One answer against two others: doubted, not condemned."""
    found = dawid_skene([0, 0, 0], [0, 1, 2], [0, 0, 1], classes=2)
    assert found.labels.tolist() == [0]
    assert 0 < found.accuracy[2] < found.accuracy[0] < 1


def test_whoever_comes_next_is_weighed_by_answers() -> None:
    found = Annotators(
        np.ones((1, 2)), np.ones(2) / 2, np.array([np.eye(2), np.ones((2, 2)) / 2]),
        np.array([3, 1]), 0.0, 1, True,
    )  # fmt: skip
    np.testing.assert_allclose(found.anyone, [[0.875, 0.125], [0.125, 0.875]])


def test_no_answer_at_all() -> None:
    found = dawid_skene([], [], [], classes=2)
    assert found.posterior.shape == (0, 2)
    assert found.confusion.shape == (0, 2, 2)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ShapeError, match="each be"):
        dawid_skene([0, 1], [0], [0], classes=2)
    with pytest.raises(ConfigError, match="labels end at 1"):
        dawid_skene([0], [0], [2], classes=2)
    with pytest.raises(ConfigError, match="whole numbers"):
        dawid_skene([0.5], [0], [0], classes=2)
    with pytest.raises(ShapeError, match="prior"):
        dawid_skene([3], [0], [0], classes=2, prior=np.ones((2, 2)))
    with pytest.raises(ConfigError, match="Pseudo-counts"):
        Settings(right=-1)

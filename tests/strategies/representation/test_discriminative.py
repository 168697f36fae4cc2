"""Discriminative active learning: mini-batches, and a logistic regression as others fit it."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError
from querist.strategies.errors import NeedError

RNG = np.random.default_rng(2)
POOL = 5.0 + 3.0 * RNG.normal(size=(400, 4))
KNOWN = POOL[:12] + 2.0


def told_apart(penalty: float, pool, known):
    """Log odds of being unlabelled, by scikit-learn, on features of mean variance one."""
    models = pytest.importorskip("sklearn.linear_model")
    rows = np.concatenate([pool, known])
    scale = (4 / rows.var(axis=0).sum()) ** 0.5
    fitted = models.LogisticRegression(
        C=1 / penalty, class_weight="balanced", tol=1e-12, max_iter=10_000
    ).fit(rows * scale, np.r_[np.ones(len(pool)), np.zeros(len(known))])
    return fitted.decision_function(pool * scale)


@pytest.mark.parametrize("penalty", [1.0, 30.0])
def test_log_odds_are_those_of_scikit_learn(penalty) -> None:
    picked = querist.select(
        "discriminative",
        20,
        embeddings=POOL,
        labelled_embeddings=KNOWN,
        batches=1,
        penalty=penalty,
    )
    odds = told_apart(penalty, POOL, KNOWN)
    assert picked.indices.tolist() == np.argsort(-odds)[:20].tolist()
    np.testing.assert_allclose(picked.scores, np.sort(odds)[::-1][:20], rtol=1e-5)


def test_a_second_batch_counts_the_first_as_labelled() -> None:
    data = {"embeddings": POOL, "labelled_embeddings": KNOWN}
    picked = querist.select("discriminative", 10, batches=2, **data)
    first = querist.select("discriminative", 5, batches=1, **data)
    assert picked.indices[:5].tolist() == first.indices.tolist()
    rest = np.setdiff1d(np.arange(400), first.indices)
    more = np.concatenate([KNOWN, POOL[first.indices]])
    second = querist.select(
        "discriminative", 5, batches=1, embeddings=POOL[rest], labelled_embeddings=more
    )
    assert picked.indices[5:].tolist() == rest[second.indices].tolist()


def test_picks_lie_away_from_what_is_labelled() -> None:
    rows = np.concatenate([RNG.normal(size=(50, 2)), 8 + RNG.normal(size=(50, 2))])
    picked = querist.select(
        "discriminative", 10, embeddings=rows[10:], labelled_embeddings=rows[:10]
    )
    assert (picked.indices[:5] >= 40).all()


def test_what_cannot_be_is_refused() -> None:
    data = {"embeddings": POOL, "labelled_embeddings": KNOWN}
    for wrong in ({"batches": 0}, {"penalty": 0.0}):
        with pytest.raises(ConfigError, match="batches is at least 1 and penalty above 0"):
            querist.select("discriminative", 1, **data, **wrong)
    with pytest.raises(NeedError, match="begin with typiclust"):
        querist.select("discriminative", 1, embeddings=POOL, labelled_embeddings=KNOWN[:0])


def test_batches_are_those_of_scikit_activeml() -> None:
    peer = pytest.importorskip("skactiveml.pool")
    classifiers = pytest.importorskip("skactiveml.classifier")
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate([KNOWN, POOL])
    scaled = rows * (4 / rows.var(axis=0).sum()) ** 0.5
    answers = np.r_[np.zeros(12), np.full(400, np.nan)]
    model = LogisticRegression(class_weight="balanced", tol=1e-12, max_iter=10_000)
    wanted = peer.DiscriminativeAL().query(
        scaled, answers, classifiers.SklearnClassifier(model, classes=[0, 1]), batch_size=8
    )
    picked = querist.select(
        "discriminative", 8, embeddings=POOL, labelled_embeddings=KNOWN, batches=8
    )
    assert picked.indices.tolist() == (np.asarray(wanted) - 12).tolist()

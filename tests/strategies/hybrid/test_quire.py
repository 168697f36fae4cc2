"""QUIRE: what it refuses, and scikit-activeml's numbers."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError
from querist.strategies.hybrid import quire as module

RNG = np.random.default_rng(3)
POOL, KNOWN = RNG.normal(size=(80, 3)), RNG.normal(size=(15, 3))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ridge", [1.0, 0.1])
def test_scores_are_those_of_scikit_activeml(classes, ridge) -> None:
    peer = pytest.importorskip("skactiveml.pool")
    labels = np.arange(15) % classes
    answers = np.concatenate([labels.astype(float), np.full(80, np.nan)])
    strategy = peer.Quire(classes=list(range(classes)), lmbda=ridge, metric_dict={"gamma": 0.4})
    _, utilities = strategy.query(np.concatenate([KNOWN, POOL]), answers, return_utilities=True)
    picked = querist.select(
        "quire",
        80,
        embeddings=POOL,
        labelled_embeddings=KNOWN,
        labelled_classes=labels,
        ridge=ridge,
        gamma=0.4,
    )
    np.testing.assert_allclose(picked.scores, utilities[0][15 + picked.indices], rtol=1e-8)
    assert picked.indices[0] == np.nanargmax(utilities[0]) - 15


def test_the_rest_of_the_pool_is_nothing() -> None:
    data = {"labelled_embeddings": KNOWN, "labelled_classes": np.arange(15) % 2, "gamma": 0.4}
    whole = querist.select("quire", 80, embeddings=POOL, **data)
    for row, score in zip(whole.indices[:5], whole.scores[:5], strict=True):
        alone = querist.select("quire", 1, embeddings=POOL[row : row + 1], **data)
        np.testing.assert_allclose(alone.scores, score)


def test_a_class_without_a_label_counts() -> None:
    data = {"embeddings": POOL, "labelled_embeddings": KNOWN, "labelled_classes": np.zeros(15)}
    two, three = (querist.select("quire", 80, classes=count, **data).scores for count in (2, 3))
    np.testing.assert_allclose(two, three)  # two classes without a label are alike


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"embeddings": POOL, "labelled_embeddings": KNOWN, "labelled_classes": np.zeros(15)}
    with pytest.raises(ConfigError, match="ridge"):
        querist.select("quire", 1, ridge=0.0, **data)
    monkeypatch.setattr(module, "MOST", 14)
    with pytest.raises(ConfigError, match=r"1 to 14 labelled items.*got 15.*mcpal"):
        querist.select("quire", 1, **data)
    none = {"embeddings": POOL, "labelled_embeddings": KNOWN[:0], "labelled_classes": []}
    with pytest.raises(ConfigError, match="got 0"):
        querist.select("quire", 1, **none)

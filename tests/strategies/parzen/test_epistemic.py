"""Epistemic uncertainty of two classes, against its definition and scikit-activeml."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError
from querist.strategies.parzen.epistemic import plausibility
from querist.testing.strategy_references.parzen import plausibility as one_of


def test_where_the_lines_meet() -> None:
    counts = np.array([[0, 0], [3, 0], [0, 1e-9], [2, 2], [50, 50], [0.3, 7.1], [1e4, 1.0]], float)
    wanted = [min(one_of(*row), one_of(*row[::-1])) for row in counts]
    np.testing.assert_allclose(plausibility(counts), wanted, atol=1e-12)


def test_few_labels_are_epistemic_and_many_that_differ_are_not() -> None:
    none, few, mixed, pure = plausibility(np.array([[0, 0], [1, 1], [40, 40], [40, 0]], float))
    assert none == 1.0 > few > mixed > pure


def test_more_classes_are_refused_with_what_to_take(plane) -> None:
    pool, known, classes = plane
    with pytest.raises(ConfigError, match=r"two classes.*labels show 3.*mcpal"):
        querist.select(
            "epistemic",
            1,
            embeddings=pool,
            labelled_embeddings=known,
            labelled_classes=classes,
        )


def test_scores_are_those_of_scikit_activeml(two_classes) -> None:
    peer = pytest.importorskip("skactiveml.pool")
    classifiers = pytest.importorskip("skactiveml.classifier")
    pool, known, classes = two_classes
    answers = np.concatenate([classes.astype(float), np.full(len(pool), np.nan)])
    window = classifiers.ParzenWindowClassifier(
        classes=[0, 1], metric="rbf", metric_dict={"gamma": 0.2}
    )
    _, utilities = peer.EpistemicUncertaintySampling().query(
        np.concatenate([known, pool]), answers, window, return_utilities=True
    )
    picked = querist.select(
        "epistemic",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        gamma=0.2,
    )
    assert picked.indices[0] == np.nanargmax(utilities[0]) - 20
    np.testing.assert_allclose(picked.scores[0], np.nanmax(utilities[0]), atol=1e-5)

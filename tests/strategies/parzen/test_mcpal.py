"""McPAL: its options, against definitions and scikit-activeml."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError, ShapeError
from querist.strategies.errors import NeedError
from querist.testing.strategy_references.parzen import counts_of, expected_gain


@pytest.mark.parametrize("prior", [1.0, 0.01])
@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_ahead_and_prior_are_those_of_the_closed_form(plane, ahead, prior) -> None:
    pool, known, classes = plane
    picked = querist.select(
        "mcpal",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        ahead=ahead,
        prior=prior,
    )
    counts, _, _ = counts_of(pool, known, classes)
    wanted = [expected_gain(row, ahead, prior) for row in counts]
    assert picked.indices[0] == np.argmax(wanted)
    np.testing.assert_allclose(picked.scores[0], max(wanted), rtol=1e-9)


def test_two_labels_ahead_matter_where_one_changes_no_mind() -> None:
    known = np.array([[0.0], [0.01], [0.02], [0.03]])
    data = {"embeddings": np.array([[0.0]]), "labelled_embeddings": known}
    found = [
        querist.select("mcpal", 1, labelled_classes=[0, 0, 1, 0], ahead=ahead, gamma=1.0, **data)
        for ahead in (1, 3)
    ]
    assert found[0].scores[0] < 1e-9 < found[1].scores[0]


def test_gamma_density_and_classes(plane) -> None:
    pool, known, classes = plane
    data = {"embeddings": pool, "labelled_embeddings": known, "labelled_classes": classes}
    counts, _, density = counts_of(pool, known, classes, 5, gamma=0.3)
    gains = np.array([expected_gain(row) for row in counts])
    for weights, options in ((density, {"density": True}), (1.0, {})):
        picked = querist.select("mcpal", 1, gamma=0.3, classes=5, **data, **options)
        assert picked.indices[0] == np.argmax(gains * weights)


def test_without_labels_the_densest_row_is_asked_first_then_elsewhere() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(51, 2)), 30 + rng.normal(size=(49, 2))])
    picked = querist.select("mcpal", 2, embeddings=rows, gamma=0.5)
    assert picked.indices[0] < 51 <= picked.indices[1]


def test_labels_and_their_rows_go_together(plane) -> None:
    pool, known, classes = plane
    with pytest.raises(NeedError, match="go together"):
        querist.select("mcpal", 1, embeddings=pool, labelled_embeddings=known)
    with pytest.raises(ShapeError, match="20 and 19 rows"):
        querist.select(
            "mcpal",
            1,
            embeddings=pool,
            labelled_embeddings=known,
            labelled_classes=classes[:-1],
        )


def test_classes_are_whole_numbers_below_their_number(plane) -> None:
    pool, known, classes = plane
    for wrong, count in ((classes + 0.5, None), (classes - 1, None), (classes, 2)):
        with pytest.raises(ShapeError, match="whole numbers from 0"):
            querist.select(
                "mcpal",
                1,
                embeddings=pool,
                labelled_embeddings=known,
                labelled_classes=wrong,
                classes=count,
            )


@pytest.mark.parametrize(
    "options, said",
    [
        ({"prior": 0.0}, "prior is above 0"),
        ({"gamma": -1.0}, "gamma is above 0"),
        ({"ahead": 0}, "ahead is at least 1"),
        ({"ahead": 3, "classes": 100}, "into 100 classes"),
        ({"classes": 1}, "classes is at least 2"),
    ],
)
def test_what_cannot_be_is_refused(options, said) -> None:
    with pytest.raises(ConfigError, match=said):
        querist.select("mcpal", 1, embeddings=np.eye(3), **options)


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_gains_are_those_of_scikit_activeml(plane, ahead) -> None:
    peer = pytest.importorskip("skactiveml.pool")
    classifiers = pytest.importorskip("skactiveml.classifier")
    pool, known, classes = plane
    answers = np.concatenate([classes.astype(float), np.full(len(pool), np.nan)])
    window = classifiers.ParzenWindowClassifier(
        classes=[0, 1, 2], metric="rbf", metric_dict={"gamma": 0.2}
    )
    _, utilities = peer.ProbabilisticAL(m_max=ahead).query(
        np.concatenate([known, pool]), answers, window, return_utilities=True
    )
    picked = querist.select(
        "mcpal",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        ahead=ahead,
        gamma=0.2,
    )
    assert picked.indices[0] == np.nanargmax(utilities[0]) - 20
    np.testing.assert_allclose(picked.scores[0], np.nanmax(utilities[0]), rtol=1e-9)


def test_with_probabilities_the_gains_are_those_of_scikit_activeml(plane) -> None:
    pytest.importorskip("skactiveml")
    from skactiveml.pool import cost_reduction

    pool, known, classes = plane
    odds = np.random.default_rng(0).dirichlet(np.ones(3), size=len(pool))
    counts, _, _ = counts_of(pool, known, classes, gamma=0.2)
    wanted = cost_reduction(counts.sum(axis=1, keepdims=True) * odds, m_max=2, prior=1.0)
    picked = querist.select(
        "mcpal",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        probabilities=odds,
        ahead=2,
        gamma=0.2,
    )
    assert picked.indices[0] == np.argmax(wanted)
    np.testing.assert_allclose(picked.scores[0], wanted.max(), rtol=1e-9)

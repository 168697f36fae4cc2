"""Expected error reduction of a Parzen window: losses, sampling, and scikit-activeml."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError
from querist.testing.strategy_references.parzen import counts_of, mean_loss


def gains(pool, known, classes, loss: str, prior: float, targets) -> np.ndarray:
    """Of every row, with the loss looked at on some."""
    counts, kernel, _ = counts_of(pool, known, classes, 3, gamma=0.2)
    alpha, found = counts + prior, []
    for row in range(len(pool)):
        later = 0.0
        for label, odds in enumerate(alpha[row] / alpha[row].sum()):
            after = alpha.copy()
            after[:, label] += kernel[row]
            later += odds * mean_loss(after[targets], loss)
        found.append(mean_loss(alpha[targets], loss) - later)
    return np.array(found)


@pytest.mark.parametrize("loss", ["error", "entropy"])
@pytest.mark.parametrize("prior", [1.0, 0.1])
@pytest.mark.parametrize("sample", [1000, 40])
def test_losses_prior_and_sample(plane, loss, prior, sample) -> None:
    pool, known, classes = plane
    picked = querist.select(
        "expected-error-reduction",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        gamma=0.2,
        loss=loss,
        prior=prior,
        sample=sample,
    )
    targets = np.arange(100) if sample == 1000 else np.arange(40) * 100 // 40
    wanted = gains(pool, known, classes, loss, prior, targets)
    assert picked.indices[0] == np.argmax(wanted)
    np.testing.assert_allclose(picked.scores[0], wanted.max(), rtol=1e-8)


def test_what_the_error_is_looked_at_on_is_drawn_by_the_seed(plane) -> None:
    pool, known, classes = plane
    data = {"embeddings": pool, "labelled_embeddings": known, "labelled_classes": classes}
    found = [
        querist.select("expected-error-reduction", 3, rng=seed, sample=5, **data).scores.tolist()
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("options", [{"loss": "mad"}, {"prior": 0.0}, {"sample": 0}])
def test_what_cannot_be_is_refused(options) -> None:
    with pytest.raises(ConfigError, match="prior is above 0, sample at least 1"):
        querist.select("expected-error-reduction", 1, embeddings=np.eye(3), **options)


@pytest.mark.parametrize(
    "loss, method", [("error", "misclassification_loss"), ("entropy", "log_loss")]
)
def test_gains_are_those_of_scikit_activeml(plane, loss, method) -> None:
    peer = pytest.importorskip("skactiveml.pool")
    classifiers = pytest.importorskip("skactiveml.classifier")
    pool, known, classes = plane
    answers = np.concatenate([classes.astype(float), np.full(len(pool), np.nan)])
    window = classifiers.ParzenWindowClassifier(
        classes=[0, 1, 2], metric="rbf", metric_dict={"gamma": 0.2}, class_prior=1.0
    )
    _, utilities = peer.MonteCarloEER(method=method, subtract_current=True).query(
        np.concatenate([known, pool]), answers, window, X_eval=pool, return_utilities=True
    )
    picked = querist.select(
        "expected-error-reduction",
        1,
        embeddings=pool,
        labelled_embeddings=known,
        labelled_classes=classes,
        gamma=0.2,
        loss=loss,
    )
    assert picked.indices[0] == np.nanargmax(utilities[0]) - 20
    np.testing.assert_allclose(picked.scores[0] * 100, np.nanmax(utilities[0]), rtol=1e-9)

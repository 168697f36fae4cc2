from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest
from querist.models import kernels
from querist.models.random_features import RandomFeatures, choose_hyper, fourier, ridge
from querist.testing.models import waves


def bumps(x: np.ndarray) -> np.ndarray:
    return np.sin(3.0 * x[:, 0]) * x[:, 1] + 0.5 * x[:, 1] ** 2


def learned(count: int, seed: int = 0, **options: object) -> tuple[RandomFeatures, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, (count, 2))
    model = RandomFeatures(**options)
    data = Dataset(Batch.stack(x=x), Batch.stack(y=bumps(x), line=3.0 * x))
    model.load(model.fit(data, FitRequest(seed=seed)).state)
    return model, rng.uniform(-1.0, 1.0, (400, 2))


def errors(said: Prediction, x: np.ndarray) -> np.ndarray:
    return np.asarray(said.mean["y"] - bumps(x))


def test_error_falls_with_labels_and_uncertainty_follows_it() -> None:
    found = []
    for count in (10, 30, 100):
        true, told = [], []
        for seed in range(5):
            model, x = learned(count, seed)
            said = model.predict(Batch.stack(x=x))
            true.append(np.sqrt((errors(said, x) ** 2).mean()))
            told.append(np.sqrt((said.std["y"] ** 2).mean()))
        found.append((np.mean(true), np.mean(told)))
        assert 1 / 3 < found[-1][1] / found[-1][0] < 3
    assert found[0][0] < 0.35
    assert found[1][0] < 0.05
    assert found[2][0] < 0.002


def test_far_from_labels_the_doubt_is_that_of_the_prior() -> None:
    model, x = learned(30)
    near, far = (model.predict(Batch.stack(x=x + move)).std["y"].mean() for move in (0.0, 8.0))
    assert far > 20 * near
    assert far > 0.5 * bumps(x).std()


def test_a_single_label_is_no_certainty() -> None:
    model, x = learned(1)
    assert model.predict(Batch.stack(x=x)).std["y"].mean() > 0.2


def test_opposite_draws_make_the_mean_the_ridge_regression() -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(-1.0, 1.0, (25, 2))
    data = Dataset(Batch.stack(x=x), Batch.stack(y=bumps(x)))
    model = RandomFeatures(members=2, features=50, kernel="rbf")
    result = model.fit(data, FitRequest(seed=1))
    model.load(result.state)
    arrays = result.state.arrays
    scaled = (x - arrays["m0/x_mean"]) / arrays["m0/x_std"]
    phi = fourier(scaled @ arrays["m0/frequencies"] / arrays["m0/lengths"][0])
    y = (bumps(x)[:, None] - arrays["m0/y_mean"]) / arrays["m0/y_std"]
    fitted = phi @ ridge(phi, y, result.metrics["y.noise"])
    expected = fitted[:, 0] * arrays["m0/y_std"][0] + arrays["m0/y_mean"][0]
    np.testing.assert_allclose(model.predict(Batch.stack(x=x)).mean["y"], expected, atol=1e-6)


def test_members_are_draws_from_the_posterior() -> None:
    """Against the Gaussian process that many features come close to, by many members."""
    rng = np.random.default_rng(8)
    x, new = rng.uniform(-1.0, 1.0, (8, 1)), np.linspace(-3.0, 3.0, 7)[:, None]
    y = np.sin(2 * x[:, 0])
    model = RandomFeatures(members=400, features=2000, kernel="rbf")
    model.load(model.fit(Dataset(Batch.stack(x=x), Batch.stack(y=y)), FitRequest()).state)
    a, b = (x - x.mean()) / x.std(), (new - x.mean()) / x.std()
    hyper = choose_hyper("rbf", a, ((y - y.mean()) / y.std())[:, None])
    K, cross = (
        kernels.correlation("rbf", kernels.squared_distances(p, q) / hyper.length**2)
        for p, q in ((a, a), (b, a))
    )
    left = 1.0 - (cross @ np.linalg.inv(K + hyper.noise * np.eye(8)) * cross).sum(axis=1)
    expected = y.std() * np.sqrt(hyper.variance[0] * np.maximum(left, 0.0))
    said = model.predict(Batch.stack(x=new)).std["y"]
    np.testing.assert_allclose(said, expected, rtol=0.2, atol=1e-4)


def test_ridge_is_the_same_in_both_spaces() -> None:
    rng = np.random.default_rng(0)
    phi, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 2))
    exact = np.linalg.solve(phi.T @ phi + 0.1 * np.eye(5), phi.T @ y)
    np.testing.assert_allclose(ridge(phi, y, 0.1), exact)
    wide = rng.normal(size=(5, 12))
    exact = np.linalg.solve(wide.T @ wide + 0.1 * np.eye(12), wide.T @ y[:5])
    np.testing.assert_allclose(ridge(wide, y[:5], 0.1), exact)


def test_kernel_is_chosen_by_evidence() -> None:
    """A cusp wants the rougher kernel, a sine the smoother one."""
    x = np.linspace(-1.0, 1.0, 41)[:, None]
    X = (x - x.mean()) / x.std()
    for values, better in ((np.abs(x) ** 0.5, "matern52"), (np.sin(3 * x), "rbf")):
        Y = (values - values.mean()) / values.std()
        evidence = {name: choose_hyper(name, X, Y).evidence for name in kernels.KERNELS}
        assert max(evidence, key=lambda name: evidence[name]) == better


def test_noise_is_found() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-2.0, 2.0, (200, 1))
    Y = np.sin(2 * X) + 0.3 * rng.standard_normal(X.shape)
    hyper = choose_hyper("rbf", X, Y)
    assert 0.5 < np.sqrt(hyper.noise * hyper.variance[0]) / 0.3 < 1.5


def test_constant_outputs_and_inputs_are_no_trouble() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2))
    x[:, 1] = 5.0
    model = RandomFeatures(members=2)
    data = Dataset(Batch.stack(x=x), Batch.stack(y=np.full(20, 3.0)))
    model.load(model.fit(data, FitRequest()).state)
    np.testing.assert_allclose(model.predict(Batch.stack(x=x)).mean["y"], 3.0, atol=0.05)


def test_fields_are_chosen_by_name() -> None:
    data = waves(np.random.default_rng(0), 20)
    model = RandomFeatures(inputs=["x"], outputs=["slope"], members=2)
    model.load(model.fit(data, FitRequest()).state)
    said = model.predict(Batch.stack(x=np.zeros((1, 2))))
    assert set(said.mean.columns) == {"slope"}


@pytest.mark.parametrize("options", [{"members": 1}, {"features": 0}, {"kernel": "cubic"}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        RandomFeatures(**options)

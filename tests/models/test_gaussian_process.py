from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import check_grad

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError, ShapeError, UnsupportedSample
from querist.core.roles import FitRequest
from querist.models.gaussian_process import (
    GaussianProcess,
    Prior,
    covariance,
    log_likelihood,
)
from querist.models.kernels import KERNELS

THETA = np.array([0.2, 0.1, -0.3, 0.5, -2.0])


def problem(count: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, 3))
    return X, np.sin(X[:, 0]) + 0.3 * X[:, 1] ** 2 + 0.05 * rng.standard_normal(count)


def reference(name: str) -> object:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

    shape = RBF([1.0] * 3) if name == "rbf" else Matern([1.0] * 3, nu=2.5)
    kernel = (ConstantKernel() * shape + WhiteKernel()).clone_with_theta(THETA)
    return GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_of_the_likelihood(kernel: str) -> None:
    X, y = problem()
    apart = check_grad(
        lambda t: log_likelihood(kernel, X, y, t)[0],
        lambda t: log_likelihood(kernel, X, y, t)[1],
        THETA,
    )
    assert apart < 1e-5 * np.linalg.norm(log_likelihood(kernel, X, y, THETA)[1])


def test_priors_by_hand_and_their_gradient() -> None:
    prior = Prior.of(3, lengths=0.5, noise=(-9.0, 4.0))
    theta = prior.centre + np.array([np.sqrt(3.0), 0.5, 0.0, 1.0, 4.0])
    assert prior.penalty(theta)[0] == pytest.approx(0.5 * (1 + 1 + 0 + 4 + 1))
    assert check_grad(lambda t: prior.penalty(t)[0], lambda t: prior.penalty(t)[1], THETA) < 1e-5
    assert Prior.of(3).penalty(theta)[1][-1] == 0.0  # none of noise


def test_a_prior_holds_noise_where_labels_say_little() -> None:
    X, y = problem(6)
    data = Dataset(Batch.stack(x=X), Batch.stack(y=y))
    request = FitRequest(0, None, 0, None, lambda: False)
    found = [
        float(model.fit(data, request).state.arrays["theta"][0, -1])
        for model in (GaussianProcess(noise_prior=(-3.0, 0.1)), GaussianProcess())
    ]
    assert found[0] == pytest.approx(-3.0, abs=0.2)
    assert abs(found[1] + 3.0) > 1.0


@pytest.mark.parametrize("options", [{"length_spread": 0.0}, {"noise_prior": (0.0, 0.0)}])
def test_a_prior_without_width_is_refused(options) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        GaussianProcess(**options)


@pytest.mark.sklearn
@pytest.mark.parametrize("kernel", KERNELS)
def test_likelihood_is_that_of_scikit_learn(kernel: str) -> None:
    pytest.importorskip("sklearn")
    X, y = problem()
    other = reference(kernel).fit(X, y).log_marginal_likelihood(THETA)
    np.testing.assert_allclose(log_likelihood(kernel, X, y, THETA)[0], other, rtol=1e-10)


@pytest.mark.sklearn
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("noisy", [False, True])
def test_predictions_are_those_of_scikit_learn(kernel: str, noisy: bool) -> None:
    pytest.importorskip("sklearn")
    X, y = problem()
    model = GaussianProcess(kernel=kernel, noisy=noisy)
    state = model.fit(Dataset(Batch.stack(x=X), Batch.stack(y=y)), FitRequest()).state
    model.load(state)
    other = reference(kernel)
    theta = state.arrays["theta"][0]
    other.kernel = other.kernel.clone_with_theta(theta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of values at its bounds
        other.fit(state.arrays["X"], (y - y.mean()) / y.std())
        new = np.random.default_rng(1).normal(size=(9, 3))
        scaled = (new - X.mean(axis=0)) / X.std(axis=0)
        mean, std = other.predict(scaled, return_std=True)
    if not noisy:
        std = np.sqrt(std**2 - np.exp(theta[-1]))
    said = model.predict(Batch.stack(x=new))
    np.testing.assert_allclose(said.mean["y"], mean * y.std() + y.mean(), rtol=1e-7)
    np.testing.assert_allclose(said.std["y"], std * y.std(), rtol=1e-5)


def test_search_raises_the_likelihood_and_starts_from_the_previous() -> None:
    X, y = problem(40)
    data, model = Dataset(Batch.stack(x=X), Batch.stack(y=y)), GaussianProcess()
    calls: list[int] = []

    def count() -> bool:
        calls.append(1)
        return False

    first = model.fit(data, FitRequest(should_stop=count))
    cold, calls[:] = len(calls), []
    again = model.fit(data, FitRequest(previous=first.state, should_stop=count))
    assert len(calls) < cold / 2
    assert again.metrics["evidence"] >= first.metrics["evidence"] - 1e-3
    stopped = model.fit(data, FitRequest(should_stop=lambda: True))
    assert stopped.metrics["evidence"] < first.metrics["evidence"] - 0.1


def test_each_input_has_its_length_and_each_output_its_own() -> None:
    rng = np.random.default_rng(2)
    X = rng.uniform(-1, 1, (60, 2))
    data = Dataset(Batch.stack(x=X), Batch.stack(y=np.sin(4 * X), z=X[:, 0]))
    theta = GaussianProcess(kernel="rbf").fit(data, FitRequest()).state.arrays["theta"]
    assert theta.shape == (3, 4)
    first, second = np.exp(theta[:2, 1:3])
    assert first[1] > 5 * first[0]
    assert second[0] > 5 * second[1]


def test_rows_beyond_the_limit_are_left_out_and_told() -> None:
    X, y = problem(50)
    model = GaussianProcess(max_rows=20, tune_rows=15)
    result = model.fit(Dataset(Batch.stack(x=X), Batch.stack(y=y)), FitRequest())
    assert result.metrics["train.rows"] == 20
    assert result.metrics["train.available"] == 50
    assert result.state.arrays["X"].shape == (20, 3)


def test_repeated_inputs_are_averaged() -> None:
    x = np.repeat(np.linspace(-1, 1, 6), 3)
    y = x + np.tile([-0.1, 0.0, 0.1], 6)
    model = GaussianProcess()
    model.load(model.fit(Dataset(Batch.stack(x=x), Batch.stack(y=y)), FitRequest()).state)
    np.testing.assert_allclose(model.predict(Batch.stack(x=x)).mean["y"], x, atol=0.05)


def test_states_of_another_kernel_are_refused() -> None:
    X, y = problem()
    state = GaussianProcess(kernel="rbf").fit(
        Dataset(Batch.stack(x=X), Batch.stack(y=y)), FitRequest()
    )
    with pytest.raises(RunError, match="'matern52', but the state is of 'rbf'"):
        GaussianProcess().load(state.state)
    with pytest.raises(ConfigError):
        GaussianProcess(max_rows=0)


def test_known_errors_are_the_noise_and_no_other_is_looked_for() -> None:
    X, y = problem()
    errors = np.where(np.arange(len(y)) % 2, 0.01, 1.0)
    data = Dataset(Batch.stack(x=X), Batch.stack(y=y, e=errors))
    model = GaussianProcess(errors="e")
    state = model.fit(data, FitRequest()).state
    model.load(state)
    theta, (X_, std) = state.arrays["theta"][0], (state.arrays["X"], state.arrays["y_std"][0])
    assert np.exp(theta[-1]) == pytest.approx(1e-8)
    K = covariance("matern52", X_, X_, theta)
    labels = (y - y.mean()) / std
    right = np.linalg.solve(K + np.diag((errors / std) ** 2 + 1e-8), labels)
    found = model.predict(Batch.stack(x=X))
    assert found.mean["y"] == pytest.approx(K @ right * std + y.mean(), abs=1e-8)
    assert found.std["y"][1::2].max() < 0.02


def test_the_gradient_with_known_errors() -> None:
    X, y = problem()
    known = np.linspace(0.01, 2.0, len(y))
    apart = check_grad(
        lambda t: log_likelihood("matern52", X, y, t, known)[0],
        lambda t: log_likelihood("matern52", X, y, t, known)[1],
        THETA,
    )
    assert apart < 1e-5 * np.linalg.norm(log_likelihood("matern52", X, y, THETA, known)[1])


def test_errors_that_cannot_be_are_refused() -> None:
    X, y = problem()
    none = Dataset(Batch.stack(x=X), Batch.stack(y=y, e=np.zeros(len(y))))
    with pytest.raises(UnsupportedSample, match="standard errors above zero, but 'e' has 0"):
        GaussianProcess(errors="e").fit(none, FitRequest())
    few = Dataset(Batch.stack(x=X), Batch.stack(y=np.stack([y, y], axis=1), e=np.ones(len(y))))
    with pytest.raises(ShapeError, match="each of the 2 numbers of a label, but 'e' has 1"):
        GaussianProcess(errors="e").fit(few, FitRequest())

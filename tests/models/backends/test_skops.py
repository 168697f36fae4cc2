from __future__ import annotations

import pickle
from importlib import metadata
from typing import Any

import numpy as np
import pytest

from querist.core.errors import RunError
from querist.models.backends.skops import canonical, dump, parse, versions

pytestmark = pytest.mark.sklearn
skops_io = pytest.importorskip("skops.io")
base = pytest.importorskip("sklearn.base")
ensemble = pytest.importorskip("sklearn.ensemble")
gaussian_process = pytest.importorskip("sklearn.gaussian_process")
linear_model = pytest.importorskip("sklearn.linear_model")
neighbors = pytest.importorskip("sklearn.neighbors")
networks = pytest.importorskip("sklearn.neural_network")
preprocessing = pytest.importorskip("sklearn.preprocessing")
svm = pytest.importorskip("sklearn.svm")
tree = pytest.importorskip("sklearn.tree")

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X @ [1.0, -1.0, 0.5]
ESTIMATORS = [
    ensemble.ExtraTreesRegressor(3),
    ensemble.GradientBoostingRegressor(n_estimators=3),
    ensemble.HistGradientBoostingRegressor(max_iter=3),
    ensemble.RandomForestRegressor(3),
    gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.Matern(), alpha=1e-3),
    linear_model.BayesianRidge(),
    linear_model.Ridge(),
    neighbors.KNeighborsRegressor(),
    svm.SVR(),
    tree.DecisionTreeRegressor(),
    networks.MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=5000, random_state=0),
]


class Homemade(base.RegressorMixin, base.BaseEstimator):
    def fit(self, X: np.ndarray, y: np.ndarray) -> Homemade:
        self.mean_ = float(y.mean())
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.mean_)


class Unkeepable(Homemade):
    def __getstate__(self) -> dict[str, object]:
        raise TypeError("not me")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_estimators_come_back(estimator: Any) -> None:
    estimator.fit(X, Y)
    kept = dump(estimator)
    assert kept.dtype == np.uint8
    np.testing.assert_array_equal(parse(kept).predict(X), estimator.predict(X))


def test_equal_estimators_have_equal_bytes() -> None:
    one, two = (ensemble.RandomForestRegressor(3, random_state=1).fit(X, Y) for _ in range(2))
    assert skops_io.dumps(one) != skops_io.dumps(two)
    assert np.array_equal(dump(one), dump(two))
    other = ensemble.RandomForestRegressor(3, random_state=2).fit(X, Y)
    assert not np.array_equal(dump(one), dump(other))


def test_canonical_bytes_stay_as_they_are() -> None:
    data = canonical(skops_io.dumps(linear_model.Ridge().fit(X, Y)))
    assert canonical(data) == data


def test_own_classes_need_trust_already_when_kept() -> None:
    estimator = Homemade().fit(X, Y)
    with pytest.raises(RunError, match=r"not trusted: .*Homemade.*'trusted'"):
        dump(estimator)


def test_nothing_untrusted_is_loaded() -> None:
    data = skops_io.dumps(preprocessing.FunctionTransformer(Homemade))
    with pytest.raises(RunError, match="not trusted"):
        parse(np.frombuffer(data, np.uint8))


def test_a_pickle_is_not_opened() -> None:
    opened = []

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return opened.append, (1,)

    with pytest.raises(Exception, match="zip"):
        parse(np.frombuffer(pickle.dumps(X.tolist()), np.uint8))
    assert opened == []


def test_estimators_that_skops_cannot_keep_say_why() -> None:
    with pytest.raises(RunError, match=r"fitted Unkeepable cannot be kept without pickle.*not me"):
        dump(Unkeepable().fit(X, Y))


def test_versions_are_told() -> None:
    told = versions()
    assert told == {name: metadata.version(name) for name in ("scikit-learn", "skops")}

from __future__ import annotations

import sys

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ContractError, MissingExtra, RunError, ShapeError
from querist.core.roles import FitRequest, ModelState
from querist.models.committee import Committee

pytestmark = pytest.mark.sklearn
pytest.importorskip("skops")
ensemble = pytest.importorskip("sklearn.ensemble")
linear = pytest.importorskip("sklearn.linear_model")
tree = pytest.importorskip("sklearn.tree")


def lines(count: int = 40) -> Dataset:
    x = np.random.default_rng(0).normal(size=(count, 2))
    noise = 0.1 * np.random.default_rng(1).normal(size=count)
    return Dataset(Batch.stack(x=x), Batch.stack(y=x[:, 0] - 2 * x[:, 1] + noise))


def halves(count: int = 60, words: tuple[str, ...] = ("left", "right")) -> Dataset:
    x = np.random.default_rng(0).normal(size=(count, 2))
    side = np.digitize(x[:, 0], np.linspace(-0.5, 0.5, len(words) - 1) if len(words) > 2 else [0])
    return Dataset(Batch.stack(x=x), Batch.stack(side=np.array(words)[side]))


def fitted(model: Committee, data: Dataset, seed: int = 0) -> Committee:
    model.load(model.fit(data, FitRequest(seed=seed)).state)
    return model


def test_members_are_bagged_estimators() -> None:
    """Against the bootstrap done by hand: mean, spread and members."""
    data, model = lines(), Committee(linear.LinearRegression(), members=4)
    said = fitted(model, data).predict(data.inputs)
    assert said.members is not None
    parts = np.stack([member["y"] for member in said.members])
    np.testing.assert_allclose(said.mean["y"], parts.mean(axis=0))
    np.testing.assert_allclose(said.std["y"], parts.std(axis=0, ddof=1))
    whole = linear.LinearRegression().fit(data.inputs["x"], data.outputs["y"])
    assert not np.allclose(parts[0], whole.predict(data.inputs["x"]))
    np.testing.assert_allclose(said.mean["y"], whole.predict(data.inputs["x"]), atol=0.15)


def test_without_bootstrap_members_differ_by_their_seed() -> None:
    data = lines()
    new = Batch.stack(x=np.random.default_rng(3).normal(size=(20, 2)))
    model = Committee(ensemble.ExtraTreesRegressor(n_estimators=2), members=3, bootstrap=False)
    said = fitted(model, data).predict(new)
    assert said.std["y"].mean() > 0.1
    again = fitted(model, data).predict(new)
    assert np.array_equal(said.mean["y"], again.mean["y"])
    other = fitted(model, data, seed=5).predict(new)
    assert not np.array_equal(said.mean["y"], other.mean["y"])


def test_members_that_would_be_alike_are_refused() -> None:
    with pytest.raises(ConfigError, match="LinearRegression would all be the same"):
        Committee(linear.LinearRegression(), bootstrap=False).fit(lines(), FitRequest())


def test_seeds_reach_into_pipelines() -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    scale = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    pipe = pipeline.make_pipeline(scale, tree.DecisionTreeRegressor(splitter="random"))
    state = Committee(pipe, members=2, bootstrap=False).fit(lines(), FitRequest()).state
    assert not np.array_equal(state.arrays["m0.skops"], state.arrays["m1.skops"])
    assert not hasattr(pipe, "n_features_in_")


@pytest.mark.parametrize(
    "estimator",
    [
        linear.LinearRegression(),
        linear.LinearRegression,
        lambda: linear.LinearRegression(),
        "sklearn.linear_model:Ridge",
    ],
    ids=["object", "class", "function", "import path"],
)
def test_estimators_may_be_given_in_four_ways(estimator: object) -> None:
    said = fitted(Committee(estimator, members=2), lines()).predict(lines().inputs)
    assert np.corrcoef(said.mean["y"], lines().outputs["y"])[0, 1] > 0.99


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(ContractError, match=r"lacks \['fit', 'predict'\]"):
        Committee(object()).fit(lines(), FitRequest())


def test_classes_come_back_as_words_with_probabilities() -> None:
    data = halves()
    model = fitted(Committee(linear.LogisticRegression(), members=5), data)
    said = model.predict(data.inputs)
    assert model.classes.tolist() == ["left", "right"]
    assert (said.mean["side"] == data.outputs["side"]).mean() > 0.9
    proba = said.mean["side.proba"]
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    assert (np.array(["left", "right"])[proba.argmax(axis=1)] == said.mean["side"]).all()
    np.testing.assert_allclose(said.uncertainty("side"), 1 - proba.max(axis=1))
    assert said.members is not None
    parts = np.stack([member["side.proba"] for member in said.members])
    np.testing.assert_allclose(said.std["side.proba"], parts.std(axis=0, ddof=1))
    edge = np.abs(data.inputs["x"][:, 0]) < 0.2
    doubt = said.uncertainty("side")
    assert doubt[edge].mean() > 3 * doubt[~edge].mean()


@pytest.mark.parametrize(
    "values", [[1, 5], [False, True], [0.5, 2.0]], ids=["int", "bool", "float"]
)
def test_classes_keep_their_type(values: list[object]) -> None:
    data = halves()
    labels = np.array(values)[(data.outputs["side"] == "right").astype(int)]
    data = Dataset(data.inputs, Batch.stack(side=labels))
    said = fitted(Committee(tree.DecisionTreeClassifier(), members=3), data).predict(data.inputs)
    assert said.mean["side"].dtype == labels.dtype
    assert (said.mean["side"] == labels).mean() > 0.95


def test_a_class_of_one_sample_is_in_every_member() -> None:
    data = halves()
    labels = data.outputs["side"].copy()
    labels[7] = "third"[:5]
    data = Dataset(data.inputs, Batch.stack(side=labels))
    model = fitted(Committee(tree.DecisionTreeClassifier(), members=6), data)
    said = model.predict(data.inputs.take([7]))
    assert model.classes.tolist() == ["left", "right", "third"]
    assert said.members is not None
    assert all(member["side"][0] == "third" for member in said.members)


def test_one_class_is_learned_until_there_are_two() -> None:
    data = halves()
    alone = Dataset(data.inputs, Batch.stack(side=np.full(60, "left")))
    model = fitted(Committee(linear.LogisticRegression(), members=3), alone)
    said = model.predict(data.inputs)
    assert model.classes.tolist() == ["left"]
    assert set(said.mean["side"]) == {"left"}
    np.testing.assert_array_equal(said.uncertainty("side"), 0.0)


def test_members_fitted_before_and_after_a_new_class_work_together() -> None:
    model = Committee(tree.DecisionTreeClassifier(), members=2)
    old = model.fit(halves(), FitRequest(members=(0,))).state
    new = model.fit(halves(words=("a", "left", "right")), FitRequest(members=(1,))).state
    model.load(ModelState.merge([old, new]))
    assert model.classes.tolist() == ["a", "left", "right"]
    said = model.predict(halves().inputs)
    assert said.mean["side.proba"].shape == (60, 3)
    assert said.members is not None
    assert (said.members[0]["side.proba"][:, 0] == 0).all()


def test_classifiers_without_probabilities_vote() -> None:
    svm = pytest.importorskip("sklearn.svm")
    model = Committee(svm.LinearSVC(), members=4)
    said = fitted(model, halves()).predict(halves().inputs)
    votes = said.mean["side.proba"] * 4
    np.testing.assert_allclose(votes, np.round(votes))
    assert (said.mean["side"] == halves().outputs["side"]).mean() > 0.9


def test_what_kind_it_is_may_be_told() -> None:
    data = Dataset(lines().inputs, Batch.stack(y=(lines().outputs["y"] > 0).astype(int)))
    voted = fitted(Committee(linear.LinearRegression(), members=2), data).predict(data.inputs)
    assert "y.proba" not in voted.mean
    with pytest.raises(ConfigError, match="'cluster'"):
        Committee(linear.LinearRegression(), kind="cluster")


def test_a_classifier_wants_one_class_a_sample() -> None:
    data = Dataset(halves().inputs, Batch.stack(a=np.zeros((60, 2), int), b=np.zeros(60)))
    with pytest.raises(ShapeError, match="one output with one class"):
        Committee(tree.DecisionTreeClassifier()).fit(data, FitRequest())


def test_a_regressor_for_one_number_says_how_to_have_more() -> None:
    data = Dataset(lines().inputs, Batch.stack(y=lines().inputs["x"]))
    with pytest.raises(ShapeError, match="MultiOutputRegressor"):
        Committee(ensemble.GradientBoostingRegressor()).fit(data, FitRequest())
    said = fitted(Committee(linear.LinearRegression()), data).predict(data.inputs)
    np.testing.assert_allclose(said.mean["y"], lines().inputs["x"], atol=1e-9)


def test_parts_of_different_fields_are_refused() -> None:
    model = Committee(linear.LinearRegression(), members=2)
    one = model.fit(lines(), FitRequest(members=(0,))).state
    other = Dataset(Batch.stack(z=lines().inputs["x"]), lines().outputs)
    two = model.fit(other, FitRequest(members=(1,))).state
    with pytest.raises(RunError, match="different fields"):
        model.load(ModelState.merge([one, two]))


def test_without_skops_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(MissingExtra, match=r"querist\[sklearn\]"):
        Committee(linear.LinearRegression()).fit(lines(), FitRequest())

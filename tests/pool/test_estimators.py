"""Fitted scikit-learn estimators as the model of a query."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.pool.query import run_query, start_query
from querist.pool.query_errors import QueryFailed

pandas = pytest.importorskip("pandas")
linear = pytest.importorskip("sklearn.linear_model")
forests = pytest.importorskip("sklearn.ensemble")
COUNT = 60


@pytest.fixture(scope="module")
def frame() -> Any:
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "size": rng.integers(0, 9, COUNT).astype(float),
            "age": rng.normal(50.0, 10.0, COUNT),
            "kind": rng.choice(["a", "b", "c"], COUNT),
        }
    )


@pytest.fixture(scope="module")
def classes(frame: Any) -> Any:
    return np.where(frame["age"] + 5.0 * (frame["kind"] == "a") > 52.0, "old", "young")


@pytest.fixture
def pool(tmp_path: Path, frame: Any):
    with Pool.create(tmp_path / "pool") as made:
        made.add_items(frame.assign(id=[f"r{n}" for n in range(COUNT)]))
        yield made


def least_sure(probabilities: np.ndarray, count: int) -> list[str]:
    apart = np.abs(probabilities[:, 0] - probabilities[:, 1])
    return [f"r{n}" for n in np.argsort(apart)[:count]]


def test_it_sees_the_columns_that_it_was_fitted_to_as_they_are(
    pool: Pool, frame: Any, classes: Any
) -> None:
    columns = ["age", "size"]  # in another order than the pool has them, and not all
    model = linear.LogisticRegression(max_iter=1000).fit(frame[columns], classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pool.query(6, model=model, strategy="margin")
    assert found.ids == least_sure(model.predict_proba(frame[columns]), 6)
    assert list(model.feature_names_in_) == columns  # it was left as it was
    assert found.counts["inferred"] == COUNT
    again = pool.query(6, model=model, strategy="margin")
    assert (again.ids, again.counts["inferred"]) == (found.ids, 0)  # known by what it holds


def test_a_pipeline_sees_texts_too(pool: Pool, frame: Any, classes: Any) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    apart = make_column_transformer((OneHotEncoder(), ["kind"]), remainder=StandardScaler())
    model = make_pipeline(apart, linear.LogisticRegression()).fit(frame, classes)
    found = pool.query(6, model=model, strategy="margin")
    assert found.ids == least_sure(model.predict_proba(frame), 6)


def test_a_forest_is_a_committee(pool: Pool, frame: Any, classes: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier

    columns = ["size", "age"]
    model = RandomForestClassifier(n_estimators=9, random_state=0).fit(frame[columns], classes)
    assert len(pool.query(3, model=model, strategy="vote-entropy").picks) == 3
    assert model.n_jobs is None


def test_a_regressor_gives_predictions(pool: Pool, frame: Any) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor

    model = GaussianProcessRegressor(alpha=1.0).fit(frame[["age"]], frame["size"])
    assert len(pool.query(3, model=model, strategy="ucb").picks) == 3


def test_a_pipeline_of_texts(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(), linear.LogisticRegression())
    model.fit(["good good", "bad bad", "good", "bad"], ["p", "n", "p", "n"])
    with Pool.create(tmp_path / "texts") as pool:
        pool.add_items({"id": text, "text": text} for text in ("good", "bad", "good bad"))
        assert pool.query(1, model=model, strategy="entropy").ids == ["good bad"]


@pytest.mark.parametrize(
    ("fit", "sentence"),
    [
        (lambda model, frame, y: model, "LogisticRegression is not fitted yet"),
        (lambda model, frame, y: model.fit(frame[["age"]].to_numpy(), y), "have no names"),
        (
            lambda model, frame, y: model.fit(frame[["age"]].rename(columns={"age": "ages"}), y),
            "fitted to the columns ages, which the pool's rows do not have: they have age",
        ),
        (
            lambda model, frame, y: model.fit(frame[["age"]].assign(kind=1.0), y),
            "could not convert string to float: '[abc]'",
        ),
        (lambda model, frame, y: type(model), "LogisticRegression is a class"),
        (
            lambda model, frame, y: forests.RandomForestClassifier(2).fit(
                frame[["age"]], np.stack([y, y], axis=1)
            ),
            "RandomForestClassifier was fitted to several outputs at once",
        ),
    ],
)
def test_what_it_cannot_be_shown_is_told(
    pool: Pool, frame: Any, classes: Any, fit: Any, sentence: str
) -> None:
    model = fit(linear.LogisticRegression(max_iter=1000), frame, classes)
    with pytest.raises((ConfigError, QueryFailed), match=sentence):
        pool.query(3, model=model)


def test_of_an_array_it_sees_what_the_transform_names(
    tmp_path: Path, frame: Any, classes: Any
) -> None:
    columns = {"age": "number", "size": "number"}
    with Pool.create(
        tmp_path / "named", {"transform": {"modality": "table", "columns": columns}}
    ) as pool:
        pool.add_items(frame.assign(id=[f"r{n}" for n in range(COUNT)]))
        values = frame[["age", "size"]].to_numpy()
        model = linear.LogisticRegression(max_iter=1000).fit(values, classes)
        found = pool.query(5, model=model, strategy="margin")
    assert found.ids == least_sure(model.predict_proba(values), 5)


def of_levels(frame: Any) -> Any:
    """A model that wants whole numbers and texts to the last bit."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    levels = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["size", "kind"]))
    return make_pipeline(levels, LogisticRegression(C=100.0, max_iter=1000))


def search(model: Any) -> Any:
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(model, {"logisticregression__C": [10.0, 100.0]}, cv=2)


def calibrated(model: Any) -> Any:
    from sklearn.calibration import CalibratedClassifierCV

    return CalibratedClassifierCV(model, cv=2)


def voting(model: Any) -> Any:
    return forests.VotingClassifier([("one", model), ("other", model)], voting="soft")


@pytest.mark.parametrize("around", [lambda model: model, search, calibrated, voting])
def test_values_are_those_of_the_rows_however_the_estimator_is_wrapped(
    tmp_path: Path, frame: Any, classes: Any, around: Any
) -> None:
    columns = ["size", "kind", "flag"]
    rows = frame.assign(flag=frame["size"] > 4, size=frame["size"].astype(int) * 7 + 1)
    model = around(of_levels(rows)).fit(rows[columns], classes)
    with Pool.create(tmp_path / "levels") as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        pool.add_items(rows.assign(id=[f"r{n}" for n in range(COUNT)]))
        found = pool.query(10, model=model, strategy="margin")
        again = pool.query(10, model=model, strategy="margin")
    apart = np.abs(np.diff(model.predict_proba(rows[columns]))[:, 0])
    picked = apart[[int(one[1:]) for one in found.ids]]
    np.testing.assert_allclose(picked, np.sort(apart)[:10], atol=1e-6)
    assert again.counts["inferred"] == 0


def test_categories_that_come_late_are_seen(tmp_path: Path) -> None:
    rows = pandas.DataFrame({"kind": ["a", "b"] * 600 + ["c"] * 4, "age": range(1204)})
    model = of_levels(rows).fit(rows.rename(columns={"age": "size"}), rows["kind"] == "c")
    with Pool.create(tmp_path / "late") as pool:
        pool.add_items(
            {"id": f"r{n}", "table": {"kind": kind, "size": n}} for n, kind in enumerate(rows.kind)
        )
        found = pool.query(4, model=model, strategy="least-confidence")
    sure = model.predict_proba(rows.rename(columns={"age": "size"})).max(axis=1)
    assert sorted(found.ids) == sorted(f"r{n}" for n in np.argsort(sure)[:4])


def test_its_settings_are_left_alone_and_functions_of_it_are_told(
    pool: Pool, frame: Any, classes: Any
) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def model(power: int) -> Any:
        steps = (
            FunctionTransformer(lambda values: values**power),
            forests.RandomForestClassifier(9, random_state=0, n_jobs=1),
        )
        return make_pipeline(*steps).fit(frame[["age", "size"]], classes)

    first = model(2)
    assert pool.query(3, model=first, strategy="margin").counts["inferred"] == COUNT
    assert pool.query(3, model=first, strategy="margin").counts["inferred"] == 0
    assert pool.query(3, model=model(3), strategy="margin").counts["inferred"] == COUNT
    assert first[-1].n_jobs == 1


def test_a_csv_files_missing_numbers_are_none(tmp_path: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = pandas.DataFrame({"age": [20.5, np.nan, 60.0, 40.0] * 5})
    model = HistGradientBoostingClassifier(min_samples_leaf=2).fit(rows, rows["age"].isna())
    file = tmp_path / "rows.csv"
    rows.assign(id=[f"r{n}" for n in range(20)]).to_csv(file, index=False, na_rep="NA")
    with Pool.create(tmp_path / "csv") as pool:
        pool.add(file)
        assert len(pool.query(3, model=model, strategy="entropy").picks) == 3


def test_a_query_that_was_made_goes_on_with_one(pool: Pool, frame: Any, classes: Any) -> None:
    model = linear.LogisticRegression(max_iter=1000).fit(frame[["age"]], classes)
    asked = {"budget": 4, "strategy": "margin", "model": {"use": "live"}}
    found = run_query(start_query(pool, asked), model=model)
    assert found.ids == least_sure(model.predict_proba(frame[["age"]]), 4)

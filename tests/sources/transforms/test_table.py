"""Rows: numbers, categories, missing values, columns learnt from rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.opening import open_transform
from querist.sources.transforms.table import Category, Number, Table

COLUMNS = {
    "age": {"offset": 10, "scale": 2, "fill": -1, "flag": True},
    "job": ["cook", "smith"],
    "size": "number",
}


def test_a_row_becomes_features_in_order() -> None:
    table = Table(COLUMNS)
    assert table.features == ("age", "age is missing", "job=cook", "job=smith", "size")
    got = table.decode(json.dumps({"size": 7, "job": "smith", "age": "14"}).encode())
    np.testing.assert_array_equal(got, np.float32([2, 0, 0, 1, 7]))
    np.testing.assert_array_equal(table.encode([14, "smith", 7]), got)


@pytest.mark.parametrize("nothing", [None, "", " NA ", "NaN", "?", float("nan"), np.float32("nan")])
def test_missing_values(nothing) -> None:
    got = Table(COLUMNS).encode({"age": nothing, "job": nothing, "size": nothing})
    np.testing.assert_array_equal(got, np.float32([-1, 1, 0, 0, 0]))
    np.testing.assert_array_equal(Table(COLUMNS).encode({}), got)


def test_an_unknown_category_is_nothing_or_refused() -> None:
    assert Table(COLUMNS).encode({"job": "baker"})[2:4].tolist() == [0, 0]
    strict = Table({"job": {"values": ["cook"], "unknown": "refuse"}})
    with pytest.raises(BadItem, match=r"unknown category 'cok'\. Did you mean 'cook'"):
        strict.encode({"job": "cok"})


@pytest.mark.parametrize("value", ["x", [1], {}, "inf", 10**400])
def test_what_is_no_number_is_a_bad_item(value) -> None:
    with pytest.raises(BadItem, match="'size' is to be a finite number"):
        Table(COLUMNS).encode({"size": value})


def test_numbers_as_categories_are_told_apart_as_texts() -> None:
    table = Table({"year": [1999, 2000.0]})
    assert table.encode({"year": 2000}).tolist() == [0, 1]
    assert table.encode({"year": "1999"}).tolist() == [1, 0]


def test_columns_are_learnt_from_rows() -> None:
    rows = [
        {"a": n, "b": "xyz"[n % 3], "c": 5, "d": f"name {n}", "e": n or None} for n in range(60)
    ]
    table = Table.learnt(rows)
    assert set(table.columns) == {"a", "b", "e"}
    assert table.columns["b"] == Category(("x", "y", "z"))
    assert table.columns["e"].flag
    encoded = np.stack([table.encode(row) for row in rows])
    np.testing.assert_allclose(encoded[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(encoded[:, 0].std(), 1, atol=1e-6)
    again = open_transform({"modality": "table", "columns": dict(table.columns)})
    assert again.digest == table.digest
    with pytest.raises(ConfigError, match="None of 1 rows"):
        Table.learnt([{"a": 1}])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "is a mapping"),
        ([], "is a mapping"),
        ({"a": 3}, "and not 3"),
        ({"a": []}, "each once"),
        ({"a": ["x", "x"]}, "each once"),
        ({"a": {"scale": 0}}, "not 0"),
        ({"a": {"ofset": 0}}, "Did you mean 'offset'"),
        ({"a": {"values": ["x"], "unknown": "no"}}, "zero or refuse"),
    ],
)
def test_columns_that_make_no_sense_are_refused(columns, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Table(columns)


def test_a_column_may_be_given_made() -> None:
    assert Table({"a": Number(), "b": Category(("x",))}).width == 2


def test_columns_of_numbers_may_hold_some_texts() -> None:
    rows = [{"age": age} for age in range(100)] + [{"age": "about 40"}, {"age": "-"}]
    table = Table.learnt(rows)
    assert table.features == ("age", "age is missing")
    assert table.encode({"age": "about 40"}).tolist() == [0.0, 1.0]
    assert table.encode({"age": "-"}).tolist() == [0.0, 1.0]
    assert table.encode({"age": 99})[1] == 0.0
    with pytest.raises(BadItem, match="is to be a finite number"):
        Table({"age": "number"}).encode({"age": "about 40"})


def test_columns_of_many_texts_stay_out() -> None:
    rows = [{"x": n % 3, "note": f"text {n}" if n % 2 else str(n)} for n in range(200)]
    assert Table.learnt(rows).features == ("x",)

"""Data frames of pandas, polars, Arrow and Hugging Face as items of a pool."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from querist.core.errors import ConfigError
from querist.pool.errors import TooManyBroken
from querist.pool.pool import Pool

COLUMNS = {"id": ["a", "b"], "text": ["one", "two"], "label": ["x", None], "city": ["Rome", None]}


class Polars:
    """What a frame of polars can do, as far as it is used."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns, self.columns = columns, list(columns)

    def iter_rows(self, named: bool) -> Any:
        assert named
        rows = zip(*self._columns.values(), strict=True)
        return (dict(zip(self.columns, row, strict=True)) for row in rows)


def pandas(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def arrow(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


def hugging_face(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


@pytest.fixture
def pool(tmp_path: Path):
    with Pool.create(tmp_path / "pool") as made:
        yield made


@pytest.mark.parametrize("frame", [pandas, Polars, arrow, hugging_face])
def test_rows_are_items_by_the_names_of_columns(frame: Any, pool: Pool) -> None:
    added = pool.add_items(frame(COLUMNS))
    assert (added.new, added.labelled, added.broken) == (2, 1, [])
    found = [(one.id, one.inline, one.label, dict(one.metadata)) for one in pool.items()]
    assert found == [("a", "one", "x", {"city": "Rome"}), ("b", "two", None, {})]
    assert pool.add_items(frame(COLUMNS)).unchanged == 2


@pytest.mark.parametrize("frame", [pandas, Polars, arrow, hugging_face])
def test_other_columns_are_the_row_of_a_table(frame: Any, pool: Pool) -> None:
    pool.add_items(frame({"height": [1.5, None], "kind": ["oak", "elm"], "label": [None, "old"]}))
    rows = [(one.inline, one.label) for one in pool.items()]
    assert rows == [({"height": 1.5, "kind": "oak"}, None), ({"kind": "elm"}, "old")]


def test_values_become_pythons_own(pool: Pool) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "when": pandas.to_datetime(["2026-01-02", None]),
            "count": pandas.array([3, None], dtype="Int64"),
            "share": [np.float32(0.5), np.nan],
            "price": [Decimal("1.25"), None],
            "name": ["first", "second"],
        }
    )
    pool.add_items(frame)
    first, second = (one.inline for one in pool.items())
    assert first == {
        "when": "2026-01-02T00:00:00",
        "count": 3,
        "share": 0.5,
        "price": 1.25,
        "name": "first",
    }
    assert second == {"name": "second"}


def test_a_dataset_names_its_classes_and_holds_images(pool: Pool) -> None:
    datasets = pytest.importorskip("datasets")
    drawn = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(drawn, "PNG")
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"])
    )
    columns = {"image": [{"bytes": drawn.getvalue(), "path": None}], "label": [1]}
    dataset = datasets.Dataset.from_dict(columns, features=features)
    assert pool.add_items(dataset).labelled == 1
    (item,) = pool.items()
    assert item.label == "dog"
    assert pool.query(1, where="all").picks[0].id == item.id  # by its bytes, it is an image
    with pytest.raises(ConfigError, match=r"frames by name \(train\); add them one by one"):
        pool.add_items(datasets.DatasetDict(train=dataset))


def test_paths_are_those_of_this_folder(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pool.add_items(Polars({"image": ["a.png"], "camera": [3]}))
    (item,) = pool.items()
    assert item.uri == f"file://{tmp_path}/a.png"
    assert item.metadata == {"camera": 3}


def test_what_cannot_be_an_item_is_told(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="two of \\['a'\\]"):
        pool.add_items(pytest.importorskip("pandas").DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(TooManyBroken, match="set is not JSON"):
        pool.add_items(Polars({"a": [{1, 2}]}))
    with pytest.raises(TooManyBroken, match="an item is a text or a mapping, got array"):
        pool.add_items(np.zeros((3, 2)))  # all of few: nobody would look at a list of them
    some = pool.add_items(["a text", {"txt": "b"}])
    assert (some.new, some.broken_total) == (1, 1)


def test_whole_numbers_are_classes_where_some_are_missing(pool: Pool) -> None:
    frame = pandas({"text": ["one", "two", "three"], "label": [1.0, np.nan, 0.0]})
    assert pool.add_items(frame).labelled == 2
    assert [found.value for found in pool.labels()] == ["1", "0"]


@pytest.mark.parametrize("text", [["one", "two"], float("nan"), 3])
def test_a_text_is_a_text(pool: Pool, text: Any) -> None:
    with pytest.raises(TooManyBroken, match="not a text; columns are rows of a data frame"):
        pool.add_items({"text": text})
    assert pool.items() == []


def test_what_has_no_items_is_told(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="Items are texts, mappings or the rows of a frame"):
        pool.add_items(3)

"""Labels as people have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from querist.pool.errors import BadLabel
from querist.pool.pool import Pool


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "text"}}) as made:
        made.add_items([{"id": f"r{number}", "text": f"text {number}"} for number in range(4)])
        yield made


def test_a_series_has_labels_by_its_index(pool: Pool) -> None:
    series = pytest.importorskip("pandas").Series(["a", "b"], index=["r1", "r2"])
    assert pool.label(series) == 2
    assert {found.id: found.value for found in pool.labels()} == {"r1": "a", "r2": "b"}


@pytest.mark.parametrize(
    "labels, said",
    [
        ({"r1": 3}, "write a number as a text, '3'"),
        ({1: "a"}, "by id, which is a text"),
        ([("r1", "a")], "by id, which is a text"),
        ({"r1": float("nan")}, "NaN is no label; leave out what has none"),
        ({"r1": None}, "None is no label"),
    ],
)
def test_what_is_none_is_told(pool: Pool, labels: Any, said: str) -> None:
    with pytest.raises(BadLabel, match=said):
        pool.label(labels)
    assert pool.count("labelled") == 0


def test_an_id_has_one_label(pool: Pool) -> None:
    series = pytest.importorskip("pandas").Series(["a", "b"], index=["r1", "r1"])
    with pytest.raises(BadLabel, match="'r1' is there twice"):
        pool.label(series)

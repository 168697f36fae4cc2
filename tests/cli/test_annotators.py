"""Judging annotators from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import call

from querist.pool.pool import Pool

SAID = {
    "ada": "ccccddddcd",
    "bob": "ccccddddcd",
    "eve": "cdcdcdcdcc",
}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    with Pool.create(tmp_path / "pets", {"transform": {"modality": "text"}}) as made:
        made.add_items([{"id": f"t{n}", "text": f"pet number {n}"} for n in range(10)])
        for by, said in SAID.items():
            made.label({f"t{n}": {"c": "cat", "d": "dog"}[one] for n, one in enumerate(said)}, by)
    return tmp_path / "pets"


def test_annotators_are_told_with_what_they_confuse(pool: Path) -> None:
    lines = call("pool", "annotators", pool).stdout.splitlines()
    assert lines[0].split()[:3] == ["annotator", "labels", "right"]
    assert [line.split()[:2] for line in lines[1:]] == [["ada", "10"], ["bob", "10"], ["eve", "10"]]
    told = [
        json.loads(one) for one in call("pool", "annotators", pool, "--json").stdout.splitlines()
    ]
    right = {one["annotator"]: one["right"] for one in told}
    assert right["eve"] < 0.75 < right["ada"] == right["bob"]
    assert told[0]["classes"] == ["cat", "dog"]


def test_what_is_worth_another_label_is_written(pool: Path) -> None:
    todo = pool.parent / "todo.csv"
    result = call(
        "pool", "annotators", pool, "--ask", 3, "-o", todo, "--progress", "none", "--json"
    )
    asked = [json.loads(line) for line in result.stdout.splitlines()]
    contested = {f"t{n}" for n in range(10) if SAID["ada"][n] != SAID["eve"][n]}
    assert {one["id"] for one in asked} <= contested
    assert todo.read_text().splitlines()[0] == "id,item,label,suggested"


def test_what_is_probably_true_is_recorded(pool: Path) -> None:
    result = call("pool", "annotators", pool, "--settle", 0.8)
    assert result.stdout.splitlines()[0] == "10 labels recorded as by dawid-skene"
    with Pool.open(pool) as opened:
        assert opened.item("t1").label == "cat"
        assert opened.history("t1")[-1].annotator == "dawid-skene"


def test_nobody_labelled(tmp_path: Path) -> None:
    Pool.create(tmp_path / "new").close()
    result = call("pool", "annotators", tmp_path / "new")
    assert result.exit_code != 0
    assert "two classes" in result.output

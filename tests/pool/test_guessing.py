"""What items are, told by their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.guessing import guess_transform, modality_of_item
from querist.pool.pool import Pool
from querist.pool.query_errors import QueryFailed
from querist.pool.rounds_features import outputs_of
from querist.sources.inline import data_uri


@pytest.mark.parametrize(
    ("names", "transform"),
    [
        (["a.JPG", "b.jpeg", "notes.txt"], {"modality": "image", "size": 64}),
        (["a.txt", "b.txt", "c.png"], {"modality": "text"}),
        (["a.wav"], {"modality": "audio"}),
    ],
)
def test_the_names_of_most_items_tell(tmp_path: Path, names: list[str], transform: dict) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        (tmp_path / "data" / name).touch()
    pool = Pool.create(tmp_path / "pool")
    pool.add(tmp_path / "data")
    assert guess_transform(pool) == transform


@pytest.mark.parametrize(
    ("uri", "modality"),
    [
        (data_uri(b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png"), "image"),
        (data_uri(b"\xff\xd8\xff\xe0" + bytes(40)), "image"),
        (data_uri(b"RIFF\0\0\0\0WEBPVP8 " + bytes(40)), "image"),
        (data_uri(b"RIFF\0\0\0\0WAVEfmt " + bytes(40)), "audio"),
        (data_uri(b"hello", "text/plain"), "text"),
        (data_uri(b"who knows what this may be"), ""),
        ("data:;base64,AA", ""),
        ("data:;base64,%%%not base64 at all%%%", ""),
    ],
)
def test_data_uris_tell_by_type_or_first_bytes(tmp_path: Path, uri: str, modality: str) -> None:
    with Pool.create(tmp_path / "pool") as pool:
        pool.add_items([{"uri": uri}])
        assert modality_of_item(pool.items()[0]) == modality


def test_texts_tell_themselves(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool")
    pool.add_items(["a text"])
    assert guess_transform(pool) == {"modality": "text"}


def test_the_columns_of_a_table_are_those_of_its_rows(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool")
    rows = [{"age": 10.0 * n, "job": "cook" if n % 2 else "smith"} for n in range(30)]
    pool.add_items([{"table": row} for row in rows])
    transform = guess_transform(pool)
    assert transform["columns"]["job"] == ["cook", "smith"]
    assert transform["columns"]["age"]["offset"] == pytest.approx(145)
    picked = pool.query(4)
    jobs = [pool.item(id).inline["job"] for id in picked.ids]
    assert {*jobs} == {"cook", "smith"}
    said = {"transform": {"modality": "table", "columns": {"age": {}}}}
    assert guess_transform(Pool.create(tmp_path / "other", said)) == said["transform"]


def test_what_was_said_holds(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool", {"transform": {"modality": "image", "size": 8}})
    assert guess_transform(pool) == {"modality": "image", "size": 8}


def test_names_that_do_not_tell_are_a_sentence(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool")
    with pytest.raises(ConfigError, match="is empty; add a folder"):
        guess_transform(pool)
    (tmp_path / "data.bin").touch()
    pool.add(tmp_path / "data.bin")
    with pytest.raises(ConfigError, match=r"\(data\.bin \.\.\.\) do not tell"):
        guess_transform(pool)


def test_columns_that_are_not_looked_at_are_told(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool") as pool:
        rows = [{"age": n, "note": f"text {n}", "unit": "m"} for n in range(60)]
        pool.add_items([{"table": row} for row in rows])
        (note,) = pool.query(3).notes
        assert note.startswith("Not looked at: note, unit; columns of one value or of many texts")
    with Pool.create(
        tmp_path / "other", {"transform": {"modality": "table", "columns": {"age": {}}}}
    ) as pool:
        pool.add_items([{"table": row} for row in rows])
        assert pool.query(3).notes == ()


def test_features_do_not_rest_on_the_order_of_columns(tmp_path: Path) -> None:
    rows = [{"name": n, "age": n * n} for n in range(30)]
    with Pool.create(tmp_path / "one") as pool, Pool.create(tmp_path / "two") as other:
        pool.add_items([{"table": row} for row in rows])
        other.add_items([{"table": dict(sorted(row.items()))} for row in rows])
        assert [*guess_transform(pool)["columns"]] == [*guess_transform(other)["columns"]]


def test_a_head_is_not_used_on_other_columns_than_it_learned_from(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool", {"classes": ["old", "young"]}) as pool:
        pool.add_items([{"id": f"r{n}", "table": {"age": n}} for n in range(40)])
        pool.label({f"r{n}": "old" if n > 20 else "young" for n in range(0, 40, 2)})
        pool.rounds("main", rounds=1, budget=3)
        model = json.loads((tmp_path / "pool/rounds/main/model.yaml").read_text())
        assert pool.query(3, model=model).counts["picked"] == 3
        pool.add_items([{"table": {"age": 1000 + n}} for n in range(40)])
        with pytest.raises(QueryFailed, match="Train it again"):
            pool.query(3, model=model)
        with pytest.raises(ConfigError, match="Train it again"):
            outputs_of(pool, np.array([1]), model, frozenset({"probabilities"}))


@pytest.mark.parametrize("begun", [False, True])
def test_a_round_trains_again_where_the_table_grew_before_it_picked(
    tmp_path: Path, begun: bool, monkeypatch
) -> None:
    with Pool.create(tmp_path / "pool", {"classes": ["old", "young"]}) as pool:
        pool.add_items([{"id": f"r{n}", "table": {"age": n}} for n in range(40)])
        pool.label({f"r{n}": "old" if n > 20 else "young" for n in range(0, 40, 2)})
        picked = pool.rounds("main", rounds=2, budget=3).picked
        pool.label(dict.fromkeys(picked, "old"))
        with monkeypatch.context() as patch:  # stops between training and picking
            name = "run_query" if begun else "start_query"
            patch.setattr(f"querist.pool.rounds.{name}", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pool.rounds("main")
        pool.add_items([{"table": {"age": 1000 + n}} for n in range(40)])
        status = pool.rounds("main")
        assert (status.state, status.number) == ("labelling", 2)
        assert not set(status.picked) & set(picked)
        assert [one["labels"] for one in status.metrics] == [20, 23]
        assert pool.query(3, model=status.model).counts["picked"] == 3

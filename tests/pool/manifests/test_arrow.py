"""Parquet and Hugging Face datasets, with the library that others use."""

from __future__ import annotations

from pathlib import Path

import pytest

datasets = pytest.importorskip("datasets")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.disable_progress_bars()


def test_a_parquet_file_of_texts(make, tmp_path: Path) -> None:
    table = pyarrow.table({"text": ["a", "b", None], "label": ["x", None, "y"], "n": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "t.parquet")
    pool = make()
    added = pool.add(tmp_path / "t.parquet")
    assert (added.new, added.labelled, added.broken_total) == (2, 1, 1)
    assert added.broken[0].line == 3
    assert pool.items()[0].metadata == {"n": 1}


def test_a_dataset_of_classes_by_its_own_library(make, tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    found = datasets.Dataset.from_dict(
        {"text": ["good", "bad", "who knows"], "label": [1, 0, -1]}, features
    )
    split = datasets.DatasetDict({"train": found, "test": found.select([2])})
    split.save_to_disk(tmp_path / "ds")
    pool = make()
    added = pool.add(tmp_path / "ds")
    assert (added.new, added.duplicates) == (3, 1)
    assert [item.label for item in pool.items()] == ["pos", "neg", None]
    assert [item.metadata["split"] for item in pool.items()] == ["train", "train", "test"]


def test_tokens_and_tags_by_their_own_library(make, tmp_path: Path) -> None:
    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags}
    )
    rows = {"tokens": [["Ada", "Lovelace", "won"], ["so", "what"]], "ner_tags": [[1, 2, 0], [0, 0]]}
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "ds")
    pool = make("tokens")
    pool.add(tmp_path / "ds")
    assert pool.items()[0].label == [{"class": "PER", "start": 0, "end": 12}]
    assert [item.state for item in pool.items()] == ["labelled", "empty"]


def test_images_in_the_dataset_become_data_uris(make, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    found = datasets.Dataset.from_dict(
        {"image": [image.new("RGB", (3, 2))], "label": ["x"]},
        datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")}),
    )
    found.save_to_disk(tmp_path / "ds")
    pool = make()
    pool.add(tmp_path / "ds")
    (item,) = pool.items()
    assert pool.sources.read(item.uri).startswith(b"\x89PNG")


def test_their_library_reads_ours(make, tmp_path: Path) -> None:
    pool = make(classes=["neg", "pos"])
    pool.add_items([{"text": t, "id": t} for t in "abc"])
    pool.label({"a": "pos", "b": []})
    pool.export(tmp_path / "ds", "huggingface")
    found = datasets.load_from_disk(str(tmp_path / "ds"))
    assert found.features["label"].names == ["neg", "pos"]
    assert found["label"] == [1, None, None]
    assert found["state"] == ["labelled", "empty", "unlabelled"]
    assert found["text"] == ["a", "b", "c"]


def test_their_library_reads_our_lists_of_classes(make, tmp_path: Path) -> None:
    pool = make("multi-label", classes=["neg", "pos"])
    pool.add_items([{"text": "a", "id": "a", "label": ["pos", "neg"]}])
    pool.export(tmp_path / "ds", "huggingface")
    found = datasets.load_from_disk(str(tmp_path / "ds"))
    assert found["label"] == [[0, 1]]
    assert found.features["label"].feature.names == ["neg", "pos"]

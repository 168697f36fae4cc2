"""YOLO folders of others, and ours as trainers read them."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
import yaml

from querist.core.errors import ConfigError


@pytest.fixture
def folder(images: Path) -> Path:
    (images / "labels").mkdir()
    (images / "data.yaml").write_text("path: .\ntrain: images\nval:\nnames: {0: cat, 1: dog}\n")
    (images / "labels" / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    (images / "labels" / "b.txt").write_text("")
    return images


def test_an_empty_file_is_reviewed_and_a_missing_one_is_not(make, folder: Path) -> None:
    pool = make("detection")
    added = pool.add(folder)
    assert (added.new, added.broken) == (3, [])
    assert [item.state for item in pool.items()] == ["labelled", "empty", "unlabelled"]
    assert pool.items()[0].label == [
        {"class": "dog", "box": [0.375, 0.25, 0.25, 0.5], "unit": "fraction"},
        {"class": "cat", "polygon": [0.1, 0.1, 0.2, 0.1, 0.2, 0.2], "unit": "fraction"},
    ]
    assert pool.items()[0].metadata == {"split": "train"}


def test_lists_of_images(make, folder: Path) -> None:
    (folder / "train.txt").write_text("./images/a.jpg\nimages/c d.jpg\n")
    (folder / "data.yaml").write_text("train: train.txt\nnames: [cat, dog]\n")
    pool = make("detection")
    pool.add(folder / "data.yaml")
    assert [item.state for item in pool.items()] == ["labelled", "unlabelled"]


def test_wrong_numbers_break_their_image_only(make, folder: Path) -> None:
    (folder / "labels" / "a.txt").write_text("5 0.5 0.5 0.25 0.5\n")
    (folder / "labels" / "b.txt").write_text("0 half\n")
    added = make("detection").add(folder)
    assert (added.new, added.broken_total) == (1, 2)


def test_names_are_needed(make, folder: Path) -> None:
    (folder / "data.yaml").write_text("train: images\n")
    with pytest.raises(ConfigError, match="has no 'names'"):
        make("detection").add(folder)


def test_ours_has_a_link_and_a_label_file_an_image(make, images: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (200, 100)).save(images / "images" / "a.jpg")
    pool = make("detection")
    pool.add(images / "images")
    a, b, _ = (item.id for item in pool.items())
    pool.label({a: [{"class": "cat", "box": [50, 25, 100, 50]}], b: []})
    exported = pool.export(tmp_path / "yolo", "yolo")
    assert (exported.items, exported.left_out) == (3, [])
    out = tmp_path / "yolo"
    assert (out / "labels" / f"{a}.txt").read_text() == "0 0.5 0.5 0.5 0.5\n"
    assert (out / "labels" / f"{b}.txt").read_text() == ""
    assert len(list((out / "labels").iterdir())) == 2
    with image.open(out / "images" / f"{a}.jpg") as linked:
        assert linked.size == (200, 100)
    assert yaml.safe_load(io.StringIO((out / "data.yaml").read_text()))["names"] == {0: "cat"}


def test_boxes_in_pixels_need_the_size_of_the_image(make, images: Path, tmp_path: Path) -> None:
    pool = make("detection")
    pool.add(images / "images")
    pool.label({pool.items()[0].id: [{"class": "cat", "box": [50, 25, 100, 50]}]})
    exported = pool.export(tmp_path / "yolo", "yolo")
    assert (exported.items, exported.left_out_total) == (2, 1)
    assert "the size of the image is not known" in exported.left_out[0].reason


def test_a_file_system_without_links_gets_copies(
    make, images: Path, tmp_path: Path, monkeypatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no links")

    pool = make("detection")
    pool.add(images / "images")
    (images / "images" / "b.jpg").unlink()
    monkeypatch.setattr(Path, "symlink_to", no_links)
    exported = pool.export(tmp_path / "yolo", "yolo")
    assert exported.left_out == []
    copies = list((tmp_path / "yolo" / "images").iterdir())
    assert len(copies) == 2
    assert not any(copy.is_symlink() for copy in copies)

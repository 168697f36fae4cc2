"""COCO files of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from querist.core.errors import ConfigError

FOUND = {
    "info": {"year": 2017},
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480},
        {"id": 8, "file_name": "b.jpg", "width": 640, "height": 480},
        {"id": 9, "file_name": "none.jpg"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 18,
            "bbox": [73.35, 206.02, 300.5, 372.0],
            "area": 1,
            "iscrowd": 0,
            "segmentation": [[80, 210, 90, 220, 80, 230]],
        },
        {"id": 2, "image_id": 7, "category_id": 99, "bbox": [1, 2, 3, 4]},
    ],
    "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
}


@pytest.fixture
def path(images: Path) -> Path:
    (images / "instances.json").write_text(json.dumps(FOUND))
    return images / "instances.json"


def test_boxes_and_what_is_broken(make, path: Path) -> None:
    pool = make("detection")
    added = pool.add(path, manifest={"images": str(path.parent / "images")})
    assert (added.new, added.broken_total) == (2, 2)
    assert "annotation 2 cannot be used" in added.broken[0].reason
    a, b = pool.items()
    assert a.label == [
        {"class": "dog", "box": [73.35, 206.02, 300.5, 372], "polygon": [80, 210, 90, 220, 80, 230]}
    ]
    assert (a.metadata, b.state) == ({"width": 640, "height": 480}, "unlabelled")


def test_images_without_annotations_may_be_empty(make, path: Path) -> None:
    pool = make("detection")
    where = {"images": str(path.parent / "images"), "without_annotations": "empty"}
    pool.add(path, manifest=where)
    assert [item.state for item in pool.items()] == ["labelled", "empty"]


def test_our_file_is_one_that_others_read(make, path: Path, tmp_path: Path) -> None:
    pool = make("detection")
    pool.add(path, manifest={"images": str(path.parent / "images")})
    pool.export(tmp_path / "out.json", "coco", "labelled")
    found = json.loads((tmp_path / "out.json").read_text())
    (image,), (annotation,), (category,) = (
        found[name] for name in ("images", "annotations", "categories")
    )
    assert annotation["image_id"] == image["id"]
    assert annotation["category_id"] == category["id"]
    assert annotation["bbox"] == [73.35, 206.02, 300.5, 372]
    assert annotation["segmentation"] == [[80, 210, 90, 220, 80, 230]]
    assert (image["width"], category["name"]) == (640, "dog")


def test_another_json_is_refused(make, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(ConfigError, match="no COCO file"):
        make("detection").add(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("12")
    with pytest.raises(ConfigError, match="neither a list"):
        make("free").add(tmp_path / "y.json")

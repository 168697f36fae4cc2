"""SageMaker Ground Truth's output manifests."""

from __future__ import annotations

import json
from pathlib import Path

ABOUT = {"human-annotated": "yes", "creation-date": "2018-10-18T22:18:13.527256", "job-name": "j"}
BOXES = {
    "source-ref": "s3://bucket/images/1.png",
    "bounding-box": {
        "image_size": [{"width": 640, "height": 480, "depth": 3}],
        "annotations": [
            {"class_id": 1, "top": 251, "left": 399, "width": 155, "height": 101},
            {"class_id": 0, "top": 65, "left": 86, "width": 220, "height": 334},
        ],
    },
    "bounding-box-metadata": {
        "objects": [{"confidence": 1}, {"confidence": 1}],
        "class-map": {"0": "Echo", "1": "Echo Dot"},
        "type": "groundtruth/object-detection",
        **ABOUT,
    },
}


def written(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_boxes(make, tmp_path: Path) -> None:
    none = {
        "source-ref": "s3://bucket/images/2.png",
        "bounding-box": {"image_size": [{"width": 9, "height": 9, "depth": 3}], "annotations": []},
        "bounding-box-metadata": {"class-map": {}, **ABOUT},
    }
    failed = {
        "source-ref": "s3://bucket/images/3.png",
        "bounding-box": {},
        "bounding-box-metadata": {"failure-reason": "ClientError: too large", **ABOUT},
    }
    rows = [BOXES, none, failed, {"source-ref": "s3://bucket/images/4.png"}, {"nothing": 1}]
    pool = make("detection")
    added = pool.add(written(tmp_path / "output.manifest", rows))
    assert (added.new, added.labelled, added.broken_total) == (4, 2, 1)
    first = pool.items()[0]
    assert first.label == [
        {"class": "Echo Dot", "box": [399, 251, 155, 101]},
        {"class": "Echo", "box": [86, 65, 220, 334]},
    ]
    assert first.metadata == {"width": 640, "height": 480}
    assert [item.state for item in pool.items()] == [
        "labelled", "empty", "unlabelled", "unlabelled",
    ]  # fmt: skip


def test_classes_of_images_and_texts(make, tmp_path: Path) -> None:
    rows = [
        {
            "source-ref": "s3://bucket/1.png",
            "species": 0,
            "species-metadata": {"class-name": "dog", "confidence": 0, **ABOUT},
        },
        {"source": "a text", "species": 1, "species-metadata": {"class-name": "cat", **ABOUT}},
    ]
    pool = make()
    pool.add(written(tmp_path / "output.manifest", rows))
    assert [item.label for item in pool.items()] == ["dog", "cat"]
    assert pool.items()[1].inline == "a text"


def test_several_classes_and_chained_jobs(make, tmp_path: Path) -> None:
    about = {"class-map": {"0": "sun", "2": "sea"}, **ABOUT}
    row = {
        "source-ref": "s3://b/1.png",
        "one": [0],
        "one-metadata": about,
        "two": [2, 0],
        "two-metadata": about,
    }
    pool = make("multi-label")
    path = written(tmp_path / "output.manifest", [row])
    pool.add(path)
    assert pool.items()[0].label == ["sea", "sun"]
    pool.add(path, manifest={"job": "one", "by": "first"})
    assert pool.items()[0].label == ["sun"]


def test_entities(make, tmp_path: Path) -> None:
    entities = [{"startOffset": 0, "endOffset": 3, "label": "PER"}]
    label = {"annotations": {"entities": entities, "labels": [{"label": "PER"}]}}
    row = {"source": "Ada won", "ner": label, "ner-metadata": {"type": "groundtruth/text-span"}}
    pool = make("tokens")
    pool.add(written(tmp_path / "output.manifest", [row]))
    assert pool.items()[0].label == [{"class": "PER", "start": 0, "end": 3}]

"""Label Studio's export."""

from __future__ import annotations

import json
from pathlib import Path

TASK = {
    "id": 1,
    "created_at": "2021-03-09T21:52:49.513742Z",
    "project": 83,
    "data": {"image": "https://example.com/1.jpg", "camera": "left"},
    "annotations": [
        {
            "id": 1001,
            "result": [
                {
                    "from_name": "tag",
                    "id": "Dx_aB91ISN",
                    "to_name": "img",
                    "type": "rectanglelabels",
                    "original_width": 200,
                    "original_height": 100,
                    "value": {
                        "height": 10,
                        "rectanglelabels": ["Moonwalker"],
                        "rotation": 0,
                        "width": 12.5,
                        "x": 50,
                        "y": 5,
                    },
                }
            ],
            "was_cancelled": False,
            "completed_by": 10,
        }
    ],
    "predictions": [],
}


def test_boxes_empty_skipped_and_unlabelled(make, tmp_path: Path) -> None:
    empty = {"result": [], "was_cancelled": False, "completed_by": {"email": "a@b.c"}}
    cancelled = {"result": [], "was_cancelled": True}
    tasks = [
        TASK,
        {"id": 2, "data": {"image": "https://example.com/2.jpg"}, "annotations": [empty]},
        {"id": 3, "data": {"image": "https://example.com/3.jpg"}, "annotations": [cancelled]},
        {"id": 4, "data": {"image": "https://example.com/4.jpg"}, "annotations": []},
        {"id": 5, "data": {"nothing": 1}},
        "no task",
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks, indent=1))
    pool = make("detection")
    added = pool.add(tmp_path / "export.json")
    assert (added.new, added.broken_total) == (4, 2)
    assert [item.state for item in pool.items()] == ["labelled", "empty", "skipped", "unlabelled"]
    assert pool.item("task-1").label == [{"class": "Moonwalker", "box": [100, 5, 25, 10]}]
    assert pool.item("task-1").metadata == {"camera": "left"}
    assert pool.history("task-1")[0].annotator == "10"
    assert pool.history("task-2")[0].annotator == "a@b.c"


def test_choices_and_spans(make, tmp_path: Path) -> None:
    value = {"choices": ["pos"]}
    one = {"type": "choices", "from_name": "s", "to_name": "t", "value": value}
    span = {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}
    two = {"type": "labels", "from_name": "s", "to_name": "t", "value": span}
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    for task, result in (("classification", [one]), ("tokens", [two, relation])):
        path = tmp_path / f"{task}.json"
        path.write_text(
            json.dumps([{"data": {"text": "Ada"}, "annotations": [{"result": result}]}])
        )
        pool = make(task)
        assert pool.add(path).labelled == 1
    assert pool.items()[0].label == [{"class": "PER", "start": 0, "end": 3}]


def test_a_file_that_ends_too_early(make, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(json.dumps([TASK, TASK])[:-40])
    added = make("detection").add(tmp_path / "e.json")
    assert (added.new, added.broken_total) == (1, 1)
    assert "no JSON" in added.broken[0].reason

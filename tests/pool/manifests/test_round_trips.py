"""What a pool exports, another pool takes in again, in every format that can hold it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from querist.pool.manifests.registry import FORMATS
from querist.pool.pool import Pool

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # many small pools: no disk
CLASSES = ["cat", "dog", "Ünïcode", "a-b", "[]", "12", "null"]
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
METADATA = st.dictionaries(TEXTS, st.one_of(SCALARS, st.lists(SCALARS, max_size=2)), max_size=3)
NUMBERS = st.integers(0, 500) | st.decimals(0, 500, places=2).map(float)
BOXES = st.lists(
    st.fixed_dictionaries(
        {"class": st.sampled_from(CLASSES), "box": st.lists(NUMBERS, min_size=4, max_size=4)}
    ),
    max_size=3,
)
SENTENCE = "Ada Lovelace  met\tMr. Babbage,in London"
SPANS = st.lists(
    st.sampled_from([(0, 12), (4, 12), (18, 29), (22, 29), (30, 32), (33, 39), (33, 35)]),
    unique=True,
    max_size=3,
).filter(lambda spans: all(a[1] <= b[0] or b[1] <= a[0] for a in spans for b in spans if a != b))
LABELS: dict[str, st.SearchStrategy[Any]] = {
    "classification": st.sampled_from(CLASSES),
    "multi-label": st.lists(st.sampled_from(CLASSES), unique=True),
    "detection": BOXES,
    "tokens": SPANS.map(lambda s: [{"class": "PER", "start": a, "end": b} for a, b in s]),
    "regression": st.one_of(NUMBERS, st.lists(NUMBERS, min_size=1, max_size=3)),
    "free": st.one_of(TEXTS, st.dictionaries(TEXTS, SCALARS, max_size=2), st.booleans()),
}
PAIRS = [
    (format, task)
    for format, about in FORMATS.items()
    for task in LABELS
    if task in (about.tasks or (task,))
]


def states(task: str) -> st.SearchStrategy[Any]:
    """What happens to an item: nothing, a label, "reviewed and empty", or a skip."""
    return st.one_of(
        st.none(), st.just([]), st.just("skip"), LABELS[task].map(lambda label: (label,))
    )


def items(format: str, task: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    uris = NAMES.map(lambda name: {"uri": f"s3://bucket/{name}"})
    texts = st.one_of(
        TEXTS.map(lambda text: {"text": text}),
        st.dictionaries(TEXTS, SCALARS, min_size=1, max_size=3).map(lambda row: {"table": row}),
    )
    payload = uris if task == "detection" else uris | texts
    if task == "tokens":
        payload = st.just({"text": SENTENCE})
    size = {"width": 640, "height": 480} if task == "detection" else {}
    return st.lists(
        st.tuples(
            payload, METADATA.map(lambda m: {**m, **size}), NAMES | st.just(""), states(task)
        ),
        max_size=4,
    ).map(
        lambda found: [
            {**what, "id": f"{n}/{group}", "metadata": metadata, "group": group, "state": state}
            for n, (what, metadata, group, state) in enumerate(found)
        ]
    )


def filled(folder: Path, task: str, found: list[dict[str, Any]]) -> Pool:
    pool = Pool.create(folder, {"task": task, "classes": [*CLASSES, "PER"]})
    added = pool.add_items([{k: v for k, v in one.items() if k != "state"} for one in found])
    assert added.broken == []
    for one in found:
        if one["state"] is None or one["id"] not in told(pool):  # a second item of the same URI
            continue
        if one["state"] == "skip":
            pool.skip([one["id"]])
        else:
            pool.label({one["id"]: one["state"][0] if one["state"] else []})
    return pool


def told(pool: Pool) -> dict[str, Any]:
    return {
        item.id: (item.uri, item.inline, item.group, item.state, item.metadata)
        for item in pool.items()
    }


def close(label: Any, other: Any) -> bool:
    """Equal; numbers of boxes to a millionth of a pixel."""
    if isinstance(label, list) and label and isinstance(label[0], dict) and "box" in label[0]:
        boxes = [(one["class"], pytest.approx(pixels(one), abs=2e-6)) for one in label]
        return [(one["class"], pixels(one)) for one in other] == boxes
    return label == other


def pixels(part: dict[str, Any]) -> list[float]:
    factors = (640, 480, 640, 480) if part.get("unit") == "fraction" else (1, 1, 1, 1)
    return [number * factor for number, factor in zip(part["box"], factors, strict=True)]


@pytest.mark.parametrize(("format", "task"), PAIRS)
def test_a_pool_comes_back(format: str, task: str) -> None:
    @settings(max_examples=settings.default.max_examples // 6)
    @given(found=items(format, task))
    @example(found=[])
    def check(found: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            path = Path(folder)
            with filled(path / "one", task, found) as one:
                exported = one.export(path / "manifest", format)
                assert exported.left_out == []
                assert exported.items == len(one)
                about = {"task": task, "classes": [*CLASSES, "PER"]}
                with Pool.create(path / "two", about) as two:
                    added = two.add(path / "manifest", format=format, manifest={"look": False})
                    assert added.broken == []
                    assert told(two) == told(one)
                    labels = {label.id: label.value for label in one.labels()}
                    again = {label.id: label.value for label in two.labels()}
                    assert labels.keys() == again.keys()
                    assert all(close(labels[id], again[id]) for id in labels)

    check()


ATTRIBUTED = [f for f in FORMATS if f not in ("coco", "yolo", "conll", "ground_truth")]


@pytest.mark.parametrize("format", ATTRIBUTED)
def test_each_annotator_is_kept(format: str, tmp_path: Path) -> None:
    with Pool.create(tmp_path / "one", {"agreement": "majority"}) as one:
        one.add_items([{"text": "x", "id": "x"}, {"text": "y", "id": "y"}])
        one.label({"x": "cat"}, by="ada")
        one.label({"x": "dog", "y": []}, by="bob")
        one.skip(["y"], by="ada", reason="too dark")
        one.export(tmp_path / "manifest", format)
        with Pool.create(tmp_path / "two", {"agreement": "majority"}) as two:
            two.add(tmp_path / "manifest", format=format)
            for id in "xy":
                kept = [[e[2:] for e in pool.history(id)] for pool in (one, two)]
                assert sorted(kept[0]) == sorted(kept[1])
            assert [item.state for item in two.items()] == ["disputed", "empty"]


@pytest.mark.parametrize("format", list(FORMATS))
def test_taking_a_manifest_twice_changes_nothing(format: str, tmp_path: Path) -> None:
    task = FORMATS[format].tasks[0] if FORMATS[format].tasks else "classification"
    label = {"classification": "cat", "detection": [{"class": "cat", "box": [1, 2, 3, 4]}]}
    what = {"uri": "s3://b/x"} if task == "detection" else {"text": "a b c"}
    value = label.get(task, [{"class": "cat", "start": 0, "end": 3}])
    with Pool.create(tmp_path / "one", {"task": task}) as pool:
        pool.add_items([{**what, "id": "x", "metadata": {"width": 9, "height": 9}, "label": value}])
        pool.export(tmp_path / "manifest", format)
        with Pool.create(tmp_path / "two", {"task": task}) as two:
            first = two.add(tmp_path / "manifest", format=format)
            assert (first.new, first.labelled) == (1, 1)
            again = two.add(tmp_path / "manifest", format=format)
            assert (again.new, again.changed, again.labelled, again.unchanged) == (0, 0, 0, 1)
            assert len(two.history("x")) == 1

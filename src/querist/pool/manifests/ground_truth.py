"""SageMaker Ground Truth's augmented manifests (``.manifest``): JSON Lines with a label attribute.

A line without the attribute is unlabelled. Boxes, spans and classes of several have an empty form
of their own; of a single class, reviewed and empty is the empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from querist.pool.items import Broken, encoded
from querist.pool.manifests.boxes import scaled
from querist.pool.manifests.file import Manifest, size_in
from querist.pool.manifests.jsonl import objects
from querist.pool.manifests.record import NOTHING, Record, Said, Unwritable

_OURS = "querist"
_METADATA = "-metadata"
_SOURCES = ("source-ref", "source")
JOB = "label"
TYPES = {
    "classification": "groundtruth/image-classification",
    "multi-label": "groundtruth/image-classification-multilabel",
    "detection": "groundtruth/object-detection",
    "tokens": "groundtruth/text-span",
    "regression": "groundtruth/custom",
    "free": "groundtruth/custom",
}


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records, and the lines that are none."""
    for found in objects(manifest):
        if isinstance(found, Broken):
            yield found
            continue
        line, row = found
        try:
            yield _record(manifest, line, row)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            what = f"not a line of Ground Truth ({type(error).__name__}: {error})"
            yield Broken(manifest.uri, line, what)


def _record(manifest: Manifest, line: int, row: dict[str, Any]) -> Record:
    uri, inline = row.get("source-ref"), row.get("source")
    if uri is None and inline is None:
        raise ValueError("neither source-ref nor source")
    jobs = [name.removesuffix(_METADATA) for name in row if name.endswith(_METADATA)]
    job = manifest.options.job or (jobs[-1] if jobs else "")
    about = row.get(job + _METADATA) or {}
    ours = row.get(_OURS) or {}
    metadata = dict(ours.get("metadata") or {})
    by = str(ours.get("by") or manifest.options.by)
    said: tuple[Said, ...] = ()
    if ours.get("skipped"):
        said = (Said("", by, skip=True),)
    elif job in row and "failure-reason" not in about:
        said = (Said(_READERS[manifest.task](row[job], about), by),)
        _learn_size(metadata, row[job])
    known = {*_SOURCES, _OURS, *jobs, *(name + _METADATA for name in jobs)}
    metadata |= {name: value for name, value in row.items() if name not in known}
    return Record(
        line,
        str(uri or ""),
        str(ours.get("id") or ""),
        None if uri else (ours.get("table") or inline),
        metadata or NOTHING,
        str(ours.get("group") or ""),
        said,
    )


def _learn_size(metadata: dict[str, Any], label: Any) -> None:
    if isinstance(label, Mapping) and label.get("image_size"):
        size = label["image_size"][0]
        metadata.setdefault("width", size["width"])
        metadata.setdefault("height", size["height"])


def _class(label: Any, about: Mapping[str, Any]) -> Any:
    if isinstance(label, list):
        return [_named(about, number) for number in label]
    return about["class-name"] if "class-name" in about else str(label)


def _classes(label: Any, about: Mapping[str, Any]) -> Any:
    numbers = label if isinstance(label, list) else [label]
    return [_named(about, number) for number in numbers]


def _named(about: Mapping[str, Any], number: Any) -> str:
    return str(about["class-map"][str(number)])


def _boxes(label: Any, about: Mapping[str, Any]) -> Any:
    return [
        {
            "class": _named(about, one["class_id"]),
            "box": [one["left"], one["top"], one["width"], one["height"]],
        }
        for one in label["annotations"]
    ]


def _spans(label: Any, _about: Mapping[str, Any]) -> Any:
    return [
        {"class": one["label"], "start": one["startOffset"], "end": one["endOffset"]}
        for one in label["annotations"]["entities"]
    ]


_READERS: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "classification": _class,
    "multi-label": _classes,
    "detection": _boxes,
    "tokens": _spans,
    "regression": lambda label, _about: label,
    "free": lambda label, _about: label,
}


def write(
    file: TextIO, records: Iterable[Record], classes: tuple[str, ...], task: str
) -> Iterator[Broken]:
    """Write lines; yields the records that cannot be."""
    numbers = {name: number for number, name in enumerate(classes)}
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    for record in records:
        try:
            row = _row(record, numbers, task, at)
        except Unwritable as reason:
            yield Broken(record.id, record.line, str(reason))
            continue
        file.write(encoded(row) + "\n")


def _row(record: Record, numbers: Mapping[str, int], task: str, at: str) -> dict[str, Any]:
    ours: dict[str, Any] = {"id": record.id}
    row: dict[str, Any] = {}
    if record.inline is None:
        row["source-ref"] = record.uri
    elif isinstance(record.inline, str):
        row["source"] = record.inline
    else:
        row["source"], ours["table"] = encoded(record.inline), record.inline
    if record.group:
        ours["group"] = record.group
    if record.metadata:
        ours["metadata"] = dict(record.metadata)
    if record.state == "skipped":
        ours["skipped"] = True
    if record.label is not None:
        label, about = _WRITERS[task](record, numbers)
        row[JOB] = label
        kind = TYPES[task] if record.inline is None else TYPES[task].replace("/image-", "/text-")
        row[JOB + _METADATA] = about | {
            "type": kind,
            "human-annotated": "yes",
            "creation-date": at,
            "job-name": "querist",
        }
    return row | {_OURS: ours}


_Written = tuple[Any, dict[str, Any]]


def _write_class(record: Record, numbers: Mapping[str, int]) -> _Written:
    if record.label == []:
        return [], {"class-map": {}}
    return numbers[record.label], {"class-name": record.label, "confidence": 1}


def _write_classes(record: Record, numbers: Mapping[str, int]) -> _Written:
    found = {str(numbers[name]): name for name in record.label}
    confidence = dict.fromkeys(found, 1)
    label = [numbers[name] for name in record.label]
    return label, {"class-map": found, "confidence-map": confidence}


def _write_boxes(record: Record, numbers: Mapping[str, int]) -> _Written:
    size = size_in(record.metadata)
    parts = [scaled(part, "pixel", size) for part in record.label]
    if any("box" not in part for part in parts):
        raise Unwritable("Ground Truth's boxes are no polygons")
    boxes = []
    for part in parts:
        left, top, width, height = part["box"]
        sides = {"left": left, "top": top, "width": width, "height": height}
        boxes.append({"class_id": numbers[part["class"]], **sides})
    label: dict[str, Any] = {"annotations": boxes, "image_size": []}
    if size is not None:
        label["image_size"] = [{"width": size[0], "height": size[1], "depth": 3}]
    names = {str(numbers[part["class"]]): part["class"] for part in parts}
    return label, {"class-map": names, "objects": [{"confidence": 1} for _ in parts]}


def _write_spans(record: Record, _numbers: Mapping[str, int]) -> _Written:
    entities = [
        {"startOffset": span["start"], "endOffset": span["end"], "label": span["class"]}
        for span in record.label
    ]
    labels = [{"label": name} for name in dict.fromkeys(one["label"] for one in entities)]
    about = {"entities": [{"confidence": 1} for _ in entities]}
    return {"annotations": {"entities": entities, "labels": labels}}, about


def _write_plain(record: Record, _numbers: Mapping[str, int]) -> _Written:
    return record.label, {}


_WRITERS: Mapping[str, Callable[[Record, Mapping[str, int]], _Written]] = {
    "classification": _write_class,
    "multi-label": _write_classes,
    "detection": _write_boxes,
    "tokens": _write_spans,
    "regression": _write_plain,
    "free": _write_plain,
}

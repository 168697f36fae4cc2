"""Label Studio's JSON: a list of tasks, each with ``data`` and ``annotations``.

A task without annotations is unlabelled, an annotation with an empty ``result`` says reviewed and
empty, one that ``was_cancelled`` is a skip. What this format has no place for (ids, groups,
metadata, names of annotators) stands in the task's ``meta``, which Label Studio keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO

from querist.pool.items import Broken, encoded
from querist.pool.manifests.boxes import Size, from_percent, percent
from querist.pool.manifests.cells import read_cell, write_cell
from querist.pool.manifests.file import Manifest, size_in
from querist.pool.manifests.json_stream import elements
from querist.pool.manifests.record import NOTHING, Record, Said, Unwritable
from querist.pool.manifests.rows import USUAL_URIS

_OURS = "querist"
_URI_KEYS = ("image", "audio", "video", *USUAL_URIS)


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of tasks, and the tasks that are none."""
    with manifest.open() as file:
        for number, task in enumerate(elements(file), 1):
            if isinstance(task, ValueError):
                yield Broken(manifest.uri, number, f"no JSON: {task}")
                return
            try:
                yield _record(manifest, number, task)
            except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
                what = f"not a task of Label Studio ({type(error).__name__}: {error})"
                yield Broken(manifest.uri, number, what)


def _record(manifest: Manifest, number: int, task: Mapping[str, Any]) -> Record:
    data = dict(task["data"])
    meta = task.get("meta") or {}
    ours = meta.get(_OURS) or {}
    uri, inline = _payload(data)
    metadata = {**data, **(ours.get("metadata") or {})}
    annotations = task.get("annotations") or task.get("completions") or []
    names = ours.get("by") or []
    said = []
    for place, annotation in enumerate(annotations):
        by = names[place] if len(names) == len(annotations) else _annotator(annotation)
        said.append(said_of(manifest.task, annotation, str(by) or manifest.options.by))
    identity = str(ours.get("id") or "") or (f"task-{task['id']}" if "id" in task else "")
    group = str(ours.get("group") or "")
    return Record(number, uri, identity, inline, metadata or NOTHING, group, tuple(said))


def _payload(data: dict[str, Any]) -> tuple[str, str | Mapping[str, Any] | None]:
    """URI or inline data, taken out of ``data``."""
    for name in _URI_KEYS:
        if isinstance(data.get(name), str) and data[name]:
            return str(data.pop(name)), None
    if isinstance(data.get("table"), dict):
        return "", data.pop("table")
    if isinstance(data.get("text"), str):
        return "", data.pop("text")
    raise ValueError("its data has no image, audio, text or table")


def _annotator(annotation: Mapping[str, Any]) -> str:
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        by = by.get("email") or by.get("id")
    return "" if by is None else str(by)


def said_of(task: str, annotation: Mapping[str, Any], by: str) -> Said:
    """What an annotation says, for a pool of this task.

    Raises:
        KeyError, IndexError, TypeError, ValueError: If it is none of Label Studio's.
    """
    result = annotation["result"]
    if annotation.get("was_cancelled"):
        reasons = [t for part in result for t in part["value"].get("text", ())]
        return Said(" ".join(map(str, reasons)), by, skip=True)
    # Relations and per-region remarks have no counterpart in a label.
    parts = [part for part in result if isinstance(part.get("value"), Mapping)]
    return Said(_READERS[task](parts) if parts else [], by)


def _classes(parts: list[Any]) -> Any:
    names = [name for part in parts for name in part["value"].get("choices", ())]
    return names[0] if len(names) == 1 else names


def _boxes(parts: list[Any]) -> Any:
    found = []
    for part in parts:
        value = part["value"]
        size = size_in({"width": part.get("original_width"), "height": part.get("original_height")})
        if "rectanglelabels" in value:
            numbers = [value["x"], value["y"], value["width"], value["height"]]
            one = {"class": value["rectanglelabels"][0]}
            one["box"], fraction = from_percent(numbers, size)
            if value.get("rotation"):
                one["rotation"] = value["rotation"]
        elif "polygonlabels" in value:
            numbers = [number for point in value["points"] for number in point]
            one = {"class": value["polygonlabels"][0]}
            one["polygon"], fraction = from_percent(numbers, size)
        else:
            continue
        found.append(one | ({"unit": "fraction"} if fraction else {}))
    return found


def _spans(parts: list[Any]) -> Any:
    return [
        {"class": name, "start": part["value"]["start"], "end": part["value"]["end"]}
        for part in parts
        for name in part["value"].get("labels", ())
    ]


def _number(parts: list[Any]) -> Any:
    for part in parts:
        value = part["value"]
        for name in ("number", "rating"):
            if name in value:
                return value[name]
    return _free(parts)


def _free(parts: list[Any]) -> Any:
    texts = [text for part in parts for text in part["value"].get("text", ())]
    return read_cell(str(texts[0])) if texts else [part["value"] for part in parts]


_READERS: Mapping[str, Callable[[list[Any]], Any]] = {
    "classification": _classes,
    "multi-label": lambda parts: [n for p in parts for n in p["value"].get("choices", ())],
    "detection": _boxes,
    "tokens": _spans,
    "regression": _number,
    "free": _free,
}


def write(file: TextIO, records: Iterable[Record], task: str, modality: str) -> Iterator[Broken]:
    """Write tasks; yields the records that cannot be."""
    first = True
    file.write("[")
    for record in records:
        try:
            text = encoded(task_of(record, task, modality))
        except Unwritable as reason:
            yield Broken(record.id, record.line, str(reason))
            continue
        file.write(("\n" if first else ",\n") + text)
        first = False
    file.write("\n]\n")


def task_of(record: Record, task: str, modality: str) -> dict[str, Any]:
    """A record as a task.

    Raises:
        Unwritable: If a label of it cannot be written.
    """
    payload = record.uri if record.inline is None else record.inline
    if record.inline is None:
        name = {"audio": "audio", "text": "url"}.get(modality, "image")
    else:
        name = "text" if isinstance(record.inline, str) else "table"
    annotations = [_annotation(record, said, task, name) for said in record.said]
    ours: dict[str, Any] = {"id": record.id, "by": [said.by for said in record.said]}
    if record.group:
        ours["group"] = record.group
    if record.metadata:
        ours["metadata"] = dict(record.metadata)
    return {"data": {name: payload}, "meta": {_OURS: ours}, "annotations": annotations}


def _annotation(record: Record, said: Said, task: str, to: str) -> dict[str, Any]:
    if said.skip:
        reason = [_part("reason", to, "textarea", {"text": [said.value]})] if said.value else []
        return {"result": reason, "was_cancelled": True}
    return {"result": result_of(said.value, record, task, to), "was_cancelled": False}


def result_of(value: Any, record: Record, task: str, to: str) -> list[dict[str, Any]]:
    """A label as the parts of an annotation or prediction.

    Args:
        value: The label.
        record: Of what item.
        task: The pool's.
        to: Name of what shows the item.
    """
    return [] if value == [] else list(_WRITERS[task](value, record, to))


def _part(name: str, to: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": to, "type": kind, "value": value}


def _write_classes(value: Any, _record: Record, to: str) -> Iterator[dict[str, Any]]:
    names = [value] if isinstance(value, str) else value
    yield _part("label", to, "choices", {"choices": names})


def _write_boxes(value: Any, record: Record, to: str) -> Iterator[dict[str, Any]]:
    size = size_in(record.metadata)
    for part in value:
        yield _write_box(percent(part, size), size, to)


def _write_box(part: dict[str, Any], size: Size | None, to: str) -> dict[str, Any]:
    if "box" in part:
        x, y, width, height = part["box"]
        value = {"x": x, "y": y, "width": width, "height": height}
        value |= {"rotation": part.get("rotation", 0), "rectanglelabels": [part["class"]]}
        made = _part("label", to, "rectanglelabels", value)
    else:
        numbers = part["polygon"]
        points = [list(pair) for pair in zip(numbers[0::2], numbers[1::2], strict=True)]
        value = {"points": points, "polygonlabels": [part["class"]]}
        made = _part("label", to, "polygonlabels", value)
    if size is not None:
        made |= {"original_width": size[0], "original_height": size[1]}
    return made


def _write_spans(value: Any, record: Record, to: str) -> Iterator[dict[str, Any]]:
    text = record.inline if isinstance(record.inline, str) else ""
    for span in value:
        start, end = span["start"], span["end"]
        about = {"start": start, "end": end, "text": text[start:end], "labels": [span["class"]]}
        yield _part("label", to, "labels", about)


def _write_number(value: Any, record: Record, to: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from _write_free(value, record, to)
    else:
        yield _part("label", to, "number", {"number": value})


def _write_free(value: Any, _record: Record, to: str) -> Iterator[dict[str, Any]]:
    yield _part("label", to, "textarea", {"text": [write_cell(value)]})


_WRITERS: Mapping[str, Callable[[Any, Record, str], Iterator[dict[str, Any]]]] = {
    "classification": _write_classes,
    "multi-label": _write_classes,
    "detection": _write_boxes,
    "tokens": _write_spans,
    "regression": _write_number,
    "free": _write_free,
}

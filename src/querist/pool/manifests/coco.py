"""COCO's JSON of object detection: ``images``, ``annotations`` and ``categories``.

An image without annotations may be reviewed and empty, or not looked at: COCO does not say. We
write ``querist: {"state": ...}`` into each image; of files without it ``without_annotations``
decides.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from querist.core.errors import ConfigError
from querist.pool.items import Broken, encoded
from querist.pool.manifests.boxes import bounds, scaled
from querist.pool.manifests.file import Manifest, size_in
from querist.pool.manifests.record import NOTHING, Record, Said, Unwritable

_OURS = "querist"
_STRUCTURE = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
_IMAGE = ("id", "file_name", "coco_url", _OURS)


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of images, with what is broken; the file is read as a whole."""
    with manifest.open() as file:
        try:
            found = json.load(file)
            images, annotations = found["images"], found.get("annotations") or []
            names = {one["id"]: one["name"] for one in found.get("categories") or []}
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{manifest.uri} is no COCO file: an object with lists of images, annotations "
                f"and categories ({type(error).__name__}: {error})."
            ) from error
    boxes: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for number, one in enumerate(annotations, 1):
        try:
            boxes[one["image_id"]].append(_box(one, names))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"annotation {number} cannot be used ({type(error).__name__}: {error})"
            yield Broken(manifest.uri, 0, what)
    for number, image in enumerate(images, 1):
        try:
            yield _record(manifest, number, image, boxes.pop(image["id"], []))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"not an image of COCO ({type(error).__name__}: {error})"
            yield Broken(manifest.uri, number, what)


def _box(one: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    box: dict[str, Any] = {"class": names[one["category_id"]]}
    segmentation = one.get("segmentation")
    ours = one.get(_OURS) or {}
    if one.get("bbox") and not ours.get("polygon_only"):
        box["box"] = list(one["bbox"])
    if isinstance(segmentation, list) and len(segmentation) == 1:
        box["polygon"] = list(segmentation[0])
    elif segmentation:  # several parts, or run lengths: kept as it is
        box["segmentation"] = segmentation
    if one.get("iscrowd"):
        box["iscrowd"] = one["iscrowd"]
    others = {name: value for name, value in one.items() if name not in (*_STRUCTURE, _OURS)}
    return box | others


def _record(
    manifest: Manifest, number: int, image: Mapping[str, Any], boxes: list[dict[str, Any]]
) -> Record:
    ours = image.get(_OURS) or {}
    state = ours.get("state")
    if state is None and not boxes:
        state = manifest.options.without_annotations
    by = str(ours.get("by") or manifest.options.by)
    said: tuple[Said, ...] = ()
    if state == "skipped":
        said = (Said("", by, skip=True),)
    elif boxes or state in ("empty", "labelled"):
        said = (Said(boxes, by),)
    metadata = {name: value for name, value in image.items() if name not in _IMAGE}
    metadata |= ours.get("metadata") or {}
    uri = image.get("file_name") or image.get("coco_url")
    return Record(
        number,
        str(uri),
        str(ours.get("id") or ""),
        None,
        metadata or NOTHING,
        str(ours.get("group") or ""),
        said,
    )


def write(file: TextIO, records: Iterable[Record], classes: tuple[str, ...]) -> Iterator[Broken]:
    """Write images and annotations; yields the records that cannot be.

    Images go to the file as they come; annotations, which come after all images in it, are kept
    as text until then.
    """
    numbers = {name: number for number, name in enumerate(classes, 1)}
    categories = [{"id": n, "name": name, "supercategory": ""} for name, n in numbers.items()]
    file.write('{"categories": ' + encoded(categories) + ',\n"images": [')
    annotations: list[str] = []
    number = 0
    for record in records:
        try:
            image, found = _image(record, number + 1, numbers, len(annotations))
        except Unwritable as reason:
            yield Broken(record.id, record.line, str(reason))
            continue
        number += 1
        file.write((",\n" if number > 1 else "\n") + encoded(image))
        annotations += [encoded(one) for one in found]
    file.write('\n],\n"annotations": [\n' + ",\n".join(annotations) + "\n]}\n")


def _image(
    record: Record, number: int, numbers: Mapping[str, int], before: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if record.inline is not None:
        raise Unwritable("COCO is of images, and this item is a text or table row")
    size = size_in(record.metadata)
    ours: dict[str, Any] = {"id": record.id, "state": record.state}
    if record.group:
        ours["group"] = record.group
    if record.metadata:
        ours["metadata"] = dict(record.metadata)
    image = {"id": number, "file_name": record.uri, _OURS: ours}
    if size is not None:
        image |= {"width": size[0], "height": size[1]}
    boxes = record.label or []
    found = [
        _annotation(scaled(part, "pixel", size), before + place, number, numbers)
        for place, part in enumerate(boxes, 1)
    ]
    return image, found


def _annotation(
    part: dict[str, Any], number: int, image: int, numbers: Mapping[str, int]
) -> dict[str, Any]:
    box, polygon = part.get("box"), part.get("polygon")
    made: dict[str, Any] = {"id": number, "image_id": image}
    made["category_id"] = numbers[part["class"]]
    if box is None and polygon is not None:
        made[_OURS] = {"polygon_only": True}
        box = bounds(polygon)
    made["bbox"] = box
    made["area"] = box[2] * box[3] if box is not None else 0
    made["iscrowd"] = part.get("iscrowd", 0)
    segmentation = [polygon] if polygon is not None else part.get("segmentation", [])
    others = {
        name: value for name, value in part.items() if name not in ("class", "box", "polygon")
    }
    return others | made | {"segmentation": segmentation}

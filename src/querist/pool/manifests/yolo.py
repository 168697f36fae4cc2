"""YOLO folders as Ultralytics reads them: ``data.yaml``, ``images/``, and a text file an image.

An empty label file says reviewed and empty; an image without one is unlabelled. Images are links
to local files, or missing where an item is elsewhere; ``items.jsonl`` has ids, URIs and metadata.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from querist.core.errors import ConfigError
from querist.pool.items import Broken, encoded
from querist.pool.manifests.boxes import scaled
from querist.pool.manifests.file import Manifest, located, size_in
from querist.pool.manifests.record import NOTHING, Record, Said, Unwritable
from querist.sources.source import SourceError
from querist.sources.uris import local_path, scheme_of
from querist.store.files import safe_name

SETTINGS = "data.yaml"
_ITEMS = "items.jsonl"
_SPLITS = ("train", "val", "test")
_IMAGES = re.compile(r"\.(bmp|dng|heic|jpe?g|jp2|mpo|pfm|png|tiff?|webp)$", re.IGNORECASE)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of images, with what is broken.

    Raises:
        ConfigError: If ``data.yaml`` cannot be used.
    """
    folder = manifest.uri.rstrip("/") + "/"
    if folder.endswith((".yaml/", ".yml/")):
        settings, folder = folder.rstrip("/"), folder[: folder.rstrip("/").rfind("/") + 1]
    else:
        settings = folder + SETTINGS
    about = _settings(manifest, settings)
    names = _names(about, settings)
    if manifest.exists(folder + _ITEMS):
        yield from _ours(manifest, folder, names)
        return
    root = located(str(about["path"]), folder).rstrip("/") + "/" if about.get("path") else folder
    for split in _SPLITS:
        places = about.get(split) or []
        for place in [places] if isinstance(places, str) else places:
            yield from _split(manifest, located(place, root), split, names)


def _settings(manifest: Manifest, uri: str) -> Mapping[str, Any]:
    with manifest.open(uri) as file:
        try:
            found = yaml.safe_load(file.read())
        except yaml.YAMLError as error:
            raise ConfigError(f"{uri} is no YAML: {error}") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{uri} should hold a mapping with names, train and val.")
    return found


def _names(about: Mapping[str, Any], where: str) -> dict[int, str]:
    names = about.get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, Mapping) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    raise ConfigError(f"{where} has no 'names': a list of classes, or numbers with their names.")


def _split(
    manifest: Manifest, place: str, split: str, names: Mapping[int, str]
) -> Iterator[Record | Broken]:
    for number, image in enumerate(_images(manifest, place), 1):
        try:
            said = _said(manifest, _label_uri(image), names)
        except (SourceError, ValueError, KeyError, IndexError) as error:
            yield Broken(image, 0, f"its labels cannot be read ({type(error).__name__}: {error})")
            continue
        yield Record(number, image, metadata={"split": split}, said=said)


def _images(manifest: Manifest, place: str) -> Iterator[str]:
    """The images of a folder, or those that a text file lists."""
    if place.endswith(".txt"):
        for _, line in manifest.beside(place).lines():
            if line.strip():
                yield located(line.decode().strip(), place[: place.rfind("/") + 1])
        return
    for entry in manifest.listing(place):
        if _IMAGES.search(entry.uri):
            yield entry.uri


def _label_uri(image: str) -> str:
    """Where the labels of an image are: "images" becomes "labels", as everybody has it."""
    head, found, tail = image.rpartition("/images/")
    moved = f"{head}/labels/{tail}" if found else image
    return _SUFFIX.sub("", moved) + ".txt"


def _said(manifest: Manifest, uri: str, names: Mapping[int, str]) -> tuple[Said, ...]:
    if not manifest.exists(uri):
        return ()
    with manifest.open(uri) as file:
        lines = file.read().decode().split("\n")
    boxes = [_box(line.split(), names) for line in lines if line.strip()]
    return (Said(boxes, manifest.options.by),)


def _box(cells: list[str], names: Mapping[int, str]) -> dict[str, Any]:
    name, numbers = names[int(cells[0])], [float(cell) for cell in cells[1:]]
    if len(numbers) in (4, 5):  # the fifth is a confidence
        x, y, width, height = numbers[:4]
        box = [x - width / 2, y - height / 2, width, height]
        return {"class": name, "box": box, "unit": "fraction"}
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(f"neither a box nor a polygon: {' '.join(cells)[:100]}")
    return {"class": name, "polygon": numbers, "unit": "fraction"}


def _ours(manifest: Manifest, folder: str, names: Mapping[int, str]) -> Iterator[Record | Broken]:
    """What we wrote ourselves: ids and URIs stand in a list beside."""
    for number, line in manifest.beside(folder + _ITEMS).lines():
        try:
            item = json.loads(line)
            said = _said(manifest, located(f"labels/{item['stem']}.txt", folder), names)
            by = str(item.get("by") or manifest.options.by)
            if item.get("state") == "skipped":
                said = (Said("", by, skip=True),)
            metadata = item.get("metadata") or NOTHING
            group = str(item.get("group") or "")
            yield Record(
                number, item["uri"], item["id"], None, metadata, group,
                tuple(one._replace(by=by) for one in said),
            )  # fmt: skip
        except (SourceError, ValueError, KeyError, IndexError, TypeError) as error:
            yield Broken(manifest.uri, number, f"{type(error).__name__}: {error}")


def write(folder: Path, records: Iterable[Record], classes: tuple[str, ...]) -> Iterator[Broken]:
    """Write a folder, which is there and empty; yields the records that cannot be."""
    images, labels = folder / "images", folder / "labels"
    images.mkdir()
    labels.mkdir()
    numbers = {name: number for number, name in enumerate(classes)}
    about = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(classes))}
    (folder / SETTINGS).write_text(
        yaml.safe_dump(about, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    with (folder / _ITEMS).open("w", encoding="utf-8", newline="\n") as listed:
        for record in records:
            try:
                stem, lines = _lines(record, numbers)
            except Unwritable as reason:
                yield Broken(record.id, record.line, str(reason))
                continue
            if lines is not None:
                (labels / f"{stem}.txt").write_text("".join(lines), encoding="utf-8")
            _link(images, stem, record.uri)
            listed.write(_item(record, stem) + "\n")


def _item(record: Record, stem: str) -> str:
    about = {"stem": stem, "id": record.id, "uri": record.uri, "state": record.state}
    if record.group:
        about["group"] = record.group
    return encoded(about | ({"metadata": dict(record.metadata)} if record.metadata else {}))


def _link(images: Path, stem: str, uri: str) -> None:
    """A link to a local image, so that trainers find it; nothing for others.

    A file system without links (exFAT) gets a copy.
    """
    if scheme_of(uri) == "file":
        suffix, image = _IMAGES.search(uri), os.fsdecode(local_path(uri))
        place = images / f"{stem}{suffix[0].lower() if suffix else ''}"
        try:
            place.symlink_to(image)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            with suppress(FileNotFoundError):
                shutil.copyfile(image, place)


def _lines(record: Record, numbers: Mapping[str, int]) -> tuple[str, list[str] | None]:
    if record.inline is not None:
        raise Unwritable("YOLO is of images, and this item is a text or table row")
    stem = safe_name(record.id)
    if record.label is None:
        return stem, None
    size = size_in(record.metadata)
    return stem, [_line(scaled(part, "fraction", size), numbers) for part in record.label]


def _line(part: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    if "polygon" in part:
        shape = part["polygon"]
    else:
        left, top, width, height = part["box"]
        shape = [left + width / 2, top + height / 2, width, height]
    return " ".join([str(numbers[part["class"]]), *(repr(float(n)) for n in shape)]) + "\n"

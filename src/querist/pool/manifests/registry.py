"""The formats of manifests by name, and telling which one a URI is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TextIO

from querist.core.errors import ConfigError
from querist.pool.items import Broken
from querist.pool.manifests import (
    arrow,
    coco,
    conll,
    csv_rows,
    ground_truth,
    jsonl,
    label_studio,
    yolo,
)
from querist.pool.manifests.file import Manifest
from querist.pool.manifests.record import Record
from querist.sources.nearest import nearest


@dataclass(frozen=True)
class Target:
    """Where and what a manifest is written for.

    Attributes:
        path: A hidden file that becomes the manifest, or a folder, which is empty.
        records: Gives the records anew at each call.
        task: The pool's.
        classes: The pool's.
        modality: image, text, table or audio.
    """

    path: Path
    records: Callable[[], Iterable[Record]]
    task: str
    classes: tuple[str, ...]
    modality: str

    def text(self) -> TextIO:
        """The file, for writing."""
        return self.path.open("w", encoding="utf-8", newline="")


class Format(NamedTuple):
    """A format.

    Attributes:
        read: Gives records, and what is broken.
        write: Writes a target; gives the records that cannot be.
        suffixes: Of its files.
        tasks: Of which labels it can hold; none for all.
        folder: Whether it is a folder.
    """

    read: Callable[[Manifest], Iterator[Record | Broken]]
    write: Callable[[Target], Iterator[Broken]]
    suffixes: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    folder: bool = False


def _write_csv(delimiter: str) -> Callable[[Target], Iterator[Broken]]:
    def write(target: Target) -> Iterator[Broken]:
        with target.text() as file:
            csv_rows.write(
                file,
                csv_rows.header_of(target.records()),
                target.records(),
                csv_rows.Dialect(target.task, delimiter),
            )
        yield from ()

    return write


def _write_jsonl(target: Target) -> Iterator[Broken]:
    with target.text() as file:
        jsonl.write(file, target.records())
    yield from ()


def _write_label_studio(target: Target) -> Iterator[Broken]:
    with target.text() as file:
        yield from label_studio.write(file, target.records(), target.task, target.modality)


def _write_coco(target: Target) -> Iterator[Broken]:
    with target.text() as file:
        yield from coco.write(file, target.records(), target.classes)


def _write_conll(target: Target) -> Iterator[Broken]:
    with target.text() as file:
        yield from conll.write(file, target.records())


def _write_ground_truth(target: Target) -> Iterator[Broken]:
    with target.text() as file:
        yield from ground_truth.write(file, target.records(), target.classes, target.task)


def _write_parquet(target: Target) -> Iterator[Broken]:
    yield from arrow.write_parquet(target.path, target.records(), target.classes, target.task)


def _write_dataset(target: Target) -> Iterator[Broken]:
    yield from arrow.write_dataset(target.path, target.records(), target.classes, target.task)


def _write_yolo(target: Target) -> Iterator[Broken]:
    yield from yolo.write(target.path, target.records(), target.classes)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format(csv_rows.read, _write_csv(","), (".csv",)),
        "tsv": Format(csv_rows.read_tabs, _write_csv("\t"), (".tsv",)),
        "jsonl": Format(jsonl.read, _write_jsonl, (".jsonl", ".ndjson")),
        "parquet": Format(arrow.read_parquet, _write_parquet, (".parquet", ".pq")),
        "label_studio": Format(label_studio.read, _write_label_studio),
        "coco": Format(coco.read, _write_coco, tasks=("detection",)),
        "yolo": Format(yolo.read, _write_yolo, tasks=("detection",), folder=True),
        "conll": Format(conll.read, _write_conll, (".conll", ".iob", ".bio"), ("tokens",)),
        "huggingface": Format(arrow.read_dataset, _write_dataset, folder=True),
        "ground_truth": Format(ground_truth.read, _write_ground_truth, (".manifest",)),
    }
)


def format_named(name: str) -> Format:
    """A format.

    Raises:
        ConfigError: With the nearest known name.
    """
    if name not in FORMATS:
        raise ConfigError(
            f"There is no format {name!r}.{nearest(name, FORMATS)} Known: {', '.join(FORMATS)}."
        )
    return FORMATS[name]


def detect(manifest: Manifest) -> str:
    """The format of what is at a URI; "" where it is no manifest, but an item or a folder of them.

    Raises:
        ConfigError: For a JSON file that is neither COCO's nor Label Studio's.
    """
    lower = manifest.uri.lower()
    for name, format in FORMATS.items():
        if lower.endswith(format.suffixes or ("\0",)):
            return name
    if lower.endswith(".json"):
        return _json_format(manifest)
    folder = manifest.uri.rstrip("/") + "/"
    if lower.startswith("file:"):
        if any(manifest.exists(folder + name) for name in (arrow.STATE, arrow.SPLITS)):
            return "huggingface"
        if lower.endswith((yolo.SETTINGS,)) or manifest.exists(folder + yolo.SETTINGS):
            return "yolo"
    return ""


def _json_format(manifest: Manifest) -> str:
    with manifest.open() as file:
        start = file.read(4096).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return "label_studio"
    if start.startswith("{"):
        return "coco"
    raise ConfigError(
        f"{manifest.uri} is neither a list (Label Studio) nor an object (COCO). "
        "Name its format, or give format='listing' if it is an item."
    )


def format_of_path(path: Path) -> str:
    """The format that a name stands for.

    Raises:
        ConfigError: If it could be several, or none.
    """
    name = path.name.lower()
    found = [n for n, format in FORMATS.items() if name.endswith(format.suffixes or ("\0",))]
    if not found:
        raise ConfigError(
            f"{path.name!r} does not say which format to write; name one: {', '.join(FORMATS)}."
        )
    return found[0]

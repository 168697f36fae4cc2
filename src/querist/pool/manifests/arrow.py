"""Parquet files and Hugging Face datasets on disk, both through Apache Arrow.

A Hugging Face dataset is a folder with ``dataset_info.json``, ``state.json`` and Arrow streams, or
one with ``dataset_dict.json`` and such a folder a split. A null label is unlabelled; ``state`` says
what a null of ours is else. -1 for a class is unlabelled, as their test splits have it.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, require
from querist.pool.items import Broken, encoded
from querist.pool.manifests.conll import spans_of
from querist.pool.manifests.file import Manifest
from querist.pool.manifests.record import Record, Unwritable
from querist.pool.manifests.rows import Columns, row_of

_NEEDED_FOR = "reading and writing Parquet and Hugging Face datasets"
_ROWS = 2000
_JSON = ("table", "metadata", "said")
_TEXTS = ("id", "uri", "text", "table", "group", "state", "said", "metadata")
INFO, STATE, SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"


def read_parquet(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of a Parquet file."""
    parquet = require("pyarrow.parquet", "parquet", _NEEDED_FOR)
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    with manifest.open() as file:
        try:
            found = parquet.ParquetFile(file)
            batches = found.iter_batches(batch_size=_ROWS)
            names = tuple(found.schema_arrow.names)
            yield from _records(manifest, names, batches, {}, "")
        except (arrow.ArrowException, OSError) as error:
            raise ConfigError(f"{manifest.uri} cannot be read as Parquet: {error}.") from error


def read_dataset(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of a Hugging Face dataset that ``save_to_disk`` wrote."""
    folder = manifest.uri.rstrip("/") + "/"
    if manifest.exists(folder + SPLITS):
        for split in _json(manifest, folder + SPLITS)["splits"]:
            yield from _read_split(manifest, f"{folder}{split}/", str(split))
    else:
        yield from _read_split(manifest, folder, "")


def _read_split(manifest: Manifest, folder: str, split: str) -> Iterator[Record | Broken]:
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    ipc = require("pyarrow.ipc", "parquet", _NEEDED_FOR)
    features = _json(manifest, folder + INFO).get("features") or {}
    for part in _json(manifest, folder + STATE)["_data_files"]:
        with manifest.open(folder + part["filename"]) as file:
            try:
                stream = ipc.open_stream(file)
                names = tuple(stream.schema.names)
                yield from _records(manifest, names, stream, features, split)
            except (arrow.ArrowException, OSError) as error:
                name = folder + part["filename"]
                raise ConfigError(f"{name} cannot be read as Arrow: {error}.") from error


def _json(manifest: Manifest, uri: str) -> Any:
    with manifest.open(uri) as file:
        try:
            return json.load(file)
        except ValueError as error:
            raise ConfigError(f"{uri} is no JSON: {error}.") from error


def _records(
    manifest: Manifest,
    names: tuple[str, ...],
    batches: Iterable[Any],
    features: Mapping[str, Any],
    split: str,
) -> Iterator[Record | Broken]:
    read = row_reader(names, manifest.options.columns, features, manifest.task)
    line = 0
    for batch in batches:
        for row in batch.to_pylist():
            line += 1
            try:
                record = read(line, row)
            except (ValueError, TypeError, IndexError) as error:
                yield Broken(manifest.uri, line, str(error))
                continue
            if split and "split" not in record.metadata:
                record = record._replace(metadata={**record.metadata, "split": split})
            yield record


def row_reader(
    names: tuple[str, ...], chosen: Mapping[str, str], features: Mapping[str, Any], task: str
) -> Callable[[int, dict[str, Any]], Record]:
    """Makes a record of a number and a row.

    Args:
        names: The columns that there are.
        chosen: Role -> column, by the user.
        features: What a Hugging Face dataset says of its columns, as in its JSON.
        task: The pool's.

    Raises:
        ConfigError: For a role or column that there is not.
    """
    if task == "tokens" and "tokens" in names:
        names = (*(name for name in names if name != "tokens"), "text")
    columns = Columns(names, _usual(names, task) | dict(chosen), False, task)
    classes = {name: found for name in names if (found := _class_names(features.get(name)))}
    return lambda line, row: columns.record(line, _plain(row, classes, task))


def _usual(names: tuple[str, ...], task: str) -> dict[str, str]:
    """The usual names of labels in datasets of boxes and of tokens."""
    usual = {"detection": ("objects",), "tokens": ("ner_tags", "tags")}.get(task, ())
    found = [name for name in usual if name in names and "label" not in names]
    return {"label": found[0]} if found else {}


def _class_names(feature: Any) -> Sequence[str]:
    """The names of a ClassLabel, also inside lists and mappings of a feature."""
    if isinstance(feature, Mapping):
        if feature.get("_type") == "ClassLabel":
            return list(feature.get("names") or ())
        for inner in feature.values():
            if found := _class_names(inner):
                return found
    if isinstance(feature, list):
        return _class_names(feature[0]) if feature else ()
    return ()


def _plain(row: dict[str, Any], classes: Mapping[str, Sequence[str]], task: str) -> dict[str, Any]:
    """A row with names for numbers of classes, URIs for images, spans for tags and boxes."""
    plain = {name: _media(value) for name, value in row.items()}
    for name, names in classes.items():
        plain[name] = _named(plain[name], names)
    if task == "detection" and isinstance(plain.get("objects"), Mapping):
        plain["objects"] = _boxes(plain["objects"])
    if task == "tokens" and isinstance(plain.get("tokens"), list):
        _spell(plain)
    for name in _JSON:
        if isinstance(plain.get(name), str):
            plain[name] = json.loads(plain[name])
    if task in ("regression", "free", "detection", "tokens") and isinstance(
        plain.get("label"), str
    ):
        plain["label"] = json.loads(plain["label"])
    return plain


def _media(value: Any) -> Any:
    """Images and sounds as their path, or as a data URI where the bytes are in the file."""
    if isinstance(value, Mapping) and set(value) <= {"bytes", "path", "array", "sampling_rate"}:
        if value.get("bytes") is not None:
            return "data:;base64," + base64.b64encode(value["bytes"]).decode()
        return value.get("path") or ""
    return value


def _named(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return names[value] if value >= 0 else None
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    if isinstance(value, Mapping):
        numbers = ("category", "categories", "label", "labels")
        return {n: _named(v, names) if n in numbers else v for n, v in value.items()}
    return value


def _boxes(objects: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = objects.get("category", objects.get("label"))
    if found is None or "bbox" not in objects:
        raise ValueError("'objects' has no bbox or no category")
    pairs = zip(found, objects["bbox"], strict=True)
    return [{"class": str(name), "box": list(box)} for name, box in pairs]


def _spell(plain: dict[str, Any]) -> None:
    """Tokens and tags as a text and spans; what is not a tag of a token stays."""
    tokens = [str(token) for token in plain.pop("tokens")]
    plain["text"] = " ".join(tokens)
    at, places = 0, []
    for token in tokens:
        places.append((at, at + len(token)))
        at += len(token) + 1
    for name in ("ner_tags", "tags"):
        if isinstance(plain.get(name), list):
            plain[name] = spans_of([str(tag) for tag in plain[name]], places)


def write_parquet(
    path: Path, records: Iterable[Record], classes: tuple[str, ...], task: str
) -> Iterator[Broken]:
    """Write a Parquet file; yields the records that cannot be."""
    parquet = require("pyarrow.parquet", "parquet", _NEEDED_FOR)
    schema = _schema(task, classes, with_features=False)
    with parquet.ParquetWriter(path, schema) as writer:
        yield from _write(writer, schema, records, (), task)


def write_dataset(
    folder: Path, records: Iterable[Record], classes: tuple[str, ...], task: str
) -> Iterator[Broken]:
    """Write a dataset for ``load_from_disk`` into a folder; yields the records that cannot be."""
    ipc = require("pyarrow.ipc", "parquet", _NEEDED_FOR)
    name = "data-00000-of-00001.arrow"
    schema = _schema(task, classes, with_features=True)
    with (folder / name).open("wb") as file, ipc.new_stream(file, schema) as writer:
        yield from _write(writer, schema, records, classes, task)
    info = {"citation": "", "description": "", "features": _features(task, classes)}
    state: dict[str, Any] = {
        "_data_files": [{"filename": name}],
        "_fingerprint": uuid.uuid4().hex[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    for file_name, about in ((INFO, info | {"homepage": "", "license": ""}), (STATE, state)):
        (folder / file_name).write_text(json.dumps(about, indent=2), encoding="utf-8")


def _write(
    writer: Any, schema: Any, records: Iterable[Record], classes: tuple[str, ...], task: str
) -> Iterator[Broken]:
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    numbers = {name: number for number, name in enumerate(classes)}
    rows: list[dict[str, Any]] = []
    for record in records:
        try:
            rows.append(_row(record, numbers, task))
        except Unwritable as reason:
            yield Broken(record.id, record.line, str(reason))
        if len(rows) == _ROWS:
            writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema))
            rows = []
    if rows:
        writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema))


def _row(record: Record, numbers: Mapping[str, int], task: str) -> dict[str, Any]:
    row = row_of(record)
    for name in _JSON:
        if name in row:
            row[name] = encoded(row[name])
    if "label" not in row:
        return row
    label = row["label"]
    if task == "classification":
        row["label"] = None if label == [] else numbers.get(label, label)
    elif task == "multi-label":
        row["label"] = [numbers.get(name, name) for name in label]
    else:
        row["label"] = encoded(label)
    return row


def _schema(task: str, classes: tuple[str, ...], with_features: bool) -> Any:
    """Class labels are numbers in datasets, whose features name them, and texts in Parquet."""
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    one = arrow.int64() if with_features and classes else arrow.string()
    kinds = {"classification": one, "multi-label": arrow.list_(one)}
    fields = [(name, arrow.string()) for name in _TEXTS]
    fields.append(("label", kinds.get(task, arrow.string())))
    schema = arrow.schema(fields)
    if not with_features:
        return schema
    info = {"info": {"features": _features(task, classes)}}
    return schema.with_metadata({"huggingface": json.dumps(info)})


def _features(task: str, classes: tuple[str, ...]) -> dict[str, Any]:
    text = {"dtype": "string", "_type": "Value"}
    one = {"names": list(classes), "_type": "ClassLabel"} if classes else text
    label: Mapping[str, Any] = text
    if task == "classification":
        label = one
    elif task == "multi-label":
        label = {"feature": one, "_type": "Sequence"}
    return dict.fromkeys(_TEXTS, text) | {"label": label}

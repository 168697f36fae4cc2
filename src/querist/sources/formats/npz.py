"""NumPy archives (``.npz``), never with pickle.

As written here: ``input.<name>`` and ``output.<name>`` hold ``(n, ...)`` arrays where all samples
have one shape; otherwise ``input.<name>/data``, ``/offsets`` and ``/shapes`` hold them back to back
(:func:`querist.core.events.pack_batch`). ``purpose`` and ``level`` are ``(n,)`` texts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ShapeError
from querist.core.events import pack_batch, unpack_batch
from querist.sources.formats.fields import Names, choose, labelled, replacing
from querist.sources.formats.units import converted

_PACKED = ("/data", "/offsets", "/shapes")


def read(
    path: Path,
    *,
    inputs: Names = None,
    outputs: Names = None,
    shared: Sequence[str] = (),
) -> Dataset:
    """Read an archive.

    Archives of sGDML (``R``, ``z``, ``E``, ``F`` and their units) are known.

    Args:
        path: Of the file.
        inputs: Which arrays are inputs: names, or our name -> the file's.
        outputs: Which arrays are outputs, likewise.
        shared: Our names of arrays that stand once for all samples (the elements of one molecule).

    Raises:
        ConfigError: If it is no archive, holds Python objects, or lacks an array.
    """
    arrays = _load(path)
    keys = {_base(key) for key in arrays} - {"purpose", "level", "input.", "output."}
    if inputs is None and outputs is None and keys >= {"R", "z", "E"}:
        return _sgdml(path, arrays)
    chosen = choose(path, keys, inputs, outputs)
    count = _count(arrays, [k for part in chosen for our, k in part.items() if our not in shared])
    made = []
    for part in chosen:
        columns = {}
        for our, key in part.items():
            columns[our] = _column(path, arrays, key, count if our in shared else None)
        made.append(columns)
    uris = unpack_batch(arrays, "input.").uris if "input./uris" in arrays else None
    try:
        batches = Batch(made[0], uris=uris), Batch(made[1])
    except ShapeError as error:
        raise ConfigError(
            f"{path}: {error} Arrays that stand once for all samples are named with shared=[...]."
        ) from error
    return labelled(path, *batches, arrays.get("purpose", ()), arrays.get("level", ()))


def write(path: Path, dataset: Dataset) -> None:
    """Write an archive."""
    arrays = {**_pack(dataset.inputs, "input."), **_pack(dataset.outputs, "output.")}
    arrays |= {"purpose": np.array(dataset.purposes), "level": np.array(dataset.levels)}
    with replacing(path) as hidden, hidden.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _pack(batch: Batch, prefix: str) -> dict[str, Array]:
    uniform = {name: column for name, column in batch.columns.items() if column.is_uniform}
    ragged = {name: column for name, column in batch.columns.items() if name not in uniform}
    packed = pack_batch(Batch(ragged, uris=batch.uris), prefix)
    return packed | {f"{prefix}{name}": column.uniform for name, column in uniform.items()}


def _load(path: Path) -> dict[str, Array]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ConfigError(f"{path} holds one array, not an archive of named ones (.npz).")
        with archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ConfigError(
            f"{path} cannot be read as an archive of arrays ({error}). Arrays of Python objects "
            "are refused, because reading them runs the code of whoever wrote them; save numbers."
        ) from error


def _base(key: str) -> str:
    """The name of an array, or of the three that hold a packed one."""
    head, slash, tail = key.rpartition("/")
    return head if slash + tail in _PACKED or slash + tail == "/uris" else key


def _count(arrays: Mapping[str, Array], keys: Sequence[str]) -> int:
    for key in keys:
        if key in arrays and arrays[key].ndim:
            return len(arrays[key])
        if f"{key}/offsets" in arrays:
            return len(arrays[f"{key}/offsets"]) - 1
    return 1


def _column(path: Path, arrays: Mapping[str, Array], key: str, repeat: int | None) -> Column:
    if key not in arrays:
        return _unpacked(path, arrays, key)
    values = arrays[key]
    if repeat is not None:
        values = np.broadcast_to(values, (repeat, *values.shape))
    try:
        return Column.stack(values, key)
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _unpacked(path: Path, arrays: Mapping[str, Array], key: str) -> Column:
    missing = [key + part for part in _PACKED if key + part not in arrays]
    if missing:
        raise ConfigError(f"{path} lacks {missing}, which belong to the packed array {key!r}.")
    column = unpack_batch({f"x{part}": arrays[key + part] for part in _PACKED}).columns["x"]
    _check_packed(path, key, column)
    return column


def _check_packed(path: Path, key: str, column: Column) -> None:
    """Offsets and shapes of a foreign file must fit, or views would be taken of other samples."""
    flat = column.data.ndim == 1 and column.offsets.ndim == 1 and column.shapes.ndim == 2
    sizes = column.shapes.prod(axis=1) if flat else None
    fits = (
        sizes is not None
        and len(column.offsets) == len(column.shapes) + 1
        and column.offsets[0] == 0
        and column.offsets[-1] == len(column.data)
        and bool((column.shapes >= 0).all())
        and bool((np.diff(column.offsets) == sizes).all())
    )
    if not fits:
        raise ConfigError(f"{path}: offsets and shapes of {key!r} do not fit its data.")


def _sgdml(path: Path, arrays: Mapping[str, Array]) -> Dataset:
    """One molecule, as https://docs.sgdml.org describes it; kcal/mol and Angstrom by default."""
    outputs = {"energy": "E"} | ({"forces": "F"} if "F" in arrays else {})
    inputs = {"numbers": "z", "positions": "R"}
    dataset = read(path, inputs=inputs, outputs=outputs, shared=["numbers"])
    levels = (str(arrays.get("theory", "")),) * len(dataset)
    told = Dataset(dataset.inputs, dataset.outputs, dataset.purposes, levels)
    length = str(arrays.get("r_unit", "A"))
    energy = str(arrays.get("e_unit", "kcal/mol"))
    return converted(told, energy, "A" if length == "Ang" else length)

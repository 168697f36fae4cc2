"""NumPy archives: plain ``(n, ...)`` arrays where samples have one shape, packed where not.

Written uniform: one array a field under its own name, so that ``numpy.load`` is all that anybody
needs. Written ragged: a batch as :func:`querist.core.events.pack_batch` flattens it, with the
prefixes ``in/`` and ``out/``. In both, ``querist/about`` says which fields are inputs and which
are outputs. Nothing is ever pickled or unpickled.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.atoms import INPUTS
from querist.core.batch import Array, Batch
from querist.core.errors import ShapeError
from querist.core.events import pack_batch, unpack_batch
from querist.sources.formats.frames import OUTPUTS, ReadOptions, renamed
from querist.sources.formats.units import converted

OWN = "querist/"
SGDML = {"numbers": "z", "positions": "R", "energy": "E", "forces": "F"}
"""The names in archives of sGDML and of the MD17 sets."""


def read(path: Path, options: ReadOptions) -> Dataset:
    """Read an archive, whether written here or elsewhere.

    From elsewhere it holds ``(n, ...)`` arrays; fields are told by ``inputs`` and ``outputs``, by
    the names of the atoms schema, or by those of sGDML (with the units that the file names).

    Raises:
        ShapeError: If inputs cannot be told from outputs, a field is missing, or one is pickled.
    """
    arrays = _arrays(path)
    if f"{OWN}about" in arrays and options.inputs is None and options.outputs is None:
        return _own(arrays)
    if options.inputs is None and options.outputs is None and set(SGDML.values()) <= set(arrays):
        return _sgdml(arrays)
    return _foreign(path, arrays, options)


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except ValueError as error:
        raise ShapeError(
            f"{path} holds Python objects, which are not loaded from files ({error}); save ragged "
            "data with querist, or one file a shape."
        ) from error


def _own(arrays: Mapping[str, Array]) -> Dataset:
    about = json.loads(str(arrays[f"{OWN}about"]))
    if about["packed"]:
        inputs, outputs = unpack_batch(arrays, "in/"), unpack_batch(arrays, "out/")
    else:
        inputs, outputs = (
            Batch.stack(**{name: arrays[name] for name in about[kind]})
            for kind in ("inputs", "outputs")
        )
    uris = tuple(str(uri) or None for uri in arrays.get(f"{OWN}uris", ()))
    return Dataset(
        Batch(inputs.columns, None, uris or None),
        outputs,
        tuple(str(purpose) for purpose in arrays[f"{OWN}purposes"]),
        tuple(str(level) for level in arrays[f"{OWN}levels"]),
        int(about["version"]),
    )


def _sgdml(arrays: Mapping[str, Array]) -> Dataset:
    count = len(arrays["R"])
    inputs = {
        "numbers": np.tile(np.asarray(arrays["z"], np.int64), (count, 1)),
        "positions": np.asarray(arrays["R"], np.float64),
    }
    outputs = {
        "energy": np.asarray(arrays["E"], np.float64).reshape(count),
        "forces": np.asarray(arrays["F"], np.float64),
    }
    dataset = Dataset(Batch.stack(**inputs), Batch.stack(**outputs))
    # The format's defaults; files say it where they differ.
    energy, length = _text(arrays, "e_unit", "kcal/mol"), _text(arrays, "r_unit", "Ang")
    return converted(dataset, energy, "Angstrom" if length.lower().startswith("ang") else length)


def _text(arrays: Mapping[str, Array], name: str, otherwise: str) -> str:
    value: Any = arrays[name].item() if name in arrays else otherwise
    return value.decode() if isinstance(value, bytes) else str(value)


def _foreign(path: Path, arrays: Mapping[str, Array], options: ReadOptions) -> Dataset:
    inputs = renamed(options.inputs) or {name: name for name in INPUTS if name in arrays}
    outputs = renamed(options.outputs) or {name: name for name in OUTPUTS if name in arrays}
    if not inputs or not outputs:
        raise ShapeError(
            f"{path}: give inputs= and outputs= to tell samples from labels; it has "
            f"{sorted(arrays)}."
        )
    missing = sorted({*inputs.values(), *outputs.values()} - set(arrays))
    if missing:
        raise ShapeError(f"{path} has no field {missing[0]!r}; it has {sorted(arrays)}.")
    taken = {name: arrays[key] for name, key in inputs.items()}
    if "numbers" in taken and taken["numbers"].ndim == 1 and "positions" in taken:
        taken["numbers"] = np.tile(taken["numbers"], (len(taken["positions"]), 1))
    labels = {name: arrays[key] for name, key in outputs.items()}
    return Dataset(Batch.stack(**taken), Batch.stack(**labels))


def write(path: Path, dataset: Dataset) -> None:
    """Write an archive, plain where all samples have one shape."""
    inputs, outputs = dataset.inputs, dataset.outputs
    columns = [*inputs.columns.values(), *outputs.columns.values()]
    shared = set(inputs.columns) & set(outputs.columns)
    strange = [n for n in (*inputs.columns, *outputs.columns) if n.startswith(OWN) or "/" in n]
    packed = bool(shared or strange) or not all(column.is_uniform for column in columns)
    if packed:
        arrays = {**pack_batch(inputs, "in/"), **pack_batch(outputs, "out/")}
    else:
        arrays = {name: batch[name] for batch in (inputs, outputs) for name in batch.columns}
    about = {
        "packed": packed,
        "inputs": list(inputs.columns),
        "outputs": list(outputs.columns),
        "version": dataset.version,
    }
    arrays[f"{OWN}about"] = np.array(json.dumps(about))
    arrays[f"{OWN}purposes"] = np.array(dataset.purposes, np.str_)
    arrays[f"{OWN}levels"] = np.array(dataset.levels, np.str_)
    if inputs.uris is not None:
        arrays[f"{OWN}uris"] = np.array([uri or "" for uri in inputs.uris], np.str_)
    # Not np.savez: a field may bear the name of one of its parameters.
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, value, allow_pickle=False)

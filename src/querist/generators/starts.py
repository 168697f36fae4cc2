"""Samples to start from: batches, arrays, npz, npy and XYZ files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.atoms import SYMBOLS, atoms_sample
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.events import unpack_batch
from querist.core.tasks import resolve

_PAIR = re.compile(r"(?P<key>[\w-]+)\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>\S+))")
_IMPORT = re.compile(r"\w+(\.\w+)*:\w+")
_COLUMN = re.compile(r"(?P<name>[^:]+):(?P<kind>[SIRL]):(?P<width>\d+)(?::|$)")
_MULTIPLICITY = ("multiplicity", "spin_multiplicity", "total_spin", "spin")  # as the data formats
_ABSENT: Mapping[str, Array] = {
    "cell": np.zeros((3, 3)),
    "pbc": np.zeros(3, np.bool_),
    "charge": np.zeros(()),
    "multiplicity": np.ones((), np.int64),
}


def load_batch(thing: Any, field: str = "x") -> Batch:
    """Samples from whatever a configuration or a script gives.

    Args:
        thing: A batch, one or several samples or mappings of arrays, an ``(n, ...)`` array, a
            mapping of ``(n, ...)`` arrays, a data frame (a field a column), or the path of an
            ``.npz``, ``.npy``, ``.xyz`` or ``.extxyz`` file. An npz file holds ``(n, ...)`` arrays,
            or a packed batch (:func:`querist.core.events.pack_batch`, with or without the prefix
            "in/"). Or "package.module:function", which gives any of these.
        field: The name of a bare array.

    Raises:
        ConfigError: If there is no such file, or no way to read it.
        RoleFailed: If there is no such function.
        ShapeError: If its content does not fit together.
    """
    if isinstance(thing, Batch):
        return thing
    if isinstance(thing, str) and _IMPORT.fullmatch(thing):
        return load_batch(resolve(thing)(), field)
    if isinstance(thing, str | Path):
        return _from_file(Path(thing), field)
    if isinstance(thing, Sample):
        return Batch.from_samples([thing])
    if isinstance(thing, Mapping):
        return Batch.stack(**thing)
    if hasattr(thing, "columns") and hasattr(thing, "shape"):
        return Batch.stack(**{str(name): _column(thing[name]) for name in thing.columns})
    if isinstance(thing, Sequence) and thing and isinstance(thing[0], Sample):
        return _together(thing)
    if isinstance(thing, Sequence) and thing and isinstance(thing[0], Mapping):
        return Batch.of(thing)
    return Batch.stack(**{field: np.asarray(thing)})


def _column(values: Any) -> Array:
    """Of a data frame; texts are objects there."""
    array = np.asarray(values)
    texts = array.dtype.hasobject and all(isinstance(one, str) for one in array)
    return array.astype(np.str_) if texts else array


def _from_file(path: Path, field: str) -> Batch:
    if not path.is_file():
        raise ConfigError(f"no file {path} (looked in {Path.cwd()}).")
    if path.suffix == ".npy":
        return Batch.stack(**{field: np.load(path, allow_pickle=False)})
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.suffix in (".xyz", ".extxyz"):
        return _together(list(read_xyz(path)))
    raise ConfigError(f"{path}: samples can be read from .npz, .npy, .xyz and .extxyz files.")


def _together(samples: Sequence[Sample]) -> Batch:
    """One batch; what some atoms have (a cell, a charge), the others have as none, 0 and 1."""
    present = set().union(*(sample.arrays for sample in samples))
    absent = {name: value for name, value in _ABSENT.items() if name in present}
    if not absent or not {"numbers", "positions"} <= present:
        return Batch.from_samples(samples)
    whole = [
        sample if absent.keys() <= sample.arrays.keys() else Sample.of({**absent, **sample.arrays})
        for sample in samples
    ]
    return Batch.from_samples(whole)


def _from_npz(path: Path) -> Batch:
    with np.load(path, allow_pickle=False) as held:
        arrays: dict[str, Array] = {name: held[name] for name in held.files}
    prefix = "in/" if any(name.startswith("in/") for name in arrays) else ""
    if any(name.startswith(prefix) and name.endswith("/data") for name in arrays):
        return unpack_batch(arrays, prefix)
    chosen = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    return Batch.stack(**chosen)


def read_xyz(path: Path) -> Iterator[Sample]:
    """The geometries of a plain or extended XYZ file; labels are passed over.

    Lattice, pbc, charge and multiplicity are read where the second line of a frame gives them; the
    charge may also be the sum of ASE's initial charges.

    Raises:
        ShapeError: Naming the line that cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    start = 0
    while start < len(lines) and lines[start].strip():
        try:
            count = int(lines[start])
            rows = [line.split() for line in lines[start + 2 : start + 2 + count]]
            yield _frame(lines[start + 1], rows, count)
        except (ValueError, IndexError, KeyError) as error:
            raise ShapeError(f"{path}, frame at line {start + 1}: {error}.") from error
        start += 2 + count


def _frame(comment: str, rows: list[list[str]], count: int) -> Sample:
    if len(rows) != count:
        raise ShapeError(f"{count} atoms were announced, but the file ends after {len(rows)}")
    pairs = _PAIR.finditer(comment)
    about = {p["key"].lower(): p["quoted"] or p["bare"] or "" for p in pairs}
    places = _columns(about.get("properties", "species:S:1:pos:R:3"))
    species, at = places["species"], places["pos"]
    numbers = [_number(row[species]) for row in rows]
    positions = np.array([row[at : at + 3] for row in rows], np.float64).reshape(count, 3)
    if not np.isfinite(positions).all():
        raise ShapeError("its positions are not finite")
    pbc = [word[0] in "Tt1" for word in about["pbc"].split()] if "pbc" in about else None
    cell = None  # which atoms without a periodic direction have not
    if "lattice" in about and (pbc is None or any(pbc)):
        cell = np.array(about["lattice"].split(), np.float64).reshape(3, 3)
    return atoms_sample(numbers, positions, cell, pbc, **_electrons(about, places, rows))


def _electrons(
    about: Mapping[str, str], places: Mapping[str, int], rows: list[list[str]]
) -> dict[str, Any]:
    """Charge and multiplicity, where they are told."""
    found: dict[str, Any] = {}
    told = next((about[key] for key in ("charge", "total_charge") if key in about), None)
    if told is not None:
        found["charge"] = float(told)
    elif "initial_charges" in places:
        total = sum(float(row[places["initial_charges"]]) for row in rows)
        if round(total) and abs(total - round(total)) < 1e-3:  # else those of a force field
            found["charge"] = float(round(total))
    told = next((about[key] for key in _MULTIPLICITY if key in about), None)
    if told is not None:
        found["multiplicity"] = int(told)
    return found


def _columns(properties: str) -> dict[str, int]:
    """Where the species, the positions and all else stand."""
    places, at = {}, 0
    for column in _COLUMN.finditer(properties):
        places[column["name"]] = at
        at += int(column["width"])
    return places


def _number(word: str) -> int:
    if word.isdigit():
        return int(word)
    if word not in SYMBOLS:
        raise ShapeError(f"{word!r} is no element")
    return SYMBOLS.index(word)

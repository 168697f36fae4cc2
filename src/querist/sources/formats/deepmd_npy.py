"""Folders of DeePMD-kit's npy format.

A system (one composition, one order of atoms) is a folder::

    type.raw          an index into the type map, for each atom
    type_map.raw      the elements
    nopbc             an empty file; marks a system that is not periodic
    set.*/coord.npy   (frames, 3 atoms), A
    set.*/box.npy     (frames, 9), A
    set.*/energy.npy  (frames,), eV
    set.*/force.npy   (frames, 3 atoms), eV/A
    set.*/virial.npy  (frames, 9), eV; the stress is minus it divided by the volume

The mixed-type variant (``set.*/real_atom_types.npy``) is read too. The format knows no purpose,
level, charge or multiplicity: those are kept in ``querist.json`` and in ``charge.npy`` and
``multiplicity.npy`` of each set, which DeePMD-kit passes over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.atoms import SYMBOLS
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.sources.formats.fields import filled, join, labelled, replacing, require_atoms
from querist.sources.formats.frames import stress_of
from querist.sources.nearest import nearest

_LABELS = {"energy": "energy", "forces": "force", "stress": "virial"}
_NOTES = "querist.json"


def systems(path: Path) -> list[Path]:
    """The folders of systems in and below a folder, sorted."""
    return sorted(found.parent for found in path.rglob("type.raw"))


def read(
    path: Path,
    *,
    outputs: Sequence[str] | None = None,
    type_map: Sequence[str] | None = None,
) -> Dataset:
    """Read a system, or all systems below a folder, in the order of their paths.

    Args:
        path: The folder.
        outputs: Which of energy, forces, stress; by default those that there are.
        type_map: Element symbols, where a system has no ``type_map.raw``.

    Raises:
        ConfigError: If a file is missing or does not fit the others.
    """
    found = systems(path) if path.is_dir() else []
    if not found:
        raise ConfigError(f"{path} holds no DeePMD data (no type.raw in or below it).")
    parts: dict[Path, Dataset] = {}
    for system in found:
        parts |= _read_system(system, outputs, type_map)
    return join([*parts.values()], [*map(str, parts)])


def _read_system(
    path: Path, outputs: Sequence[str] | None, type_map: Sequence[str] | None
) -> dict[Path, Dataset]:
    types = np.array((path / "type.raw").read_text().split(), np.int64)
    elements = _elements(path, type_map)
    sets = sorted(folder for folder in path.glob("set.*") if folder.is_dir())
    if not sets:
        raise ConfigError(f"{path} has a type.raw, but no set.* folder with coord.npy.")
    return {folder: _read_set(folder, types, elements, outputs) for folder in sets}


def _elements(path: Path, given: Sequence[str] | None) -> Array:
    file = path / "type_map.raw"
    if given is None and not file.exists():
        raise ConfigError(f"{file} does not exist: give the elements with type_map=['O', 'H'].")
    names = file.read_text().split() if given is None else list(given)
    for name in names:
        if name not in SYMBOLS:
            hint = nearest(name, SYMBOLS)
            raise ConfigError(f"{file}: {name!r} is no element; give type_map=[...].{hint}")
    return np.array([SYMBOLS.index(name) for name in names], np.int64)


def _read_set(
    folder: Path, types: Array, elements: Array, outputs: Sequence[str] | None
) -> Dataset:
    periodic = not (folder.parent / "nopbc").exists()
    coord = _load(folder, "coord", (3 * len(types),))
    frames = len(coord)
    kinds = np.broadcast_to(types, (frames, len(types)))
    if (folder / "real_atom_types.npy").exists():
        kinds = _load(folder, "real_atom_types", (len(types),), frames).astype(np.int64)
    if kinds.size and kinds.max() >= len(elements):
        raise ConfigError(f"{folder.parent}: type {kinds.max()} is beyond its type map.")
    values: dict[str, Array] = {"positions": coord.reshape(frames, -1, 3)}
    if periodic:
        values["cell"] = _load(folder, "box", (9,), frames).reshape(frames, 3, 3)
        values["pbc"] = np.ones((frames, 3), np.bool_)
    for name in ("charge", "multiplicity"):
        if (folder / f"{name}.npy").exists():
            values[name] = _load(folder, name, (), frames)
    labels = _labels(folder, len(types), frames, outputs, values.get("cell"))
    notes = _notes(folder.parent)
    inputs, kept = _by_sample(values, labels, kinds, elements)
    purposes, levels = [notes.get("purpose", "")] * frames, [notes.get("level", "")] * frames
    return labelled(folder, inputs, kept, purposes, levels)


def _by_sample(
    values: Mapping[str, Array], labels: Mapping[str, Array], kinds: Array, elements: Array
) -> tuple[Batch, Batch]:
    """Samples and labels; virtual atoms (type -1) are left out."""
    rows, kept = [], []
    for index, kind in enumerate(kinds):
        real = kind >= 0
        row = {name: value[index] for name, value in values.items()}
        label = {name: value[index] for name, value in labels.items()}
        rows.append({**row, "numbers": elements[kind[real]], "positions": row["positions"][real]})
        kept.append({n: value[real] if n == "forces" else value for n, value in label.items()})
    return filled(rows), Batch.of(kept)


def _labels(
    folder: Path, atoms: int, frames: int, outputs: Sequence[str] | None, cells: Array | None
) -> dict[str, Array]:
    if unknown := [name for name in outputs or () if name not in _LABELS]:
        hint = nearest(unknown[0], _LABELS)
        raise ConfigError(f"DeePMD data have no {unknown[0]!r}, only {[*_LABELS]}.{hint}")
    there = [name for name, file in _LABELS.items() if (folder / f"{file}.npy").exists()]
    chosen = there if outputs is None else outputs
    if not chosen:
        raise ConfigError(f"{folder} holds no label: none of {[*_LABELS.values()]} (.npy).")
    shapes: dict[str, tuple[int, ...]] = {"energy": (), "forces": (3 * atoms,), "stress": (9,)}
    found = {name: _load(folder, _LABELS[name], shapes[name], frames) for name in chosen}
    if "forces" in found:
        found["forces"] = found["forces"].reshape(frames, atoms, 3)
    if "stress" in found:
        cells = np.zeros((frames, 3, 3)) if cells is None else cells
        found["stress"] = stress_of(folder, found["stress"].reshape(frames, 3, 3), cells)
    return found


def _load(folder: Path, name: str, item: tuple[int, ...], frames: int | None = None) -> Array:
    """``(frames, *item)`` array; scalars may stand as ``(frames, 1)``."""
    file = folder / f"{name}.npy"
    if not file.exists():
        raise ConfigError(f"{file} does not exist.")
    try:
        array: Array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ConfigError(f"{file} cannot be read as an array of numbers ({error}).") from error
    frames = len(array) if frames is None and array.ndim else frames
    size = int(np.prod(item, dtype=np.int64))
    if not array.ndim or len(array) != frames or array.size != frames * size:
        raise ConfigError(
            f"{file} has the shape {array.shape}, but type.raw and coord.npy ask for "
            f"{(frames, *item)}."
        )
    return array.reshape(frames, *item)


def _notes(path: Path) -> dict[str, Any]:
    file = path / _NOTES
    if not file.exists():
        return {}
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is no JSON ({error}).") from error
    return notes if isinstance(notes, dict) else {}


def write(path: Path, dataset: Dataset) -> None:
    """Write a folder of systems, one for each purpose, level and order of elements.

    All have one type map. A dataset of a single system is written without folders below.

    Raises:
        ConfigError: If the folder exists, the inputs are not atoms, a label is none of energy,
            forces and stress, or a cell is periodic in one or two directions only.
    """
    require_atoms(dataset, "DeePMD npy")
    if unknown := sorted(set(dataset.outputs.columns) - set(_LABELS)):
        raise ConfigError(f"DeePMD npy holds {[*_LABELS]}, but not {unknown}; write npz.")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(f"{path} exists; give a new folder.")
    groups = _groups(dataset)
    used = sorted({number for key, _ in groups for number in key[3]})
    with replacing(path) as hidden:
        for name, (key, rows) in zip(_folder_names(groups), groups, strict=True):
            _write_system(hidden / name, key, dataset.take(np.array(rows)), used)


_Key = tuple[str, str, bool, tuple[int, ...]]


def _groups(dataset: Dataset) -> list[tuple[_Key, list[int]]]:
    keys = [_key(dataset, index) for index in range(len(dataset))]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [(key, list(rows)) for key, rows in groupby(order, key=keys.__getitem__)]


def _key(dataset: Dataset, index: int) -> _Key:
    row = dataset.inputs.arrays(index)
    pbc = row.get("pbc", np.zeros(3, np.bool_))
    if pbc.any() and not pbc.all():
        raise ConfigError(
            f"sample {index} is periodic in {int(pbc.sum())} of 3 directions, which DeePMD npy "
            "cannot say; write extxyz or npz."
        )
    numbers = tuple(row["numbers"].tolist())
    return dataset.purposes[index], dataset.levels[index], bool(pbc.all()), numbers


def _folder_names(groups: Sequence[tuple[_Key, list[int]]]) -> list[str]:
    if len(groups) == 1:
        return [""]
    names: list[str] = []
    for (purpose, _, _, numbers), _ in groups:
        name = f"{purpose}/{_formula(numbers)}"
        same = sum(other.partition("-")[0] == name for other in names)
        names.append(f"{name}-{same + 1}" if same else name)
    return names


def _formula(numbers: Sequence[int]) -> str:
    counts = {number: numbers.count(number) for number in sorted(set(numbers))}
    return "".join(f"{SYMBOLS[n]}{count if count > 1 else ''}" for n, count in counts.items())


def _write_system(path: Path, key: _Key, part: Dataset, used: Sequence[int]) -> None:
    purpose, level, periodic, numbers = key
    folder = path / "set.000"
    folder.mkdir(parents=True)
    types = [used.index(number) for number in numbers]
    (path / "type.raw").write_text("".join(f"{kind}\n" for kind in types))
    (path / "type_map.raw").write_text("".join(f"{SYMBOLS[number]}\n" for number in used))
    (path / _NOTES).write_text(json.dumps({"purpose": purpose, "level": level}) + "\n")
    if not periodic:
        (path / "nopbc").touch()
    for name, array in _arrays(part, periodic):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _arrays(part: Dataset, periodic: bool) -> Iterator[tuple[str, Array]]:
    inputs, outputs, frames = part.inputs, part.outputs, len(part)
    yield "coord", inputs["positions"].reshape(frames, -1)
    if periodic:
        yield "box", inputs["cell"].reshape(frames, 9)
    for name in ("charge", "multiplicity"):
        if name in inputs:
            yield name, inputs[name]
    if "energy" in outputs:
        yield "energy", outputs["energy"]
    if "forces" in outputs:
        yield "force", outputs["forces"].reshape(frames, -1)
    if "stress" in outputs:
        if not periodic:
            raise ConfigError("DeePMD npy cannot hold the stress of a sample without a cell.")
        volume = np.abs(np.linalg.det(inputs["cell"].astype(np.float64)))
        virial = -outputs["stress"].astype(np.float64) * volume[:, None, None]
        yield "virial", virial.reshape(frames, 9)

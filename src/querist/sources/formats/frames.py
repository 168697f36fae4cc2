"""Frames, as atomistic files hold them (one structure, named values), to and from datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError, ShapeError
from querist.sources.formats.fields import (
    DTYPES,
    OUTPUTS,
    Names,
    filled,
    labelled,
    named,
    require_atoms,
)
from querist.sources.nearest import nearest

# What other programs call them. "spin" is the multiplicity, as in the data sets that have it.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "charge": ("charge", "total_charge"),
    "multiplicity": ("multiplicity", "spin_multiplicity", "total_spin", "spin"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One structure.

    Attributes:
        numbers: ``(atoms,)``.
        positions: ``(atoms, 3)``, Angstrom.
        cell: ``(3, 3)``, Angstrom, zeros where there is none.
        pbc: ``(3,)``.
        values: All else by name: results, per-atom arrays, notes.
    """

    numbers: Array
    positions: Array
    cell: Array
    pbc: Array
    values: Mapping[str, Any]


def dataset_of(
    path: Path, frames: Sequence[Frame], inputs: Names = None, outputs: Names = None
) -> Dataset:
    """The dataset of frames.

    Args:
        path: For errors.
        frames: At least one.
        inputs: Where ``charge`` and ``multiplicity`` stand under another name: ours -> the file's.
        outputs: Labels to take: names, or ours -> the file's; by default energy, forces and
            stress (or QUIP's ``virial``), as far as all frames have them.

    Raises:
        ConfigError: If there is no frame or label, or only some frames have a label.
    """
    if not frames:
        raise ConfigError(f"{path} holds no structure.")
    chosen = _outputs(path, frames, outputs)
    asked = {our: (key,) for our, key in named(inputs).items()}
    extra = {our: asked.get(our, keys) for our, keys in _OTHER_NAMES.items()}
    if unknown := [*set(asked) - set(extra)]:
        raise ConfigError(f"inputs={unknown}: only {[*extra]} can stand under another name.")
    rows = [_inputs(path, index, frame, extra) for index, frame in enumerate(frames)]
    labels = [_labels(path, index, frame, chosen) for index, frame in enumerate(frames)]
    try:
        batches = filled(rows), Batch.of(labels)
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error
    purposes = [frame.values.get("purpose", "") for frame in frames]
    levels = [frame.values.get("level", "") for frame in frames]
    return labelled(path, *batches, purposes, levels)


def _inputs(
    path: Path, index: int, frame: Frame, extra: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"numbers": frame.numbers, "positions": frame.positions}
    if frame.pbc.any():
        if np.linalg.matrix_rank(np.asarray(frame.cell, np.float64)) < 3:
            raise ConfigError(
                f"{path}, frame {index} is periodic (pbc={frame.pbc.tolist()}), but its cell "
                f"{frame.cell.tolist()} has no volume; give it lattice vectors, or no pbc."
            )
        row |= {"cell": frame.cell, "pbc": frame.pbc}
    for our, keys in extra.items():
        key = next((key for key in keys if key in frame.values), None)
        if key is not None:
            row[our] = _number(path, index, our, key, frame.values[key])
    if "charge" not in row and (total := _initial_charge(frame)):
        row["charge"] = np.float64(total)
    return row


def _initial_charge(frame: Frame) -> int:
    """The sum of ASE's initial charges, where it is whole; others are those of a force field."""
    total = float(np.sum(frame.values.get("initial_charges", 0.0)))
    return round(total) if abs(total - round(total)) < 1e-3 else 0


def _number(path: Path, index: int, our: str, key: str, value: Any) -> Any:
    number = np.asarray(value)
    good = number.shape == () and number.dtype.kind in "iuf"
    if good and our == "multiplicity":
        good = bool(number >= 1 and number == int(number))
    if not good:
        wanted = "one number" if our == "charge" else "2S + 1, a whole number from 1 on"
        raise ConfigError(f"{path}, frame {index}: {key}={value!r} should be the {our}: {wanted}.")
    return number.astype(DTYPES[our])


def _outputs(path: Path, frames: Sequence[Frame], outputs: Names) -> dict[str, str]:
    if outputs is not None:
        chosen = named(outputs)
        for key in chosen.values():
            _require_in_all(path, frames, key)
        return chosen
    found = {}
    for name in OUTPUTS:
        keys = ("stress", "virial") if name == "stress" else (name,)
        for key in [k for k in keys if any(k in frame.values for frame in frames)][:1]:
            _require_in_all(path, frames, key)
            found[name] = key
    if not found:
        raise ConfigError(
            f"{path} has no label: none of {[*OUTPUTS]}. Its frames have {_names(frames)}; say "
            "which are labels, as outputs={'energy': 'REF_energy'}."
        )
    return found


def _require_in_all(path: Path, frames: Sequence[Frame], key: str) -> None:
    without = [index for index, frame in enumerate(frames) if key not in frame.values]
    if len(without) == len(frames):
        names = _names(frames)
        raise ConfigError(f"{path} has no {key!r}; it has {names}.{nearest(key, names)}")
    if without:
        raise ConfigError(
            f"{path}: {len(without)} of {len(frames)} frames have no {key!r}, the first is frame "
            f"{without[0]}. All samples of a file need the same labels: split it, or choose those "
            "that all have with outputs=[...]."
        )


def _names(frames: Sequence[Frame]) -> list[str]:
    return sorted(set().union(*(frame.values for frame in frames)))


def _labels(path: Path, index: int, frame: Frame, chosen: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for our, key in chosen.items():
        value = np.asarray(frame.values[key])
        if value.dtype.hasobject:
            raise ConfigError(f"{path}, frame {index}: {key!r} holds no numbers but {value!r}.")
        found[our] = _stress(path, index, frame, key, value) if our == "stress" else value
    return found


def _stress(path: Path, index: int, frame: Frame, key: str, value: Array) -> Array:
    """``(3, 3)`` stress in eV/A^3, ASE's sign; a virial is minus it times the volume."""
    if value.size not in (6, 9):
        raise ConfigError(
            f"{path}, frame {index}: {key!r} has the shape {value.shape}, not (3, 3)."
        )
    if value.size == 6:
        xx, yy, zz, yz, xz, xy = value.reshape(6)
        value = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    value = value.reshape(3, 3)
    return value if "virial" not in key.lower() else stress_of(path, value, frame.cell)


def stress_of(path: Path, virial: Array, cells: Array) -> Array:
    """``(..., 3, 3)`` stress (eV/A^3, ASE's sign) of virials (eV) in cells (A).

    Raises:
        ConfigError: If a cell has no volume.
    """
    volume = np.abs(np.linalg.det(np.asarray(cells, np.float64)))
    if not (volume > 0).all():
        raise ConfigError(f"{path} has a virial where the cell has no volume; leave 'stress' out.")
    stress: Array = -np.asarray(virial, np.float64) / volume[..., None, None]
    return stress


def frames_of(dataset: Dataset, format: str) -> Iterator[Frame]:
    """The frames of a dataset, with ``purpose``, ``level`` and all labels among their values.

    Raises:
        ConfigError: If its inputs are not those of the atoms schema.
    """
    require_atoms(dataset, format)
    for index in range(len(dataset)):
        row = dataset.inputs.arrays(index)
        notes: dict[str, Any] = {"purpose": dataset.purposes[index]}
        if dataset.levels[index]:
            notes["level"] = dataset.levels[index]
        notes |= {name: row[name].item() for name in _OTHER_NAMES if name in row}
        labels = dataset.outputs.arrays(index)
        if taken := set(labels) & {"purpose", "level", *_OTHER_NAMES, "pbc", "virial"}:
            raise ConfigError(f"{format} has its own meaning of {sorted(taken)}; rename the label.")
        cell = row.get("cell", np.zeros((3, 3)))
        pbc = row.get("pbc", np.zeros(3, np.bool_))
        yield Frame(row["numbers"], row["positions"], cell, pbc, {**notes, **labels})

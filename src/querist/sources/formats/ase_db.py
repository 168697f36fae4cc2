"""ASE databases (SQLite)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from querist.core.answers import Dataset
from querist.sources.formats.ase_frames import atoms_of, connect, frame_of
from querist.sources.formats.frames import ReadOptions, dataset_of, need_atoms


def read(path: Path, options: ReadOptions) -> Dataset:
    """Read all rows in the order of their ids; key-value pairs and data may hold further labels.

    Raises:
        ShapeError: If labels are missing.
    """
    rows = connect(path).select(sort="id")
    frames = [frame_of(row.toatoms(), _about(row), options) for row in rows]
    return dataset_of(frames, str(path))


def _about(row: Any) -> dict[str, Any]:
    return {**row.key_value_pairs, **row.data}


def write(path: Path, dataset: Dataset) -> None:
    """Write a new database; level, purpose, charge and multiplicity stand in each row's data.

    Raises:
        ShapeError: If the samples are no atoms.
    """
    need_atoms(dataset, "an ASE database")
    with connect(path) as database:
        for index in range(len(dataset)):
            held, labels = dataset.inputs.arrays(index), dataset.outputs.arrays(index)
            data: dict[str, Any] = {
                name: held[name].item() for name in ("charge", "multiplicity") if name in held
            }
            others = set(labels) - {"energy", "forces", "stress"}
            data |= {name: labels[name] for name in others}
            data |= {"purpose": dataset.purposes[index], "level": dataset.levels[index]}
            database.write(atoms_of(dataset, index), data=data)

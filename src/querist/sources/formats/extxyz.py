"""Extended XYZ (``.xyz``, ``.extxyz``): the text format of ASE and QUIP.

``level``, ``purpose``, ``charge`` and ``multiplicity`` (or ``spin``) are keys of the comment line.
ASE reads the files and escapes the comment lines; the numbers are written here, because ASE rounds
them to 8 decimals, and a rounded sample is another sample.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from querist.core.answers import Dataset
from querist.core.atoms import SYMBOLS
from querist.core.batch import Array
from querist.core.errors import ConfigError
from querist.sources.formats.ase_frames import extxyz_notes, read_extxyz_frames
from querist.sources.formats.fields import Names, replacing
from querist.sources.formats.frames import Frame, dataset_of, frames_of

_KINDS = {"f": "R", "i": "I", "u": "I", "b": "L"}
_NAME = re.compile(r"[A-Za-z_][\w.-]*")


def read(path: Path, *, inputs: Names = None, outputs: Names = None) -> Dataset:
    """Read all frames.

    Args:
        path: Of the file.
        inputs: Where charge or multiplicity stand under other names, as ``{"charge": "q"}``.
        outputs: Labels to take, as ``{"energy": "REF_energy", "forces": "REF_forces"}``; by default
            energy, forces and stress (or virial).

    Raises:
        ConfigError: If it cannot be read, or a label is missing.
        MissingExtra: If ASE is not installed.
    """
    return dataset_of(path, read_extxyz_frames(path), inputs, outputs)


def write(path: Path, dataset: Dataset) -> None:
    """Write a frame a label.

    Raises:
        ConfigError: If the inputs are not atoms, or a label has a shape that no frame can hold.
        MissingExtra: If ASE is not installed.
    """
    with replacing(path) as hidden, hidden.open("w", encoding="utf-8") as file:
        for frame in frames_of(dataset, "extended XYZ"):
            file.write(_text(frame))


def _text(frame: Frame) -> str:
    by_atom = {name: v for name, v in frame.values.items() if _is_by_atom(v, len(frame.numbers))}
    notes = {name: value for name, value in frame.values.items() if name not in by_atom}
    for name in frame.values:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"extended XYZ cannot name a field {name!r}; rename it.")
    columns = {"pos": frame.positions, **by_atom}
    about = [f"Properties=species:S:1:{':'.join(_property(n, v) for n, v in columns.items())}"]
    if frame.cell.any():
        about.insert(0, f'Lattice="{_row(frame.cell.reshape(-1))}"')
    about.append(extxyz_notes({**notes, "pbc": frame.pbc}))
    table = [np.asarray(value).reshape(len(frame.numbers), -1) for value in columns.values()]
    lines = [str(len(frame.numbers)), " ".join(about)]
    for index, number in enumerate(frame.numbers):
        lines.append(" ".join([SYMBOLS[number], *(_row(values[index]) for values in table)]))
    return "\n".join([*lines, ""])


def _is_by_atom(value: object, atoms: int) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.ndim in (1, 2)
        and len(value) == atoms
        and value.dtype.kind in _KINDS
    )


def _property(name: str, value: Array) -> str:
    width = value.shape[1] if value.ndim == 2 else 1
    return f"{name}:{_KINDS[value.dtype.kind]}:{width}"


def _row(values: Array) -> str:
    return " ".join(_item(value) for value in values.tolist())


def _item(value: object) -> str:
    return ("F", "T")[value] if isinstance(value, bool) else repr(value)

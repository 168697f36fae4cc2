"""Databases of ASE (``.db``, SQLite; other kinds that ASE opens, with the format given).

``purpose`` and ``level`` are key-value pairs, so that ``ase db file.db level=GFN2-xTB`` finds them;
charge and multiplicity are in ``data``, since ASE reserves the key "charge".
"""

from __future__ import annotations

from pathlib import Path

from querist.core.answers import Dataset
from querist.sources.formats.ase_frames import read_database, write_database
from querist.sources.formats.fields import Names, replacing
from querist.sources.formats.frames import dataset_of, frames_of


def read(
    path: Path, *, inputs: Names = None, outputs: Names = None, select: str | None = None
) -> Dataset:
    """Read the rows of a database.

    Args:
        path: Of the file.
        inputs: Where charge or multiplicity stand under other names, as ``{"charge": "q"}``.
        outputs: Labels to take: results, key-value pairs or data; by default energy, forces and
            stress.
        select: A query of ASE's, as "natoms<20,level=PBE".

    Raises:
        ConfigError: If it cannot be read, or a label is missing.
        MissingExtra: If ASE is not installed.
    """
    return dataset_of(path, read_database(path, select), inputs, outputs)


def write(path: Path, dataset: Dataset) -> None:
    """Write a row a label.

    Raises:
        ConfigError: If the inputs are not atoms.
        MissingExtra: If ASE is not installed.
    """
    with replacing(path) as hidden:
        write_database(hidden, frames_of(dataset, "an ASE database"))

"""Labelled samples read from files of others, and written for them.

Every format gives the same :class:`~querist.core.answers.Dataset`: atoms in the units and signs of
:mod:`querist.core.atoms`, purposes and levels of theory where the format can hold them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.core.answers import Dataset
from querist.core.errors import ConfigError
from querist.sources.formats import ase_db, csv_table, deepmd_npy, extxyz, npz, parquet
from querist.sources.formats.fields import aligned, join
from querist.sources.formats.units import converted
from querist.sources.nearest import nearest

__all__ = ["FORMATS", "Format", "aligned", "format_of", "join", "read", "write"]


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is told, read and written.

    Attributes:
        suffixes: Of file names, lower case; empty for folders.
        read: ``(path, **options) -> Dataset``.
        write: ``(path, dataset)``.
    """

    suffixes: tuple[str, ...]
    read: Callable[..., Dataset]
    write: Callable[[Path, Dataset], None]


FORMATS: Mapping[str, Format] = {
    "extxyz": Format((".xyz", ".extxyz"), extxyz.read, extxyz.write),
    "ase_db": Format((".db",), ase_db.read, ase_db.write),
    "deepmd_npy": Format((), deepmd_npy.read, deepmd_npy.write),
    "npz": Format((".npz",), npz.read, npz.write),
    "parquet": Format((".parquet", ".pq"), parquet.read, parquet.write),
    "csv": Format((".csv",), csv_table.read, csv_table.write),
}

_UNITS = ("energy_unit", "length_unit")


def read(path: Path | str, format: str | None = None, **options: Any) -> Dataset:
    """Read labelled samples.

    Args:
        path: A file, or a folder for DeePMD npy.
        format: A name in :data:`FORMATS`; None tells by the suffix, or by what a folder holds.
        options: ``inputs`` and ``outputs`` say which fields to take: names, or a mapping from
            our name to the file's. ``energy_unit`` and ``length_unit`` say those of atoms where
            the file is not in eV and Angstrom. A format may have more; see its module.

    Raises:
        ConfigError: If the file, its format, an option or a field is missing or makes no sense.
        MissingExtra: If the format needs a package that is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path} does not exist.")
    chosen = format_of(path, format)
    _check_options(chosen, options)
    own = {name: value for name, value in options.items() if name not in _UNITS}
    return converted(FORMATS[chosen].read(path, **own), *_units(options))


def write(path: Path | str, dataset: Dataset, format: str | None = None) -> None:
    """Write labelled samples; the file appears complete or not at all, and replaces another.

    Args:
        path: Of the file; a new folder for DeePMD npy.
        dataset: At least one label.
        format: A name in :data:`FORMATS`; None tells by the suffix.

    Raises:
        ConfigError: If the format is unknown or cannot hold the dataset, or there is no folder.
        MissingExtra: If the format needs a package that is not installed.
    """
    path = Path(path)
    chosen = format_of(path, format)
    if not len(dataset):
        raise ConfigError(f"there is no label to write to {path}.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"the folder {path.absolute().parent} does not exist; make it first.")
    FORMATS[chosen].write(path, dataset)


def format_of(path: Path, format: str | None = None) -> str:
    """The name of a path's format.

    Raises:
        ConfigError: If it cannot be told; it names the known ones and the nearest.
    """
    if format is not None:
        name = format.replace("-", "_")
        if name not in FORMATS:
            hint = nearest(name, FORMATS)
            raise ConfigError(f"no format {format!r}; there are {[*FORMATS]}.{hint}")
        return name
    if path.is_dir():
        if deepmd_npy.systems(path):
            return "deepmd_npy"
        raise ConfigError(f"the folder {path} holds no DeePMD data (no type.raw in or below it).")
    known = {suffix: name for name, kind in FORMATS.items() for suffix in kind.suffixes}
    suffix = path.suffix.lower()
    if suffix not in known:
        hint = nearest(suffix, known)
        raise ConfigError(
            f"the suffix {suffix!r} of {path} names no format; known are {[*known]}.{hint} "
            f"Or give the format: one of {[*FORMATS]}."
        )
    return known[suffix]


def _units(options: Mapping[str, Any]) -> tuple[str, str]:
    return options.get("energy_unit", "eV"), options.get("length_unit", "A")


def _check_options(format: str, options: Mapping[str, Any]) -> None:
    known = [*[*inspect.signature(FORMATS[format].read).parameters][1:], *_UNITS]
    for name in options:
        if name not in known:
            hint = nearest(name, known)
            raise ConfigError(f"{format} has no option {name!r}; it has {known}.{hint}")

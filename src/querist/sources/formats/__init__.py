"""Labelled samples in files: read, write, split.

One module a format, each with ``read(path, options) -> Dataset`` and ``write(path, dataset)``.
Whatever a file's units and signs, a dataset of atoms follows :mod:`querist.core.atoms`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset, Purpose
from querist.core.errors import ConfigError
from querist.sources.formats.frames import ReadOptions
from querist.sources.formats.units import converted

FORMATS: Mapping[str, str] = {
    "extxyz": "extxyz",
    "ase-db": "ase_db",
    "deepmd-npy": "deepmd_npy",
    "npz": "npz",
    "parquet": "parquet",
}
"""Format to the module that reads and writes it."""

SUFFIXES: Mapping[str, str] = {
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".db": "ase-db",
    ".npz": "npz",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Suffix to format; a folder is DeePMD's."""


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A dataset with the file it came from.

    Attributes:
        dataset: The labelled samples.
        origin: Name of the file or folder, as it was given.
        format: How it was read.
    """

    dataset: Dataset
    origin: str
    format: str


def format_of(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The format's name: the one given, or what the suffix says.

    Raises:
        ConfigError: If neither is known, with those that are.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(f"no format {format!r}; known are {sorted(FORMATS)}.")
    found = format or SUFFIXES.get(Path(path).suffix.lower())
    if found is None and (Path(path).is_dir() or not Path(path).suffix):
        found = "deepmd-npy"
    if found is None:
        raise ConfigError(
            f"{path}: the suffix {Path(path).suffix!r} is not known; known are {sorted(SUFFIXES)} "
            f"(and folders). Or give format=, one of {sorted(FORMATS)}."
        )
    return found


def read(path: str | os.PathLike[str], format: str | None = None, **options: Any) -> Dataset:
    """Read labelled samples.

    Args:
        path: A file, or a folder of DeePMD systems.
        format: One of ``FORMATS``; told from the suffix when None.
        options: See :class:`~querist.sources.formats.frames.ReadOptions`: ``inputs``, ``outputs``,
            ``purpose``, ``level``, ``energy_unit``, ``length_unit``.

    Raises:
        ConfigError: If there is no such file, format or option.
        ShapeError: If a field is missing, or its shape is not what the format says.
        MissingExtra: If the format needs a package that is not installed.
    """
    name = format_of(path, format)
    if not Path(path).exists():
        raise ConfigError(f"no file or folder {path} (looked in {Path.cwd()}).")
    wanted = _options(options)
    dataset: Dataset = _module(name).read(Path(path), wanted)
    dataset = converted(dataset, wanted.energy_unit, wanted.length_unit)
    if wanted.purpose is None and wanted.level is None:
        return dataset
    count = len(dataset)
    purpose = wanted.purpose and Purpose(wanted.purpose).value
    purposes = (purpose,) * count if purpose else dataset.purposes
    levels = dataset.levels if wanted.level is None else (wanted.level,) * count
    return Dataset(dataset.inputs, dataset.outputs, purposes, levels)


def load(path: str | os.PathLike[str], format: str | None = None, **options: Any) -> Imported:
    """Read labelled samples, and keep where they came from."""
    return Imported(read(path, format, **options), os.fspath(path), format_of(path, format))


def load_split(files: Mapping[str, Any], **options: Any) -> list[Imported]:
    """Read several files, each for a purpose of its own.

    Args:
        files: Purpose to a path or a list of paths: ``{"train": "a.xyz", "holdout": "b.xyz"}``.
        options: As for :func:`read`.
    """
    pairs = [
        (purpose, path)
        for purpose, paths in files.items()
        for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)
    ]
    return [load(path, **{**options, "purpose": purpose}) for purpose, path in pairs]


def write(path: str | os.PathLike[str], dataset: Dataset, format: str | None = None) -> None:
    """Write labelled samples; a file that is there is replaced only once the new one is whole.

    Args:
        path: Where to.
        dataset: What. Purposes and levels are kept by all formats but DeePMD's.
        format: One of ``FORMATS``; told from the suffix when None.

    Raises:
        ConfigError: If there is no such format, or a DeePMD folder is there already.
        ShapeError: If the format cannot hold these fields.
    """
    name, target = format_of(path, format), Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if name == "deepmd-npy":
        _module(name).write(target, dataset)
        return
    part = target.with_name(f".{target.name}.{os.getpid()}{target.suffix}")
    try:
        _module(name).write(part, dataset)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def split(dataset: Dataset, fractions: Mapping[str, float], rng: np.random.Generator) -> Dataset:
    """Give purposes to the rows at random.

    Args:
        dataset: Labelled samples; the purposes it has are replaced.
        fractions: Purpose to share; what they leave is for training. Shares are rounded down.
        rng: Which rows.

    Raises:
        ConfigError: If a purpose is unknown, a share is negative, or they exceed 1 together.
    """
    known = {purpose.value for purpose in Purpose}
    total = sum(fractions.values())
    if set(fractions) - known or min(fractions.values(), default=0) < 0 or total > 1 + 1e-12:
        raise ConfigError(
            f"a split gives shares, at most 1 together, to purposes of {sorted(known)}; "
            f"got {dict(fractions)}."
        )
    purposes = np.full(len(dataset), Purpose.TRAIN.value, dtype="<U11")
    order, start = rng.permutation(len(dataset)), 0
    for purpose, share in fractions.items():
        stop = start + int(share * len(dataset) + 1e-9)
        purposes[order[start:stop]] = purpose
        start = stop
    given = tuple(str(purpose) for purpose in purposes)
    return Dataset(dataset.inputs, dataset.outputs, given, dataset.levels, dataset.version)


def _options(options: Mapping[str, Any]) -> ReadOptions:
    known = [field.name for field in fields(ReadOptions)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"no option {unknown[0]!r} for reading; known are {known}.")
    return ReadOptions(**options)


def _module(name: str) -> Any:
    return importlib.import_module(f"querist.sources.formats.{FORMATS[name]}")

"""Extended XYZ: read through ASE, written in full precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from querist.core.answers import Dataset
from querist.core.atoms import SYMBOLS
from querist.core.batch import Array
from querist.core.errors import ShapeError
from querist.sources.formats.ase_frames import frame_of, iterate_file
from querist.sources.formats.frames import ReadOptions, dataset_of, need_atoms


def read(path: Path, options: ReadOptions) -> Dataset:
    """Read all structures; energy, forces and stress as ASE knows them, or by ``outputs``.

    A ``virial`` without a stress becomes one, ``-virial / volume``. ``charge``, ``multiplicity``,
    ``purpose`` and ``level`` are read from the comment line.

    Raises:
        ShapeError: If the file cannot be read, or labels are missing.
    """
    try:
        frames = [frame_of(a, a.info, options) for a in iterate_file(path, "extxyz")]
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise ShapeError(f"{path} cannot be read as extended XYZ: {error}") from error
    return dataset_of(frames, str(path))


def write(path: Path, dataset: Dataset) -> None:
    """Write all structures with all labels, so that reading gives the same numbers.

    Labels by atom become columns, others stand in the comment line.

    Raises:
        ShapeError: If the samples are no atoms.
    """
    need_atoms(dataset, "extended XYZ")
    with path.open("w", encoding="utf-8") as file:
        for index in range(len(dataset)):
            file.writelines(f"{line}\n" for line in _frame(dataset, index))


def _frame(dataset: Dataset, index: int) -> Iterator[str]:
    held, labels = dataset.inputs.arrays(index), dataset.outputs.arrays(index)
    count = len(held["numbers"])
    by_atom = {n: v for n, v in labels.items() if _is_by_atom(n, v, count)}
    about = [f"{name}={_words(value)}" for name, value in labels.items() if name not in by_atom]
    about += [f"{n}={_words(held[n])}" for n in ("charge", "multiplicity") if n in held]
    if "cell" in held:
        pbc = " ".join("T" if periodic else "F" for periodic in held["pbc"])
        about = [f"Lattice={_words(held['cell'])}", f'pbc="{pbc}"', *about]
    columns = "".join(f":{n}:R:{v.size // count}" for n, v in by_atom.items())
    about.append(f"purpose={dataset.purposes[index]}")
    if dataset.levels[index]:
        about.append(f'level="{_escaped(dataset.levels[index])}"')
    yield str(count)
    yield " ".join((f"Properties=species:S:1:pos:R:3{columns}", *about))
    rows = [held["positions"], *(v.reshape(count, -1) for v in by_atom.values())]
    for number, *values in zip(held["numbers"], *rows, strict=True):
        numbers = " ".join(repr(float(x)) for x in np.concatenate(values))
        yield f"{SYMBOLS[int(number)]} {numbers}"


def _is_by_atom(name: str, value: Array, count: int) -> bool:
    return name == "forces" or (name != "stress" and value.ndim > 0 and len(value) == count)


def _words(value: Array) -> str:
    # Extended XYZ, like Fortran, runs through a matrix by columns; lattices and stresses are told
    # by rows of vectors, and stresses are symmetric.
    if value.ndim == 0:
        return repr(value.item())
    return '"' + " ".join(repr(x) for x in value.reshape(-1).tolist()) + '"'


def _escaped(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ShapeError(f"extended XYZ cannot hold a level of theory of several lines: {text!r}.")
    return text.replace("\\", "\\\\").replace('"', '\\"')

"""Structures with labels, to and from ASE: all that needs ASE in this room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array
from querist.core.errors import ShapeError, require
from querist.sources.formats.frames import OUTPUTS, Frame, ReadOptions, renamed

_CHARGES, _MULTIPLICITIES = ("charge", "total_charge"), ("multiplicity", "spin_multiplicity")
_VIRIALS = ("virial", "virials")


def iterate_file(path: Path, format: str) -> Iterator[Any]:
    """All structures of a file, as ``ase.Atoms``."""
    io = require("ase.io", "atoms", f"reading {format}")
    yield from io.iread(path, index=":", format=format)


def connect(path: Path) -> Any:
    """An ASE database; a new one where there is none."""
    return require("ase.db", "atoms", "an ASE database").connect(path)


def frame_of(atoms: Any, about: Mapping[str, Any], options: ReadOptions) -> Frame:
    """A frame of ``ase.Atoms``, which hold their labels in a calculator, or under other names.

    Args:
        atoms: The structure.
        about: What else is known of it: charge, multiplicity, purpose, level, virial ...
        options: Names of the labels; ``inputs`` is not used, samples are those of the schema.
    """
    inputs: dict[str, Any] = {"numbers": atoms.numbers, "positions": atoms.positions}
    if atoms.pbc.any() or atoms.cell.array.any():
        inputs |= {"cell": atoms.cell.array, "pbc": atoms.pbc}
    charge = _first(about, _CHARGES, atoms.get_initial_charges().sum() or None)
    multiplicity = _first(about, _MULTIPLICITIES, None)
    if charge is not None:
        inputs["charge"] = np.asarray(charge, np.float64)
    if multiplicity is not None:
        inputs["multiplicity"] = np.asarray(multiplicity, np.int64)
    purpose, level = str(about.get("purpose", "train")), str(about.get("level", ""))
    return Frame(inputs, _labels(atoms, about, options), purpose, level)


def _first(about: Mapping[str, Any], names: tuple[str, ...], otherwise: Any) -> Any:
    return next((about[name] for name in names if name in about), otherwise)


def _labels(atoms: Any, about: Mapping[str, Any], options: ReadOptions) -> dict[str, Array]:
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    held = {**about, **atoms.arrays, **results}
    chosen = renamed(options.outputs)
    missing = sorted(set(chosen.values()) - set(held))
    if missing:
        raise ShapeError(f"a structure has no {missing[0]!r}; it has {sorted(held)}.")
    wanted = chosen or {name: name for name in OUTPUTS if name in held}
    found = {name: np.asarray(held[key], np.float64) for name, key in wanted.items()}
    virial = _first(about, _VIRIALS, None)
    if "stress" not in found and virial is not None and not chosen:
        found["stress"] = -np.asarray(virial, np.float64).reshape(3, 3) / atoms.get_volume()
    if "stress" in found:
        found["stress"] = full_stress(found["stress"])
    return found


def full_stress(stress: Array) -> Array:
    """``(3, 3)`` of Voigt's six (xx, yy, zz, yz, xz, xy), of nine, or of itself."""
    if stress.size == 6:
        return stress.ravel()[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    if stress.size == 9:
        return stress.reshape(3, 3)
    raise ShapeError(f"a stress should have 6 or 9 components, but has the shape {stress.shape}.")


def voigt_stress(stress: Array) -> Array:
    """Voigt's six of a ``(3, 3)`` stress; the mean where it is not symmetric."""
    full = np.asarray(stress, np.float64)
    symmetric = (full + full.T) / 2
    return symmetric[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def atoms_of(dataset: Dataset, index: int) -> Any:
    """One structure as ``ase.Atoms``, its labels in a single-point calculator."""
    ase = require("ase", "atoms", "writing ASE's formats")
    single = require("ase.calculators.singlepoint", "atoms", "writing ASE's formats")
    held, labels = dataset.inputs.arrays(index), dict(dataset.outputs.arrays(index))
    atoms = ase.Atoms(
        numbers=held["numbers"],
        positions=held["positions"],
        cell=held.get("cell"),
        pbc=held.get("pbc", False),
    )
    results: dict[str, Any] = {
        name: labels[name] for name in ("energy", "forces") if name in labels
    }
    if "energy" in results:
        results["energy"] = float(results["energy"])
    if "stress" in labels:
        results["stress"] = voigt_stress(labels["stress"])
    atoms.calc = single.SinglePointCalculator(atoms, **results)
    return atoms

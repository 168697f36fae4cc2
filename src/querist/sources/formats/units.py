"""Units of energy and length, and datasets turned into those of the atoms schema."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Batch, Column
from querist.core.errors import ConfigError

HARTREE, BOHR = 27.211386245988, 0.529177210903
ENERGIES: Mapping[str, float] = {
    "eV": 1.0,
    "meV": 1e-3,
    "kcal/mol": 0.04336410390059322,
    "kJ/mol": 0.010364269656262174,
    "Hartree": HARTREE,
    "Rydberg": HARTREE / 2,
}
"""Unit to eV (CODATA 2018)."""

LENGTHS: Mapping[str, float] = {"A": 1.0, "Angstrom": 1.0, "Bohr": BOHR, "nm": 10.0, "pm": 0.01}
"""Unit to Angstrom (CODATA 2018)."""


def unit(name: str, known: Mapping[str, float]) -> float:
    """The value of a unit, whatever its capitals.

    Raises:
        ConfigError: If it is not known.
    """
    for candidate, value in known.items():
        if candidate.lower() == name.lower():
            return value
    raise ConfigError(f"no unit {name!r}; known are {list(known)}.")


def converted(dataset: Dataset, energy: str = "eV", length: str = "A") -> Dataset:
    """A dataset of atoms that was in these units, in eV and Angstrom.

    Positions and cells are lengths, forces energies by length, stresses energies by volume.
    """
    e, a = unit(energy, ENERGIES), unit(length, LENGTHS)
    if e == a == 1.0:
        return dataset
    inputs = _scaled(dataset.inputs, {"positions": a, "cell": a})
    outputs = _scaled(dataset.outputs, {"energy": e, "forces": e / a, "stress": e / a**3})
    return Dataset(inputs, outputs, dataset.purposes, dataset.levels, dataset.version)


def _scaled(batch: Batch, factors: Mapping[str, float]) -> Batch:
    columns = {
        name: Column(
            np.asarray(column.data, np.float64) * factors[name], column.offsets, column.shapes
        )
        if name in factors
        else column
        for name, column in batch.columns.items()
    }
    return Batch(columns, None, batch.uris)

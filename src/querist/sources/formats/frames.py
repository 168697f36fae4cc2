"""What the readers share: their options, and how named frames become a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from querist.core.answers import Dataset
from querist.core.atoms import INPUTS, check_atoms
from querist.core.batch import Batch
from querist.core.errors import ShapeError

OUTPUTS = ("energy", "forces", "stress")
Names = Sequence[str] | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read.

    Attributes:
        inputs, outputs: Which fields are samples and which are labels: names, or name to the name
            in the file (``{"energy": "REF_energy"}``). None takes what the format or the file says,
            or those of the atoms schema.
        purpose: Purpose of all labels, in place of what the file says.
        level: Level of theory of all labels, in place of what the file says.
        energy_unit, length_unit: Those of the file, see :mod:`querist.sources.formats.units`.
    """

    inputs: Names = None
    outputs: Names = None
    purpose: str | None = None
    level: str | None = None
    energy_unit: str = "eV"
    length_unit: str = "A"


def renamed(names: Names) -> dict[str, str]:
    """Name in the dataset to name in the file."""
    if names is None:
        return {}
    return dict(names) if isinstance(names, Mapping) else {name: name for name in names}


@dataclass(frozen=True, slots=True)
class Frame:
    """One labelled structure as a file holds it."""

    inputs: Mapping[str, ArrayLike]
    outputs: Mapping[str, ArrayLike]
    purpose: str = "train"
    level: str = ""


def dataset_of(frames: Sequence[Frame], where: str) -> Dataset:
    """A dataset of structures, whose fields are made equal.

    Where some frames have a cell, a charge or a multiplicity, the others get an open cell, 0 and 1.

    Args:
        frames: In order.
        where: The file, for sentences.

    Raises:
        ShapeError: If there are no labels, a label is missing in some frames, or shapes are wrong.
    """
    if not frames:
        raise ShapeError(f"{where} holds no structures.")
    for number, frame in enumerate(frames):
        try:
            check_atoms({**frame.inputs, **frame.outputs})
        except ShapeError as error:
            raise ShapeError(f"{where}, structure {number}: {error}") from error
    return Dataset(
        Batch.of([_filled(frame.inputs, frames) for frame in frames]),
        Batch.of([_labels(number, frame, frames, where) for number, frame in enumerate(frames)]),
        tuple(frame.purpose for frame in frames),
        tuple(frame.level for frame in frames),
    )


_DEFAULTS: dict[str, Any] = {
    "cell": np.zeros((3, 3)),
    "pbc": np.zeros(3, np.bool_),
    "charge": np.zeros(()),
    "multiplicity": np.ones((), np.int64),
}


def _filled(inputs: Mapping[str, ArrayLike], frames: Sequence[Frame]) -> dict[str, ArrayLike]:
    anywhere = {name for frame in frames for name in frame.inputs}
    names = [name for name in INPUTS if name in anywhere]
    return {name: inputs[name] if name in inputs else _DEFAULTS[name] for name in names}


def _labels(
    number: int, frame: Frame, frames: Sequence[Frame], where: str
) -> Mapping[str, ArrayLike]:
    anywhere = {name for other in frames for name in other.outputs}
    if not anywhere:
        raise ShapeError(
            f"{where} holds no labels (energy, forces, stress); where they have other names, give "
            "outputs={'energy': 'its name', ...}."
        )
    lacking = sorted(anywhere - set(frame.outputs))
    if lacking:
        raise ShapeError(
            f"{where}, structure {number} has no {lacking[0]!r}, but others have; give outputs= "
            "to read only what all of them have."
        )
    return {name: frame.outputs[name] for name in sorted(anywhere)}


def need_atoms(dataset: Dataset, format: str) -> None:
    """Refuse a dataset that is not of atoms.

    Raises:
        ShapeError: Naming the format and the fields.
    """
    if not {"numbers", "positions"} <= set(dataset.inputs.columns):
        raise ShapeError(
            f"{format} holds atoms (numbers and positions), but the samples have "
            f"{sorted(dataset.inputs.columns)}; write npz or parquet."
        )

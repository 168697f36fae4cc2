"""What a fitted committee is: named arrays and a small dictionary, ready for any safe format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernel import kernel_named
from .symmetry import check_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FORMAT = "querist.gradient_domain/1"
_FIELDS = ("positions", "force_coefficients", "energy_coefficients", "length_scale", "offset")


@dataclass(frozen=True, slots=True)
class Species:
    """What all members of a committee share.

    Attributes:
        numbers: Atomic numbers (n,).
        permutations: Group of permutations of the atoms (g, n), the identity among them.
        kernel: Name of the radial kernel.
    """

    numbers: IntArray
    permutations: IntArray
    kernel: str

    def metadata(self) -> dict[str, Any]:
        """The dictionary that is saved beside the arrays; JSON can hold it."""
        return {
            "format": FORMAT,
            "numbers": self.numbers.tolist(),
            "permutations": self.permutations.tolist(),
            "kernel": self.kernel,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Species:
        """Read what ``metadata()`` wrote.

        Raises:
            ValueError: It is of another format, or its content makes no sense.
        """
        if metadata.get("format") != FORMAT:
            raise ValueError(
                f"wanted model metadata of format {FORMAT!r}, got {metadata.get('format')!r};"
                " this state belongs to another kind of model or version"
            )
        numbers = np.asarray(metadata["numbers"], dtype=np.int64)
        permutations = np.asarray(metadata["permutations"], dtype=np.int64)
        check_group(permutations, numbers)
        kernel_named(metadata["kernel"])
        return cls(numbers, permutations, metadata["kernel"])


@dataclass(frozen=True, slots=True)
class Member:
    """One fitted force field.

    Attributes:
        positions: Its ``T`` training geometries (T, n, 3) in Angstrom.
        force_coefficients: Weights of the force covariances (T, n, 3).
        energy_coefficients: Weights of the energy covariances (T,); zeros if trained on forces.
        length_scale: Of the kernel, in 1/Angstrom.
        offset: Constant of the energy, in eV.
    """

    positions: FloatArray
    force_coefficients: FloatArray
    energy_coefficients: FloatArray
    length_scale: float
    offset: float

    def arrays(self, index: int) -> dict[str, FloatArray]:
        """Flat arrays under the prefix ``m{index}.``; members merge by union of these."""
        return {f"m{index}.{name}": np.atleast_1d(getattr(self, name)) for name in _FIELDS}


def member_indices(arrays: Mapping[str, Any]) -> list[int]:
    """Indices of the members in a state, ascending."""
    prefixes = {name.split(".", 1)[0] for name in arrays}
    return sorted(int(name[1:]) for name in prefixes if name[:1] == "m" and name[1:].isdecimal())


def read_members(arrays: Mapping[str, FloatArray], species: Species) -> list[Member]:
    """The members in a state, by ascending index.

    Raises:
        ValueError: There is none, an array is missing, or shapes do not fit together.
    """
    indices = member_indices(arrays)
    if not indices:
        raise ValueError("wanted a state with arrays 'm0.positions' and so on, got no member")
    return [_read_member(arrays, index, len(species.numbers)) for index in indices]


def _read_member(arrays: Mapping[str, FloatArray], index: int, atoms: int) -> Member:
    missing = [f"m{index}.{name}" for name in _FIELDS if f"m{index}.{name}" not in arrays]
    if missing:
        raise ValueError(f"member {index} of the state lacks the arrays {missing}")
    values = {name: np.asarray(arrays[f"m{index}.{name}"], dtype=np.float64) for name in _FIELDS}
    count = len(values["positions"])
    shapes = [(count, atoms, 3), (count, atoms, 3), (count,), (1,), (1,)]
    for name, shape in zip(_FIELDS, shapes, strict=True):
        if values[name].shape != shape:
            raise ValueError(f"wanted m{index}.{name} of shape {shape}, got {values[name].shape}")
    return Member(
        values["positions"],
        values["force_coefficients"],
        values["energy_coefficients"],
        float(values["length_scale"][0]),
        float(values["offset"][0]),
    )


def merge_states(states: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """Union of the arrays of members that were fitted apart.

    Raises:
        ValueError: Two states hold the same member.
    """
    merged: dict[str, FloatArray] = {}
    for state in states:
        twice = merged.keys() & state.keys()
        if twice:
            raise ValueError(f"wanted every member once, got {sorted(twice)} in two states")
        merged.update(state)
    return merged

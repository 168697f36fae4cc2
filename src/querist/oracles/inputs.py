"""Input files of external programs: templates with a sample's fields, and a few plain formats."""

from __future__ import annotations

import json
import shlex
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from string import Template

import numpy as np

from querist.core.atoms import SYMBOLS
from querist.core.batch import Array, Sample
from querist.core.errors import ConfigError, ShapeError


def text_of(value: Array) -> str:
    """An array as text: numbers in full precision, a row a line, blanks between."""
    if value.ndim == 0:
        return _scalar(value[()])
    if value.ndim == 1:
        return " ".join(_scalar(item) for item in value)
    return "\n".join(text_of(row) for row in value.reshape(-1, value.shape[-1]))


def _scalar(value: object) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)


def variables(sample: Sample, **more: str) -> dict[str, str]:
    """What a template may name: all fields as text, ``id``, ``uri``, and for atoms ``xyz``.

    With the atoms schema there are also ``count`` (of atoms), ``charge`` and ``multiplicity`` with
    their defaults 0 and 1, and ``xyz``: a line ``symbol x y z`` an atom.
    """
    found = {"id": sample.id, "uri": sample.uri or "", **more}
    if is_atoms(sample):
        found |= {"charge": "0", "multiplicity": "1", "count": str(len(sample["numbers"]))}
        found["xyz"] = xyz_lines(sample)
    found |= {name: text_of(value) for name, value in sample.arrays.items()}
    charge = sample.arrays.get("charge")
    if is_atoms(sample) and charge is not None and float(charge) == int(charge):
        found["charge"] = str(int(charge))  # programs refuse a charge of "1.0"
    return found


def fill(text: str, values: Mapping[str, str], quoted: bool = False) -> str:
    """Fill a ``string.Template``: ``$name`` or ``${name}``, ``$$`` for a dollar sign.

    Args:
        text: The template.
        values: What can be named.
        quoted: Whether values are quoted for a shell.

    Raises:
        ConfigError: If it names something else, or a dollar sign stands alone.
    """
    held = {n: shlex.quote(v) for n, v in values.items()} if quoted else values
    try:
        return Template(text).substitute(held)
    except KeyError as error:
        raise ConfigError(
            f"the template names ${error.args[0]}, but there is only {sorted(values)}."
        ) from None
    except ValueError as error:
        raise ConfigError(f"a template cannot be read ({error}); write $$ for a $.") from None


def is_atoms(sample: Sample) -> bool:
    """Whether the sample follows the atoms schema."""
    return {"numbers", "positions"} <= set(sample.arrays)


def xyz_lines(sample: Sample) -> str:
    """A line ``symbol x y z`` (Angstrom, full precision) an atom."""
    rows = zip(sample["numbers"], sample["positions"], strict=True)
    return "\n".join(f"{SYMBOLS[int(z)]} {text_of(x)}" for z, x in rows)


def write_extxyz(path: Path, sample: Sample) -> None:
    """One frame of extended XYZ; lattice, charge and multiplicity where the sample has them."""
    if not is_atoms(sample):
        raise ShapeError(f"extxyz needs numbers and positions; got {sorted(sample.arrays)}.")
    about = ["Properties=species:S:1:pos:R:3"]
    if "cell" in sample.arrays and sample["cell"].any():  # a molecule beside crystals has none
        about.append(f'Lattice="{text_of(sample["cell"].reshape(-1))}"')
        about.append(f'pbc="{" ".join("T" if p else "F" for p in sample["pbc"])}"')
    about += [f"{n}={text_of(sample[n])}" for n in ("charge", "multiplicity") if n in sample.arrays]
    lines = (str(len(sample["numbers"])), " ".join(about), xyz_lines(sample), "")
    path.write_text("\n".join(lines), encoding="utf-8")


def write_json(path: Path, sample: Sample) -> None:
    """All fields as nested lists, with the sample's id and URI."""
    fields = {name: value.tolist() for name, value in sample.arrays.items()}
    held = {"id": sample.id, "uri": sample.uri, "fields": fields}
    path.write_text(json.dumps(held, ensure_ascii=False), encoding="utf-8")


def write_npz(path: Path, sample: Sample) -> None:
    """All fields as arrays."""
    # Not np.savez: a field may bear the name of one of its parameters.
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in sample.arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, value, allow_pickle=False)


def write_npy(path: Path, sample: Sample, name: str) -> None:
    """One field as an array."""
    with path.open("wb") as file:
        np.save(file, sample[name], allow_pickle=False)


WRITERS: Mapping[str, Callable[[Path, Sample], None]] = {
    "extxyz": write_extxyz,
    "json": write_json,
    "npz": write_npz,
}


def writer_of(kind: str) -> Callable[[Path, Sample], None]:
    """The writer of a kind: "extxyz", "json", "npz", or "npy:field" for one array.

    Raises:
        ConfigError: If there is no such kind.
    """
    name, _, chosen = kind.partition(":")
    if name == "npy" and chosen:
        return lambda path, sample: write_npy(path, sample, chosen)
    if kind not in WRITERS:
        known = [*sorted(WRITERS), "npy:<field>"]
        raise ConfigError(f"no input format {kind!r}; known are {known}.")
    return WRITERS[kind]


def check_name(name: str) -> str:
    """Refuse file names that leave the task's folder.

    Raises:
        ConfigError: If it is empty, absolute, or climbs up.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ConfigError(f"{name!r} should be a file name inside the task's folder.")
    return name

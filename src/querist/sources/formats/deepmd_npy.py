"""DeePMD-kit's folders of npy files: one system a folder, one composition a system.

Each has ``type.raw``, ``type_map.raw``, ``nopbc`` for open cells, and in ``set.*`` the arrays
``coord`` ``(n, 3 atoms)``, ``box`` ``(n, 9)``, ``energy`` ``(n,)``, ``force`` ``(n, 3 atoms)`` and
``virial`` ``(n, 9)``, in Angstrom and eV. The virial is ``-stress * volume`` with ASE's sign of the
stress. Systems of mixed type have ``real_atom_types.npy`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.atoms import SYMBOLS, refuse
from querist.core.batch import Array
from querist.core.errors import ConfigError, ShapeError
from querist.sources.formats.frames import Frame, ReadOptions, dataset_of, need_atoms, renamed

Floats = NDArray[np.float64]
LABELS = {"energy": "energy", "forces": "force", "stress": "virial"}


def read(path: Path, options: ReadOptions) -> Dataset:
    """Read a system, or all systems below a folder, in the order of their paths.

    Raises:
        ShapeError: If a file is missing, or its shape does not fit the system.
    """
    systems = sorted(file.parent for file in path.rglob("type.raw"))
    if not systems:
        raise ShapeError(f"{path} holds no DeePMD system: there is no type.raw in or below it.")
    frames = [frame for system in systems for frame in _system(system, options)]
    return dataset_of(frames, str(path))


def _system(system: Path, options: ReadOptions) -> list[Frame]:
    numbers = _numbers(system)
    open_cell = (system / "nopbc").exists()
    sets = sorted(system.glob("set.*"))
    if not sets:
        raise ShapeError(f"{system} has no set.* folder, so no structures.")
    return [frame for one in sets for frame in _set(one, numbers, open_cell, options)]


def _numbers(system: Path) -> NDArray[np.int64]:
    """Atomic number of each type, then the types of the atoms looked up in it."""
    return _elements(system)[np.loadtxt(system / "type.raw", dtype=np.int64, ndmin=1)]


def _elements(system: Path) -> NDArray[np.int64]:
    file = system / "type_map.raw"
    if not file.is_file():
        raise ShapeError(f"{system} has no type_map.raw, so its types have no elements.")
    symbols = file.read_text(encoding="utf-8").split()
    unknown = [symbol for symbol in symbols if symbol not in SYMBOLS]
    if unknown:
        raise ShapeError(f"{file}: {unknown[0]!r} is no element.")
    return np.array([SYMBOLS.index(symbol) for symbol in symbols], np.int64)


def _set(
    folder: Path, numbers: NDArray[np.int64], open_cell: bool, options: ReadOptions
) -> list[Frame]:
    count = len(numbers)
    positions = _array(folder, "coord", (count, 3))
    n = len(positions)
    by_frame = np.tile(numbers, (n, 1))
    if (folder / "real_atom_types.npy").exists():
        types = np.load(folder / "real_atom_types.npy", allow_pickle=False).astype(np.int64)
        by_frame = np.where(types < 0, 0, _elements(folder.parent)[types])
    cells = None if open_cell else _array(folder, "box", (3, 3))
    labels = _labels(folder, count, cells, options)
    frames = []
    for i in range(n):
        real = by_frame[i] > 0  # virtual atoms pad systems of mixed type
        inputs: dict[str, Array] = {"numbers": by_frame[i][real], "positions": positions[i][real]}
        if cells is not None:
            inputs |= {"cell": cells[i], "pbc": np.ones(3, np.bool_)}
        own = {name: v[i][real] if name == "forces" else v[i] for name, v in labels.items()}
        frames.append(Frame(inputs, own))
    return frames


def _labels(
    folder: Path, count: int, cells: Floats | None, options: ReadOptions
) -> Mapping[str, Floats]:
    shapes: dict[str, tuple[int, ...]] = {"energy": (), "forces": (count, 3), "stress": (3, 3)}
    wanted = renamed(options.outputs) or {
        name: key for name, key in LABELS.items() if (folder / f"{key}.npy").exists()
    }
    unknown = sorted(set(wanted) - set(LABELS))
    if unknown:
        raise ShapeError(
            f"DeePMD folders have no label {unknown[0]!r}; they have {sorted(LABELS)}."
        )
    found = {name: _array(folder, LABELS[name], shapes[name]) for name in wanted}
    if "stress" in found and cells is None:
        del found["stress"]  # a virial without a volume
    elif "stress" in found and cells is not None:
        virial = (found["stress"] + found["stress"].transpose(0, 2, 1)) / 2
        found["stress"] = -virial / np.abs(np.linalg.det(cells))[:, None, None]
    return found


def _array(folder: Path, name: str, shape: tuple[int, ...]) -> Floats:
    file = folder / f"{name}.npy"
    if not file.is_file():
        raise ShapeError(f"{folder} has no {name}.npy.")
    held = np.load(file, allow_pickle=False).astype(np.float64)
    size = int(np.prod(shape))
    if held.size % size or held.size // size != len(held):
        raise ShapeError(f"{file} should hold {size} numbers a structure, but is {held.shape}.")
    return np.asarray(held.reshape(len(held), *shape))


def write(path: Path, dataset: Dataset) -> None:
    """Write one system for each order of elements; purposes and levels are not kept.

    Raises:
        ConfigError: If the folder is there and not empty.
        ShapeError: If the samples are no atoms, or a cell is periodic in some directions only.
        UnsupportedSample: If a sample has a charge or an open shell, which the format cannot hold.
    """
    need_atoms(dataset, "DeePMD")
    refuse(dataset.inputs, periodic=True, charged=False, who="the DeePMD format")
    if path.exists() and any(path.iterdir()):
        raise ConfigError(f"{path} is there and not empty; give a new folder.")
    for number, rows in enumerate(_groups(dataset).values()):
        part = dataset.take(np.array(rows))
        _write_system(path / f"{number:03d}-{_formula(part)}", part)


def _groups(dataset: Dataset) -> dict[tuple[bytes, bool], list[int]]:
    groups: dict[tuple[bytes, bool], list[int]] = {}
    for index in range(len(dataset)):
        held = dataset.inputs.arrays(index)
        periodic = held.get("pbc", np.zeros(3, np.bool_))
        if periodic.any() != periodic.all():
            raise ShapeError(f"DeePMD cells are periodic in all directions or none: {periodic}.")
        key = (held["numbers"].astype(np.int64).tobytes(), bool(periodic.all()))
        groups.setdefault(key, []).append(index)
    return groups


def _formula(part: Dataset) -> str:
    elements, counts = np.unique(part.inputs["numbers"][0], return_counts=True)
    pairs = zip(elements, counts, strict=True)
    return "".join(f"{SYMBOLS[int(z)]}{n if n > 1 else ''}" for z, n in pairs)


def _write_system(folder: Path, part: Dataset) -> None:
    inputs, n = part.inputs, len(part)
    (folder / "set.000").mkdir(parents=True)
    elements, types = np.unique(inputs["numbers"][0], return_inverse=True)
    symbols = "".join(f"{SYMBOLS[int(z)]}\n" for z in elements)
    (folder / "type_map.raw").write_text(symbols, encoding="utf-8")
    np.savetxt(folder / "type.raw", types, fmt="%d")
    arrays: dict[str, Array] = {"coord": inputs["positions"].reshape(n, -1)}
    periodic = "pbc" in inputs and bool(np.all(inputs["pbc"]))
    if periodic:
        arrays["box"] = inputs["cell"].reshape(n, 9)
    else:
        (folder / "nopbc").touch()
    arrays |= _written(part, periodic)
    for name, value in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", value, allow_pickle=False)


def _written(part: Dataset, periodic: bool) -> dict[str, Array]:
    outputs, n = part.outputs, len(part)
    arrays = {LABELS[name]: outputs[name].reshape(n, -1) for name in LABELS if name in outputs}
    if "energy" in arrays:
        arrays["energy"] = arrays["energy"].reshape(n)
    if "virial" in arrays:
        volume = (
            np.abs(np.linalg.det(np.asarray(part.inputs["cell"], np.float64))) if periodic else 0
        )
        arrays["virial"] = -np.asarray(arrays["virial"], np.float64) * np.reshape(volume, (-1, 1))
    if not periodic:
        arrays.pop("virial", None)
    return arrays

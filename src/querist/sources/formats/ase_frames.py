"""The one file that speaks to ASE: its readers and its databases, as frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, require
from querist.sources.formats.frames import Frame

_NEEDED_FOR = "reading and writing extended XYZ and ASE databases"


def read_extxyz_frames(path: Path) -> list[Frame]:
    """All frames of an extended XYZ file.

    Raises:
        ConfigError: If ASE cannot read it.
    """
    io = require("ase.io", "atoms", _NEEDED_FOR)
    # An isolation boundary: at a damaged file the parser raises whatever comes to hand.
    try:
        images = io.read(path, index=":", format="extxyz")
    except Exception as error:
        raise ConfigError(f"{path} cannot be read as extended XYZ ({_said(error)}).") from error
    return [_frame(atoms, atoms.info) for atoms in images]


def extxyz_notes(notes: Mapping[str, Any]) -> str:
    """Notes as the comment line of extended XYZ has them; texts stay texts.

    Raises:
        ConfigError: If the format cannot hold a text.
    """
    extxyz = require("ase.io.extxyz", "atoms", _NEEDED_FOR)
    texts = {name: value for name, value in notes.items() if isinstance(value, str)}
    others = {name: value for name, value in notes.items() if name not in texts}
    said = [_text_note(extxyz, name, text) for name, text in texts.items()]
    return " ".join([*said, extxyz.key_val_dict_to_str(others)])


def _text_note(extxyz: Any, name: str, text: str) -> str:
    # Plain, "1.5" or "T" would come back as a number or a truth value; JSON keeps them texts.
    for form in (text, f"_JSON {json.dumps(text)}"):
        said: str = extxyz.key_val_dict_to_str({name: form})
        try:
            back = extxyz.key_val_str_to_dict(said).get(name)
        except ValueError:
            continue
        if isinstance(back, str) and back == text:
            return said
    raise ConfigError(f"extended XYZ cannot hold {name}={text!r}; change the text.")


def read_database(path: Path, select: str | None) -> list[Frame]:
    """The rows of an ASE database that a query selects.

    Raises:
        ConfigError: If ASE cannot read it.
    """
    db = require("ase.db", "atoms", _NEEDED_FOR)
    # An isolation boundary, as above.
    try:
        with db.connect(path, use_lock_file=False) as connection:
            return [_frame_of_row(row) for row in connection.select(select)]
    except Exception as error:
        raise ConfigError(f"{path} cannot be read as an ASE database ({_said(error)}).") from error


def write_database(path: Path, frames: Iterable[Frame]) -> None:
    """A new ASE database; a row a frame.

    Results that ASE knows become results; ``purpose`` and ``level`` key-value pairs, where ASE
    allows their text; all else ``data``.
    """
    db = require("ase.db", "atoms", _NEEDED_FOR)
    with db.connect(path, type="db", use_lock_file=False, serial=True) as connection:
        for frame in frames:
            atoms, rest = _atoms(frame)
            pairs = {k: rest.pop(k) for k in ("purpose", "level") if _allowed(rest, k)}
            connection.write(atoms, key_value_pairs=pairs, data=rest)


def _allowed(notes: Mapping[str, Any], key: str) -> bool:
    core = require("ase.db.core", "atoms", _NEEDED_FOR)
    if key not in notes:
        return False
    try:
        core.check({key: notes[key]})
    except ValueError:
        return False  # it looks like a number
    return True


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _frame(atoms: Any, notes: Mapping[str, Any]) -> Frame:
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    results = {} if atoms.calc is None else atoms.calc.results
    values = {**notes, **arrays, **results}
    # A slab may lack the vector that nothing repeats along; ASE gives it a length.
    whole = atoms.pbc.any() and atoms.cell.any(1)[atoms.pbc].all()
    cell = np.array(atoms.cell.complete() if whole else atoms.cell)
    return Frame(atoms.numbers, atoms.positions, cell, atoms.pbc, values)


def _frame_of_row(row: Any) -> Frame:
    return _frame(row.toatoms(), {**row.data, **row.key_value_pairs})


def _atoms(frame: Frame) -> tuple[Any, dict[str, Any]]:
    """``ase.Atoms`` with the results that ASE knows, and what is left."""
    ase = require("ase", "atoms", _NEEDED_FOR)
    single = require("ase.calculators.singlepoint", "atoms", _NEEDED_FOR)
    known = require("ase.calculators.calculator", "atoms", _NEEDED_FOR).all_properties
    results = {name: value for name, value in frame.values.items() if name in known}
    if "energy" in results:
        results["energy"] = float(results["energy"])
    atoms = ase.Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    atoms.calc = single.SinglePointCalculator(atoms, **results)
    return atoms, {name: value for name, value in frame.values.items() if name not in known}

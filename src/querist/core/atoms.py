"""The atoms schema: how molecules, clusters and crystals are named, shaped and measured.

=================  =====================  ==========  =========================================
field              shape                  unit        meaning
=================  =====================  ==========  =========================================
``numbers``        ``(atoms,)`` integer   -           atomic numbers
``positions``      ``(atoms, 3)``         Angstrom    Cartesian coordinates
``cell``           ``(3, 3)``             Angstrom    lattice vectors as rows (optional)
``pbc``            ``(3,)`` bool          -           periodic directions (optional, with cell)
``charge``         ``()``                 e           total charge (optional, 0)
``multiplicity``   ``()`` integer         -           2S + 1 (optional, 1)
``energy``         ``()``                 eV          potential energy (label)
``forces``         ``(atoms, 3)``         eV/A        minus the gradient of the energy (label)
``stress``         ``(3, 3)``             eV/A^3      ASE's sign: positive when stretched (label)
=================  =====================  ==========  =========================================

The level of theory is no field: it is part of an answer's identity (``Label.level``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from querist.core.batch import Batch, Sample, as_array
from querist.core.errors import ShapeError, UnsupportedSample

INPUTS = ("numbers", "positions", "cell", "pbc", "charge", "multiplicity")
_NAMES = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As "
    "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd "
    "Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am "
    "Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og "
)
SYMBOLS = tuple(_NAMES.split())  # by atomic number; "X" stands at 0


def atoms_sample(
    numbers: ArrayLike,
    positions: ArrayLike,
    cell: ArrayLike | None = None,
    pbc: ArrayLike | None = None,
    **extra: ArrayLike,
) -> Sample:
    """A sample of the atoms schema (:mod:`querist.core.atoms`).

    Args:
        numbers: ``(atoms,)`` atomic numbers.
        positions: ``(atoms, 3)`` in Angstrom.
        cell: ``(3, 3)`` lattice vectors as rows, in Angstrom.
        pbc: ``(3,)`` periodic directions; with a cell by default all, without one none.
        extra: ``charge`` (e) and ``multiplicity`` (2S + 1), kept only where they are given.

    Raises:
        ShapeError: If a shape is not that of the schema.
    """
    fields: dict[str, ArrayLike] = {
        "numbers": np.asarray(numbers, np.int64),
        "positions": np.asarray(positions, np.float64),
    }
    if cell is not None:
        fields["cell"] = np.asarray(cell, np.float64)
        fields["pbc"] = np.asarray([True] * 3 if pbc is None else pbc, np.bool_)
    elif pbc is not None and np.any(pbc):
        raise ShapeError("periodic directions need a 'cell'; give it, or leave out 'pbc'.")
    for name, value in extra.items():
        if name not in ("charge", "multiplicity"):
            raise ShapeError(f"the atoms schema has no input {name!r}; it has {list(INPUTS)}.")
        fields[name] = np.asarray(value, np.float64 if name == "charge" else np.int64)
    check_atoms(fields)
    return Sample.of(fields)


def check_atoms(fields: Mapping[str, ArrayLike]) -> None:
    """Check one sample or label against the schema; a ShapeError says what is wrong."""
    given = [as_array(fields[n]) for n in ("numbers", "positions", "forces") if n in fields]
    rows = next((len(array) for array in given if array.ndim), None)
    by_atom, square = (rows, 3), (3, 3)
    wanted = {"numbers": (rows,), "positions": by_atom, "forces": by_atom, "pbc": (3,)}
    wanted |= {"cell": square, "stress": square, "charge": (), "multiplicity": (), "energy": ()}
    for name, value in fields.items():
        shape, got = wanted.get(name), as_array(value, name).shape
        if shape is not None and got != tuple(rows if n is None else n for n in shape):
            raise ShapeError(f"{name!r} should have the shape {shape}, but has {got}.")


def refuse(batch: Batch, *, periodic: bool, charged: bool, who: str) -> None:
    """Raise UnsupportedSample at a periodic cell, or a charge or an open shell, where not allowed.

    ``who`` cannot represent it; the sentence names it and the property.
    """
    neutral = () if charged else (("charge", 0, "a charge"), ("multiplicity", 1, "an open shell"))
    closed = () if periodic else (("pbc", False, "a periodic cell"),)
    for name, allowed, what in (*closed, *neutral):
        if name in batch and bool(np.any(batch[name] != allowed)):
            raise UnsupportedSample(f"{who} cannot represent {what}, but was given one.")

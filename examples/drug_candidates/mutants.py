"""Mutants of the kinase's pocket, by editing side chains of the receptor's PDBQT.

Of the four, T315I (the gatekeeper) and F317L and Y253F stand for mutations that make patients
resistant to imatinib; T315A opens the gate instead. The backbone and the other residues stay where
they are, so what a protein would do to make room is not seen. Vina asks for elements, aromaticity
and hydrogen bonds only: charges are left as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from hosts import Host
from numpy.typing import NDArray

from querist.core.errors import QueristError

BOND, ANGLE = 1.53, np.radians(112.0)
"""Of carbons in side chains: Angstrom, and radians."""
ROTAMERS = np.radians([-60.0, 60.0, 180.0])


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of a residue.

    Attributes:
        residue: Its number.
        before, after: Names of three letters.
        kept: Atoms of the side chain that stay, with the name and the type that they get.
        added: Carbons put at the end of a chain of four, by the three before, and with an offset
            to the turn about the last bond, in degrees.
    """

    residue: int
    before: str
    after: str
    kept: Mapping[str, tuple[str, str]]
    added: Mapping[str, tuple[str, str, str, float]] = field(default_factory=dict)


_ALIPHATIC = {"CB": ("CB", "C")}
_RING = {name: (name, "A") for name in ("CG", "CD1", "CD2", "CE1", "CE2", "CZ")}
MUTANTS = {
    "T315I": Edit(
        315,
        "THR",
        "ILE",
        {**_ALIPHATIC, "CG2": ("CG2", "C"), "OG1": ("CG1", "C")},
        {"CD1": ("CA", "CB", "CG1", 0.0)},
    ),
    "T315A": Edit(315, "THR", "ALA", _ALIPHATIC),
    "F317L": Edit(
        317,
        "PHE",
        "LEU",
        {**_ALIPHATIC, "CG": ("CG", "C")},
        {"CD1": ("CA", "CB", "CG", 0.0), "CD2": ("CA", "CB", "CG", 122.0)},
    ),
    "Y253F": Edit(253, "TYR", "PHE", {**_ALIPHATIC, **_RING}),
}
BACKBONE = {"N", "CA", "C", "O", "H", "HN"}


def name_of(line: str) -> str:
    """An atom's name; some files have it a column early."""
    return line[12:16].strip() if line[12:16].strip() else line[11:16].strip()


def place_of(line: str) -> NDArray[np.float64]:
    """An atom's position, in Angstrom."""
    return np.array([float(line[start : start + 8]) for start in (30, 38, 46)])


def placed(
    first: NDArray[np.float64], second: NDArray[np.float64], third: NDArray[np.float64], turn: float
) -> NDArray[np.float64]:
    """A carbon bound to ``third``, turned by ``turn`` radians about its bond with ``second``."""
    along = (third - second) / np.linalg.norm(third - second)
    normal = np.cross(second - first, along)
    normal /= np.linalg.norm(normal)
    away = -np.cos(ANGLE) * along
    aside = np.sin(turn) * normal + np.cos(turn) * np.cross(normal, along)
    return np.asarray(third + BOND * (away + np.sin(ANGLE) * aside))


def mutated(host: Host, mutant: str) -> Host:
    """The host with one residue changed; "wild type" is the host itself.

    Raises:
        QueristError: If the receptor does not have the residue that is to be changed.
    """
    if mutant == "wild type":
        return host
    edit = MUTANTS[mutant]
    lines = host.pdbqt.splitlines()
    own = [line for line in lines if line[:4] == "ATOM" and int(line[22:26]) == edit.residue]
    if not own or {line[17:20] for line in own} != {edit.before}:
        raise QueristError(f"{mutant} wants {edit.before} at {edit.residue} of the receptor.")
    others = np.array([place_of(o) for o in lines if o[:4] == "ATOM" and o not in own])
    changed = [text for line in own if (text := edited(line, edit))]
    changed += grown(changed, edit, others)
    start = lines.index(own[0])
    rest = [line for line in lines if line not in own]
    text = "\n".join([*rest[:start], *changed, *rest[start:]]) + "\n"
    return replace(host, name=f"{host.name}-{mutant}", pdbqt=text)


def edited(line: str, edit: Edit) -> str:
    """An atom's line in the new residue; empty where the atom is gone."""
    name = name_of(line)
    if name in BACKBONE:
        return f"{line[:17]}{edit.after}{line[20:]}"
    if name not in edit.kept:
        return ""
    new, kind = edit.kept[name]
    return f"{line[:12]} {new:<3s} {edit.after}{line[20:77]}{kind:<2s}"


def grown(changed: list[str], edit: Edit, others: NDArray[np.float64]) -> list[str]:
    """Lines of the added carbons, in the rotamer that is farthest from all other atoms."""
    own = {name_of(line): place_of(line) for line in changed}
    best: dict[str, NDArray[np.float64]] = {}
    most = -1.0
    for rotamer in ROTAMERS:
        new = {
            name: placed(*(own[one] for one in before), rotamer + np.radians(offset))
            for name, (*before, offset) in edit.added.items()
        }
        if not new:
            return []
        gap = np.linalg.norm(np.array(list(new.values()))[:, None] - others, axis=-1).min()
        if gap > most:
            best, most = new, float(gap)
    pattern = changed[-1]
    return [
        f"{pattern[:12]} {name:<3s} {edit.after}{pattern[20:30]}"
        f"{x:8.3f}{y:8.3f}{z:8.3f}{pattern[54:77]}C "
        for name, (x, y, z) in best.items()
    ]

"""A host as a molecule with all hydrogens, so that MMFF94 knows its atoms: what dynamics wants.

A cyclodextrin is one already. Of the kinase, or a mutant, all residues are taken that come near
imatinib's place; RDKit knows the bonds of residues by their names, adds the hydrogens that the
receptor's file leaves out, and types the atoms. Chains end in plain hydrogens where they were cut.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hosts import UNITS, Host, cyclodextrin
from kinase import from_folder
from molecules import rdkit
from mutants import name_of, place_of
from numpy.typing import NDArray
from receptors import FOLDER, host_named

REACH = 6.0
"""How near an atom of a residue comes to imatinib's, in Angstrom."""
ELEMENTS = {"A": "C", "OA": "O", "NA": "N", "HD": "H", "SA": "S"}
"""Of AutoDock's kinds of atoms, where the name is another."""
ACIDS = {("ASP", "OD2"), ("GLU", "OE2")}
"""Oxygens that have lost their proton; acids' hydrogens are not in a receptor's file."""


@cache
def typed(name: str) -> Any:
    """The host of a name, whole or its pocket, as a molecule of RDKit with one conformer."""
    if name in UNITS:
        return cyclodextrin(UNITS[name])
    crystal = from_folder(Path(os.environ[FOLDER])).crystal if FOLDER in os.environ else None
    host = host_named(name)  # says what is wrong where there is no folder
    assert crystal is not None
    return cut(host, crystal.GetConformer().GetPositions())


def cut(host: Host, around: NDArray[np.float64], reach: float = REACH) -> Any:
    """The residues of a receptor that come near some places ``(n, 3)``, with all hydrogens."""
    chem = rdkit("Chem")
    lines = [line for line in host.pdbqt.splitlines() if line.startswith("ATOM")]
    places = np.array([place_of(line) for line in lines])
    gap = np.linalg.norm(places[:, None] - around[None], axis=-1).min(axis=1)
    near = {line[21:26] for line, one in zip(lines, gap, strict=True) if one < reach}
    kept = sorted((line for line in lines if line[21:26] in near), key=lambda one: one[21:26])
    block = "\n".join([*(pdb_line(line, n) for n, line in enumerate(kept, start=1)), "END", ""])
    molecule = chem.MolFromPDBBlock(block, removeHs=False)
    for atom in molecule.GetAtoms():
        told = atom.GetPDBResidueInfo()
        name = told.GetName().strip()
        if (told.GetResidueName(), name) in ACIDS or name == "OXT":
            atom.SetFormalCharge(-1)
            atom.SetNoImplicit(True)
    chem.SanitizeMol(molecule)
    return chem.AddHs(molecule, addCoords=True)


def pdb_line(line: str, number: int) -> str:
    """A line of PDBQT as one of PDB."""
    kind = line[77:].strip()
    name = name_of(line)
    name = name if len(name) > 3 else f" {name:<3s}"
    return f"ATOM  {number:5d} {name} {line[17:66]}          {ELEMENTS.get(kind, kind):>2s}"

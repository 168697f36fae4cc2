"""The c-Abl kinase with imatinib, entry 1IEP of the Protein Data Bank (Nagar et al. 2002).

From a folder that holds ``1iep_receptor.pdbqt`` and ``1iep_ligand.sdf``, or from the file of the
Protein Data Bank, which is fetched only when asked for. Nothing of it is part of this example.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hosts import Host
from molecules import IMATINIB, rdkit
from numpy.typing import NDArray

from querist.core.errors import QueristError, require

ADDRESS = "https://files.rcsb.org/download/1IEP.pdb"
RECEPTOR, LIGAND = "1iep_receptor.pdbqt", "1iep_ligand.sdf"
CENTER, SIZE = (15.19, 53.903, 16.917), (20.0, 20.0, 20.0)
"""The box around imatinib in chain A, in Angstrom."""


@dataclass(frozen=True, slots=True)
class Kinase:
    """The receptor, and imatinib as the crystal has it (a molecule of RDKit with hydrogens)."""

    host: Host
    crystal: Any


def from_folder(folder: Path) -> Kinase:
    """From a folder with the receptor and the ligand.

    Raises:
        QueristError: If one is missing.
    """
    missing = [name for name in (RECEPTOR, LIGAND) if not (folder / name).is_file()]
    if missing:
        raise QueristError(
            f"Wanted {RECEPTOR} and {LIGAND} in {folder}, but not there: {missing}. "
            "Run `python kinase.py` to fetch and prepare them."
        )
    ligand = rdkit("Chem").MolFromMolFile(str(folder / LIGAND), removeHs=False)
    text = (folder / RECEPTOR).read_text(encoding="utf-8")
    return Kinase(Host("1iep", text, CENTER, SIZE), ligand)


def fetch(folder: Path, say: Callable[[str], Any] = print) -> Path:
    """Fetch the entry into a folder, unless it is there; the file's path.

    Raises:
        QueristError: If the Protein Data Bank cannot be reached, or answers something else.
    """
    path = folder / "1IEP.pdb"
    if path.exists():
        return path
    say(f"Fetching entry 1IEP (about half a megabyte) from {ADDRESS} into {path} ...")
    instead = (
        f"Put 1IEP.pdb into {folder} yourself, name a folder with {RECEPTOR} and {LIGAND}, or dock "
        "into a cyclodextrin instead, which needs no network."
    )
    try:
        with urllib.request.urlopen(ADDRESS, timeout=60) as answer:
            text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise QueristError(f"{ADDRESS} cannot be reached ({error}). {instead}") from error
    if b" STI A" not in text:  # as a page that asks for a password
        raise QueristError(f"What {ADDRESS} answers is no entry with imatinib (STI). {instead}")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def prepare(entry: Path) -> Path:
    """Write receptor and ligand of chain A beside the entry's file; their folder."""
    text = entry.read_text(encoding="utf-8").splitlines()
    protein = [line for line in text if line.startswith("ATOM") and line[21] == "A"]
    ligand = [line for line in text if line[:6] == "HETATM" and line[17:22] == "STI A"]
    if not protein or not ligand:
        raise QueristError(f"There is no chain A with imatinib (STI) in {entry}.")
    (entry.parent / RECEPTOR).write_text(receptor_pdbqt("\n".join(protein)), encoding="utf-8")
    molecule = with_bonds("\n".join(ligand))
    rdkit("Chem").MolToMolFile(molecule, str(entry.parent / LIGAND))
    return entry.parent


def receptor_pdbqt(pdb: str) -> str:
    """A protein's heavy atoms with hydrogens, as Vina wants them; residues meeko cannot read go."""
    meeko = require("meeko", "docking", "examples/drug_candidates")
    templates = meeko.ResidueChemTemplates.create_from_defaults()
    maker = meeko.MoleculePreparation()
    polymer = meeko.Polymer.from_pdb_string(
        pdb + "\nEND\n", templates, maker, allow_bad_res=True, default_altloc="A"
    )
    return str(meeko.PDBQTWriterLegacy.write_string_from_polymer(polymer)[0])


def with_bonds(pdb: str) -> Any:
    """Imatinib's crystal positions, with its bonds' orders and hydrogens."""
    chem, all_chem = rdkit("Chem"), rdkit("Chem.AllChem")
    bare = chem.MolFromPDBBlock(pdb + "\nEND\n")
    whole = all_chem.AssignBondOrdersFromTemplate(chem.MolFromSmiles(IMATINIB), bare)
    return chem.AddHs(whole, addCoords=True)


def rmsd(pose: str, crystal: Any) -> float:
    """Root mean square distance of a pose's heavy atoms to the crystal's, in Angstrom.

    The least over all ways to map equal atoms; nothing is moved.

    Args:
        pose: PDBQT of Vina, with the remarks of meeko.
        crystal: The molecule of the crystal.
    """
    chem, align = rdkit("Chem"), rdkit("Chem.rdMolAlign")
    docked = chem.RemoveHs(posed(pose))
    uncharged = rdkit("Chem.MolStandardize.rdMolStandardize").Uncharger()
    kept = uncharged.uncharge(chem.RemoveHs(crystal))
    return float(align.CalcRMS(uncharged.uncharge(docked), kept))


def posed(pose: str) -> Any:
    """A pose of Vina as a molecule of RDKit, with its hydrogens."""
    meeko = require("meeko", "docking", "examples/drug_candidates")
    found = meeko.PDBQTMolecule(pose, skip_typing=True)
    (molecule,) = meeko.RDKitMolCreate.from_pdbqt_mol(found)
    return molecule


def around(kinase: Kinase, reach: float = 5.0) -> NDArray[np.float64]:
    """Positions of the receptor's heavy atoms that are near the crystal's ligand (n, 3)."""
    lines = [line for line in kinase.host.pdbqt.splitlines() if line.startswith("ATOM")]
    heavy = [line for line in lines if line.split()[-1] != "HD"]
    places = np.array([[float(line[n : n + 8]) for n in (30, 38, 46)] for line in heavy])
    ligand = kinase.crystal.GetConformer().GetPositions()
    gap = np.linalg.norm(places[:, None] - ligand[None], axis=-1).min(axis=1)
    return np.asarray(places[gap < reach])


if __name__ == "__main__":
    import sys

    try:
        print(prepare(fetch(Path(sys.argv[1] if len(sys.argv) > 1 else "1iep"))))
    except QueristError as error:
        sys.exit(str(error))

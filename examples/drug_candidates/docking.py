"""The oracle: AutoDock Vina puts a molecule into a host, on one core and seeded.

Ligands are embedded by RDKit, relaxed by MMFF94, and prepared by meeko. Energies are Vina's, in
kcal/mol: the lower, the better.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from hosts import Host
from molecules import rdkit

from querist.core.errors import QueristError, require

SEED = 1
POSES = 1
EVALUATIONS = 30_000
"""Of the energy in each of the ``exhaustiveness`` searches of a docking.

Vina's own number, which grows with the ligand, takes 20 to 40 times as long. In a cyclodextrin both
find nearly the same energies; in the deep pocket of a kinase a single short search often ends far
from the best (README.md).
"""


@dataclass(frozen=True, slots=True)
class Docked:
    """The best pose: energy (kcal/mol), processor and wall seconds, and the pose as PDBQT."""

    energy: float
    seconds: float
    wall: float
    pose: str


def engine(seed: int = SEED) -> Any:
    """A Vina object on one core."""
    vina = require("vina", "docking", "examples/drug_candidates")
    return vina.Vina(sf_name="vina", cpu=1, seed=seed, verbosity=0)


@lru_cache(maxsize=4)
def prepared(host: Host, seed: int) -> Any:
    """A Vina object with the maps of a host, for all kinds of atoms."""
    import tempfile
    from pathlib import Path

    vina = engine(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.pdbqt"
        path.write_text(host.pdbqt, encoding="utf-8")
        vina.set_receptor(str(path))
    vina.compute_vina_maps(list(host.center), list(host.size))
    return vina


def embedded(smiles: str) -> Any:
    """A molecule of RDKit with hydrogens and one relaxed conformer."""
    chem, all_chem = rdkit("Chem"), rdkit("Chem.AllChem")
    molecule = chem.AddHs(chem.MolFromSmiles(smiles))
    parameters = all_chem.ETKDGv3()
    parameters.randomSeed = SEED
    if all_chem.EmbedMolecule(molecule, parameters) != 0:
        raise QueristError(f"RDKit finds no conformer of {smiles}.")
    all_chem.MMFFOptimizeMolecule(molecule, maxIters=1000)
    return molecule


@cache
def ligand_pdbqt(smiles: str) -> str:
    """A molecule as Vina wants it, from SMILES."""
    return pdbqt_of(embedded(smiles))


def pdbqt_of(molecule: Any) -> str:
    """A molecule with hydrogens and a conformer as Vina wants it."""
    meeko = require("meeko", "docking", "examples/drug_candidates")
    (setup,) = meeko.MoleculePreparation().prepare(molecule)
    text, good, why = meeko.PDBQTWriterLegacy.write_string(setup)
    if not good:
        raise QueristError(f"meeko cannot write the molecule as PDBQT: {why}.")
    return str(text)


def dock(
    ligand: str, host: Host, exhaustiveness: int = 8, evaluations: int = EVALUATIONS
) -> Docked:
    """Dock a PDBQT ligand into a host."""
    vina = prepared(host, SEED)
    wall, processor = time.perf_counter(), time.process_time()
    vina.set_ligand_from_string(ligand)
    vina.dock(exhaustiveness=exhaustiveness, n_poses=POSES, max_evals=evaluations)
    seconds, wall = time.process_time() - processor, time.perf_counter() - wall
    return Docked(float(vina.energies(n_poses=1)[0][0]), seconds, wall, vina.poses(n_poses=1))

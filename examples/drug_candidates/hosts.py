"""What molecules are docked into: a rigid host, such as a cyclodextrin that RDKit builds.

A cyclodextrin is a ring of six (alpha), seven (beta) or eight (gamma) glucoses, open on both sides,
wide enough for a benzene ring, an adamantane or a naphthalene. It needs no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from molecules import rdkit
from numpy.typing import NDArray

from querist.core.errors import QueristError

UNITS = {"alpha": 6, "beta": 7, "gamma": 8}
GLUCOSE = "OC[C@H]1O[C@H](O)[C@H](O)[C@@H](O)[C@@H]1O"
"""Alpha-D-glucopyranose; ``C1``, ``O1``, ``C4``, ``O4`` are its atoms that are joined in a ring."""
ATOMS, C1, O1, C4, O4 = 12, 4, 5, 10, 11
TURNS = np.radians(np.arange(0, 360, 10))
OPEN = 2.2
"""The least distance of an atom from the axis of an open ring, in Angstrom."""
HELD = 0.5
"""How far a heavy atom may relax without a force that holds it (Angstrom): else rims fold
inwards."""
CONFORMERS, TRIED, SEED = 6, 4, 7
TYPES = {1: "HD", 6: "C", 8: "OA"}


@dataclass(frozen=True, slots=True)
class Host:
    """A rigid receptor: its name, PDBQT text, and the box where poses are looked for (Angstrom)."""

    name: str
    pdbqt: str
    center: tuple[float, float, float]
    size: tuple[float, float, float]


def cyclodextrin_smiles(units: int) -> str:
    """The ring of ``units`` alpha-1,4-linked D-glucopyranoses."""
    inner = "[C@H]1[C@H](O)[C@H]2O"
    for label in range(11, 10 + units):
        inner = f"[C@H]%{label}[C@H](O)[C@@H](O)[C@@H](O{inner})O[C@@H]%{label}CO"
    return f"OC[C@H]1O[C@@H]2O{inner}"


@cache
def cyclodextrin(units: int) -> Any:
    """A molecule of RDKit, with hydrogens, round and open as in crystals.

    Conformers of one glucose are put between two corners of a regular polygon, turned about this
    side so that the copies around the ring are least in each other's way, and relaxed by MMFF94.
    The lowest in energy that is open is taken; its axis is the z axis, its middle the origin.
    """
    chem = rdkit("Chem")
    whole = chem.MolFromSmiles(cyclodextrin_smiles(units))
    rows = in_order(whole)
    starts = [copies(one, units, turn) for one in glucoses() for turn in TURNS]
    starts.sort(key=least_distance, reverse=True)
    best, least = None, np.inf
    for start in starts[:TRIED]:
        ring, energy = relaxed(whole, rows, start)
        places = upright(ring.GetConformer().GetPositions(), [row[O4] for row in rows])
        ring.GetConformer().SetPositions(np.ascontiguousarray(places))
        if energy < least and np.linalg.norm(places[:, :2], axis=1).min() > OPEN:
            best, least = ring, energy
    if best is None:
        raise QueristError(f"No conformer of the cyclodextrin of {units} units stayed open.")
    return best


def in_order(whole: Any) -> list[tuple[int, ...]]:
    """Atoms of each glucose (units of 12), each glucose after the one that its O4 hangs on."""
    glucose = rdkit("Chem").MolFromSmiles(GLUCOSE)
    found = {row[O4]: row for row in whole.GetSubstructMatches(glucose, useChirality=True)}
    rows = [found[min(found)]]
    while len(rows) < len(found):
        rows.append(found[rows[-1][O1]])
    return rows


def glucoses() -> list[NDArray[np.float64]]:
    """Conformers of alpha-D-glucose, heavy atoms only, O4 at the origin and O1 on the x axis."""
    chem, all_chem = rdkit("Chem"), rdkit("Chem.AllChem")
    one = chem.AddHs(chem.MolFromSmiles(GLUCOSE))
    parameters = all_chem.ETKDGv3()
    parameters.randomSeed = SEED
    all_chem.EmbedMultipleConfs(one, CONFORMERS, parameters)
    found = []
    for conformer in one.GetConformers():
        places = conformer.GetPositions()[:ATOMS]
        places = places - places[O4]
        along = places[O1] / np.linalg.norm(places[O1])
        across = np.cross(along, [0.0, 0.0, 1.0])
        across /= np.linalg.norm(across)
        found.append(places @ np.stack([along, across, np.cross(along, across)], axis=1))
    return found


def copies(one: NDArray[np.float64], units: int, turn: float) -> NDArray[np.float64]:
    """A glucose, turned about the x axis, on every side of a regular polygon (units, 12, 3)."""
    side = one[O1, 0]
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = one @ np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    turned = turned + np.array([-side / 2, side / (2 * np.tan(np.pi / units)), 0.0])
    around = []
    for k in range(units):
        angle = -2 * np.pi * k / units
        c, s = np.cos(angle), np.sin(angle)
        around.append(turned @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]))
    return np.array(around)


def least_distance(ring: NDArray[np.float64]) -> float:
    """How near atoms of neighbouring glucoses come, but for those at the joint (Angstrom)."""
    first, second = np.delete(ring[0], [O1, C1], axis=0), np.delete(ring[1], [O4, C4], axis=0)
    axis = np.linalg.norm(ring[..., :2], axis=-1).min()
    between = np.linalg.norm(first[:, None] - second[None], axis=-1).min()
    return float(between) if axis > OPEN else -1.0


def relaxed(
    whole: Any, rows: list[tuple[int, ...]], ring: NDArray[np.float64]
) -> tuple[Any, float]:
    """The molecule with these positions, hydrogens added, relaxed by MMFF94, and its energy."""
    chem, all_chem = rdkit("Chem"), rdkit("Chem.AllChem")
    placed = chem.Mol(whole)
    conformer = chem.Conformer(placed.GetNumAtoms())
    for row, places in zip(rows, ring, strict=True):
        for atom, place in zip(row, places, strict=True):
            conformer.SetAtomPosition(atom, place.tolist())
    placed.AddConformer(conformer)
    placed = chem.AddHs(placed, addCoords=True)
    force = all_chem.MMFFGetMoleculeForceField(placed, all_chem.MMFFGetMoleculeProperties(placed))
    for atom in (atom for row in rows for atom in row):
        force.MMFFAddPositionConstraint(atom, HELD, 50.0)
    force.Minimize(maxIts=2000)
    return placed, float(force.CalcEnergy())


def upright(places: NDArray[np.float64], ring: list[int]) -> NDArray[np.float64]:
    """Positions with the middle of the ``ring`` at the origin and its axis along z."""
    moved = places - places[ring].mean(axis=0)
    _, _, axes = np.linalg.svd(moved[ring])
    axes[2] *= np.sign(np.linalg.det(axes))
    return moved @ axes.T


def guest_host(name: str) -> Host:
    """The cyclodextrin ``name``: "alpha", "beta" or "gamma"."""
    molecule = cyclodextrin(UNITS[name])
    return Host(f"{name}-cyclodextrin", rigid_pdbqt(molecule), (0.0, 0.0, 0.0), (22.0, 22.0, 22.0))


def rigid_pdbqt(molecule: Any) -> str:
    """A molecule of C, H and O as a rigid receptor: Gasteiger charges, hydrogens at oxygens only.

    Charges of hydrogens at carbons are added to these (united atoms, as AutoDock's).
    """
    rdkit("Chem.AllChem").ComputeGasteigerCharges(molecule)
    charges = [float(atom.GetProp("_GasteigerCharge")) for atom in molecule.GetAtoms()]
    kept = []
    for atom in molecule.GetAtoms():
        (near, *_) = atom.GetNeighbors()
        if atom.GetAtomicNum() == 1 and near.GetAtomicNum() == 6:
            charges[near.GetIdx()] += charges[atom.GetIdx()]
        else:
            kept.append(atom)
    places = molecule.GetConformer().GetPositions()
    lines = []
    for serial, atom in enumerate(kept, start=1):
        x, y, z = places[atom.GetIdx()]
        name, kind = f"{atom.GetSymbol()}{serial}", TYPES[atom.GetAtomicNum()]
        lines.append(
            f"ATOM  {serial:5d} {name:<4s} CDX A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
            f"    {charges[atom.GetIdx()]:6.3f} {kind:<2s}"
        )
    return "\n".join(lines) + "\n"

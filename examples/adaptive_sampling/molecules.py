"""Peptides, built in code: their atoms, torsions and images, and their OpenMM systems.

Amber99SB-ILDN with the implicit solvent of Onufriev, Bashford and Case (both from OpenMM's own
files), bonds to hydrogen constrained, hydrogens of 3 dalton so that a step of 4 fs is stable
(Hopkins et al., J. Chem. Theory Comput. 11, 1864, 2015). Positions are in Angstrom here, and in
nanometre inside OpenMM.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FORCE_FIELD = ("amber99sbildn.xml", "amber99_obc.xml")
HYDROGEN_MASS = 3.0  # dalton
CHIGNOLIN = "GYDPETGTWG"  # Honda et al., Structure 12, 1507, 2004
EXTENDED = (-120.0, 140.0)
CAPS = {"1": ("ACE", {"CA": "CH3", "C": "C", "O": "O"}), "3": ("NME", {"N": "N", "CA": "C"})}


@dataclass(frozen=True, slots=True, eq=False)
class Molecule:
    """What the example knows of one molecule.

    Attributes:
        name: Of it.
        topology: OpenMM's, with hydrogens.
        positions: Where it is begun (n, 3), in Angstrom.
        torsions: Atoms of phi, psi of each residue that has both (t, 4): phi at even rows.
        image: Atoms whose distances make the picture that a network sees (p,).
        platform: OpenMM's platform that is fastest for so many atoms.
    """

    name: str
    topology: Any
    positions: FloatArray
    torsions: IntArray
    image: IntArray
    platform: str


@cache
def molecule(name: str) -> Molecule:
    """``alanine`` (its dipeptide) or ``chignolin``, extended; what it needs is ``[sampling]``.

    Raises:
        MissingExtra: If OpenMM or PeptideBuilder is not installed.
        ValueError: If there is no such molecule.
    """
    if name == "alanine":
        topology, positions = _hydrogens(*_dipeptide())
        # The general Born force is written out in C++ on the Reference platform: for 22 atoms ten
        # times faster than what the CPU platform makes of it.
        return _described(name, topology, positions, "Reference")
    if name == "chignolin":
        topology, positions = _hydrogens(*_residues(CHIGNOLIN))
        return _described(name, topology, positions, "CPU")
    raise ValueError(f"a molecule is alanine or chignolin, not {name!r}.")


def _residues(sequence: str) -> tuple[Any, FloatArray]:
    """Heavy atoms of an extended chain, as PeptideBuilder puts them."""
    builder = require("PeptideBuilder", "sampling", "building a peptide")
    pdb = require("Bio.PDB", "sampling", "building a peptide")
    phi, psi = ([angle] * (len(sequence) - 1) for angle in EXTENDED)
    chain = builder.make_structure(sequence, phi, psi)
    builder.add_terminal_OXT(chain)
    text, writer = io.StringIO(), pdb.PDBIO()
    writer.set_structure(chain)
    writer.save(text)
    text.seek(0)
    read = require("openmm.app", "sampling", "molecular dynamics").PDBFile(text)
    return read.topology, 10.0 * np.asarray(read.getPositions(asNumpy=True)._value, np.float64)


def _dipeptide() -> tuple[Any, FloatArray]:
    """Ac-Ala-NHMe, from the middle of Gly-Ala-Gly."""
    app = require("openmm.app", "sampling", "molecular dynamics")
    chain, placed = _residues("GAG")
    topology, positions = app.Topology(), []
    whole = topology.addChain()
    for residue in chain.residues():
        name, names = CAPS.get(residue.id, ("ALA", None))
        capped = topology.addResidue(name, whole)
        for atom in residue.atoms():
            called = atom.name if names is None else names.get(atom.name)
            if called is not None and atom.name != "OXT":
                topology.addAtom(called, atom.element, capped)
                positions.append(placed[atom.index])
    topology.createStandardBonds()
    return topology, np.array(positions)


def _hydrogens(topology: Any, positions: FloatArray) -> tuple[Any, FloatArray]:
    app = require("openmm.app", "sampling", "molecular dynamics")
    modeller = app.Modeller(topology, 0.1 * positions * require_unit().nanometer)
    before = random.getstate()
    random.seed(0)  # OpenMM places hydrogens by it; all processes are to build the same molecule
    modeller.addHydrogens(app.ForceField(*FORCE_FIELD), platform=_platform("Reference"))
    random.setstate(before)
    placed = 10.0 * np.array([list(p) for p in modeller.positions._value], np.float64)
    return modeller.topology, placed.astype(np.float32).astype(np.float64)


def require_unit() -> Any:
    """OpenMM's units."""
    return require("openmm.unit", "sampling", "molecular dynamics")


def _platform(name: str) -> Any:
    return require("openmm", "sampling", "molecular dynamics").Platform.getPlatformByName(name)


def _described(name: str, topology: Any, positions: FloatArray, platform: str) -> Molecule:
    residues = [{atom.name: atom.index for atom in r.atoms()} for r in topology.residues()]
    torsions = []
    for before, here, after in zip(residues, residues[1:], residues[2:], strict=False):
        torsions.append([before["C"], here["N"], here["CA"], here["C"]])
        torsions.append([here["N"], here["CA"], here["C"], after["N"]])
    heavy = [a.index for a in topology.atoms() if a.element.symbol != "H"]
    alphas = [names["CA"] for names in residues if "CA" in names]
    image = heavy if len(heavy) <= len(alphas) + 10 else alphas
    return Molecule(
        name, topology, positions, np.array(torsions), np.array(image, np.int64), platform
    )


def system_of(told: Molecule) -> Any:
    """The OpenMM system of a molecule."""
    app, unit = require("openmm.app", "sampling", "molecular dynamics"), require_unit()
    return app.ForceField(*FORCE_FIELD).createSystem(
        told.topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS * unit.dalton,
    )


def dihedrals(positions: NDArray[Any], atoms: IntArray) -> FloatArray:
    """Torsion angles (k, t) in degrees of frames (k, n, 3), by the sign of IUPAC."""
    a, b, c, d = (np.asarray(positions, np.float64)[:, atoms[:, i]] for i in range(4))
    axis = c - b
    axis = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    first, second = a - b, d - c
    first = first - (first * axis).sum(-1, keepdims=True) * axis
    second = second - (second * axis).sum(-1, keepdims=True) * axis
    sine = (np.cross(axis, first) * second).sum(-1)
    return np.degrees(np.arctan2(sine, (first * second).sum(-1)))


def distance_images(positions: NDArray[Any], atoms: IntArray) -> NDArray[np.float32]:
    """Pictures (k, p, p): distances in nanometre between the image's atoms."""
    chosen = 0.1 * np.asarray(positions, np.float32)[:, atoms]
    apart = chosen[:, :, None] - chosen[:, None]
    return np.asarray(np.sqrt((apart**2).sum(-1)), np.float32)

"""MMFF94 in OpenMM, with RDKit's parameters, so that a pose may move.

No small-molecule force field of OpenMM's own is needed: RDKit types the atoms and tells every
parameter of MMFF94 (Halgren 1996, J. Comput. Chem. 17, 490-641), and custom forces have its terms.
Energies agree with RDKit's. A solvent may be there, implicit, as of Onufriev, Bashford and Case
2004 (GBSA-OBC), with MMFF94's charges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from molecules import rdkit

from querist.core.errors import QueristError, require

KCAL = 4.184
RADII = {1: (1.2, 0.85), 6: (1.7, 0.72), 7: (1.55, 0.79), 8: (1.5, 0.85), 9: (1.5, 0.88)}
RADII |= {16: (1.8, 0.96), 17: (1.7, 0.80)}
"""Bondi's radii in Angstrom, and scales of Hawkins, Cramer and Truhlar, by atomic number."""
SOLVENT = 78.5

# Energies in kJ/mol; OpenMM's lengths are nm and its angles radians, MMFF94's Angstrom and degrees.
BOND = "71.96625*4.184*k*d^2*(1-2*d+(7/3)*d^2); d=10*r-r0"
ANGLE = "0.021922*4.184*k*d^2*(1-0.006981317*d); d=57.29577951308232*theta-t0"
LINEAR = "143.9325*4.184*k*(1+cos(theta))+0*t0"
BOTH = (
    "2.51210*4.184*(a*(10*distance(p1,p2)-r1)+b*(10*distance(p3,p2)-r2))*"
    "(57.29577951308232*angle(p1,p2,p3)-t0)"
)
TURN = "0.5*4.184*(v1*(1+cos(theta))+v2*(1-cos(2*theta))+v3*(1+cos(3*theta)))"
# Wilson's angle of the bond p2-p4 with the plane of p1, p2 and p3.
OUT = (
    "0.021922*4.184*k*chi^2;"
    "chi=57.29577951308232*asin(max(-1,min(1,sin(angle(p1,p2,p4))*sin(dihedral(p3,p1,p2,p4)))))"
)
APART = "4.184*(e*(1.07*R/(x+0.07*R))^7*(1.12*R^7/(x^7+0.12*R^7)-2)+332.0716*qq/(x+0.05)); x=10*r"
PAIR = f"{APART}; qq=q1*q2; R=size(kind1,kind2); e=depth(kind1,kind2)"


def openmm() -> Any:
    """OpenMM, or the sentence that says how to install it."""
    return require("openmm", "openmm", "examples/drug_candidates")


def system_of(molecule: Any, *, solvent: bool = False, rigid: int = 0) -> Any:
    """A system of OpenMM for a molecule, or for several in one, with hydrogens.

    Args:
        molecule: Of RDKit.
        solvent: Whether there is an implicit one.
        rigid: So many of the first atoms do not move, and have no energies among themselves but
            with the solvent.

    Raises:
        QueristError: If MMFF94 does not know an atom of it.
    """
    told = rdkit("Chem.AllChem").MMFFGetMoleculeProperties(molecule)
    if told is None:
        raise QueristError("MMFF94 has no type for an atom of this molecule.")
    system = openmm().System()
    for atom in molecule.GetAtoms():
        system.addParticle(0.0 if atom.GetIdx() < rigid else atom.GetMass())
    for force in (*bonded(molecule, told, rigid), *apart(molecule, told, rigid)):
        system.addForce(force)
    if solvent:
        system.addForce(dissolved(molecule, told))
    return system


def bonded(molecule: Any, told: Any, rigid: int) -> list[Any]:
    """Bonds, angles, stretch-bend, torsions and out-of-plane terms."""
    mm = openmm()
    bonds = _named(mm.CustomBondForce(BOND), "Bond", "k r0")
    for bond in molecule.GetBonds():
        pair = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if max(pair) >= rigid:
            bonds.addBond(*pair, told.GetMMFFBondStretchParams(molecule, *pair)[1:])
    turns = _named(mm.CustomTorsionForce(TURN), "Torsion", "v1 v2 v3")
    for chain in chains(molecule):
        found = max(chain) >= rigid and told.GetMMFFTorsionParams(molecule, *chain)
        if found:
            turns.addTorsion(*chain, found[1:])
    outs = _named(mm.CustomCompoundBondForce(4, OUT), "Bond", "k")
    for four in corners(molecule):
        k = max(four) >= rigid and told.GetMMFFOopBendParams(molecule, *four)
        if k:
            outs.addBond(list(four), [k])
    return [bonds, turns, outs, *bent(molecule, told, rigid)]


def bent(molecule: Any, told: Any, rigid: int) -> list[Any]:
    """Angles, those of linear ones, and what couples them with bonds."""
    mm = openmm()
    angles = _named(mm.CustomAngleForce(ANGLE), "Angle", "k t0")
    lines = _named(mm.CustomAngleForce(LINEAR), "Angle", "k t0")
    both = _named(mm.CustomCompoundBondForce(3, BOTH), "Bond", "a b r1 r2 t0")
    for i, j, k in bends(molecule):
        found = max(i, j, k) >= rigid and told.GetMMFFAngleBendParams(molecule, i, j, k)
        if not found:
            continue
        straight = is_linear(molecule.GetAtomWithIdx(j))
        (lines if straight else angles).addAngle(i, j, k, found[1:])
        mixed = None if straight else told.GetMMFFStretchBendParams(molecule, i, j, k)
        if mixed:
            first = told.GetMMFFBondStretchParams(molecule, i, j)[2]
            second = told.GetMMFFBondStretchParams(molecule, j, k)[2]
            both.addBond([i, j, k], [*mixed[1:], first, second, found[2]])
    return [angles, lines, both]


def apart(molecule: Any, told: Any, rigid: int) -> list[Any]:
    """Van der Waals and Coulomb forces of atoms three bonds apart, and of those farther."""
    chem = rdkit("Chem")
    count = molecule.GetNumAtoms()
    charges = [told.GetMMFFPartialCharge(i) for i in range(count)]
    far = far_force([told.GetMMFFAtomType(i) for i in range(count)], charges, told)
    if rigid:
        far.addInteractionGroup(range(rigid, count), range(count))
    near = _named(openmm().CustomBondForce(APART), "Bond", "e R qq")
    bonds = chem.GetDistanceMatrix(molecule)
    for i, j in np.argwhere(np.triu(bonds <= 3, 1)).tolist():
        far.addExclusion(i, j)
        if bonds[i, j] == 3 and max(i, j) >= rigid:
            size, depth = told.GetMMFFVdWParams(i, j)[2:4]
            near.addBond(i, j, [depth, size, 0.75 * charges[i] * charges[j]])
    return [far, near]


def far_force(types: list[int], charges: list[float], told: Any) -> Any:
    """The force between atoms that are not near by bonds, with a table of pairs of types."""
    mm, kinds = openmm(), sorted(set(types))
    one = [types.index(kind) for kind in kinds]
    table = np.array([[told.GetMMFFVdWParams(i, j)[2:4] for j in one] for i in one])
    far = mm.CustomNonbondedForce(PAIR)
    far.addPerParticleParameter("q")
    far.addPerParticleParameter("kind")
    for name, layer in (("size", 0), ("depth", 1)):
        values = table[..., layer].ravel().tolist()
        far.addTabulatedFunction(name, mm.Discrete2DFunction(len(kinds), len(kinds), values))
    for charge, kind in zip(charges, types, strict=True):
        far.addParticle([charge, kinds.index(kind)])
    return far


def dissolved(molecule: Any, told: Any) -> Any:
    """The force of an implicit solvent."""
    mm = openmm()
    force = mm.GBSAOBCForce()
    force.setSolventDielectric(SOLVENT)
    for atom in molecule.GetAtoms():
        radius, scale = RADII[atom.GetAtomicNum()]
        force.addParticle(told.GetMMFFPartialCharge(atom.GetIdx()), 0.1 * radius, scale)
    return force


def bends(molecule: Any) -> Iterator[tuple[int, int, int]]:
    """Atoms i, j, k of every angle at j."""
    for atom in molecule.GetAtoms():
        around = [near.GetIdx() for near in atom.GetNeighbors()]
        for place, i in enumerate(around):
            yield from ((i, atom.GetIdx(), k) for k in around[place + 1 :])


def chains(molecule: Any) -> Iterator[tuple[int, int, int, int]]:
    """Atoms of every torsion."""
    for bond in molecule.GetBonds():
        j, k = bond.GetBeginAtom(), bond.GetEndAtom()
        if is_linear(j) or is_linear(k):
            continue
        for i in j.GetNeighbors():
            for l in k.GetNeighbors():  # noqa: E741
                four = i.GetIdx(), j.GetIdx(), k.GetIdx(), l.GetIdx()
                if len(set(four)) == 4:
                    yield four


def corners(molecule: Any) -> Iterator[tuple[int, int, int, int]]:
    """For each atom with three neighbours, two of them around it, and the third, in three ways."""
    for atom in molecule.GetAtoms():
        if atom.GetDegree() == 3:
            a, b, c = (near.GetIdx() for near in atom.GetNeighbors())
            for first, second, out in ((a, b, c), (a, c, b), (b, c, a)):
                yield first, atom.GetIdx(), second, out


def is_linear(atom: Any) -> bool:
    """Whether two bonds in a line meet at an atom."""
    return atom.GetHybridization() == rdkit("Chem").HybridizationType.SP


def _named(force: Any, kind: str, names: str) -> Any:
    for name in names.split():
        getattr(force, f"addPer{kind}Parameter")(name)
    return force

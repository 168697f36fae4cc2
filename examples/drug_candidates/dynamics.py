"""A third fidelity: molecular dynamics of a docked pose, and its energy of interaction.

The molecule moves for some picoseconds in the rigid host (a cyclodextrin, or the kinase's pocket,
:mod:`pocket`) by MMFF94 with an implicit solvent
(:mod:`mmff`), from where Vina put it; the energy is what it gains by being there, averaged over
frames: that of both, less that of the molecule as it is in the frame, less that of the host (as
MM/GBSA with one trajectory). There is no entropy in it, and the host does not move: it judges
contacts, and is no free energy.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from docking import dock, embedded, ligand_pdbqt
from kinase import posed
from mmff import KCAL, openmm, system_of
from molecules import library, rdkit
from numpy.typing import NDArray
from pocket import typed
from receptors import host_named

TEMPERATURE = 300.0
SETTLED, LENGTH, FRAMES = 1000, 3000, 15
"""Steps of a femtosecond before frames are taken, steps in which they are, and how many they
are."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """Energies of frames (kcal/mol), how far the molecule's middle went (Angstrom), seconds."""

    energies: NDArray[np.float64]
    moved: float
    seconds: float

    @property
    def energy(self) -> float:
        """The mean over frames, kcal/mol."""
        return float(self.energies.mean())


def context(molecule: Any, rigid: int, seed: int) -> Any:
    """A context of OpenMM on one thread, at the molecule's positions."""
    mm = openmm()
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 5.0, 0.001)
    integrator.setRandomNumberSeed(seed)
    system = system_of(molecule, solvent=True, rigid=rigid)
    platform = mm.Platform.getPlatformByName("CPU")
    made = mm.Context(system, integrator, platform, {"Threads": "1"})
    made.setPositions(0.1 * molecule.GetConformer().GetPositions())
    return made


def energy_of(made: Any) -> float:
    """The potential energy, kcal/mol."""
    return float(made.getState(getEnergy=True).getPotentialEnergy()._value) / KCAL


def positions(made: Any) -> NDArray[np.float64]:
    """Positions in nm."""
    return np.asarray(made.getState(getPositions=True).getPositions(asNumpy=True)._value)


def rescore(pose: str, host: Any, seed: int = 1) -> Rescored:
    """Let a docked pose move in a host, a molecule of RDKit with hydrogens."""
    begin = time.process_time()
    guest = posed(pose)
    count = host.GetNumAtoms()
    both = rdkit("Chem").CombineMols(host, guest)
    rdkit("Chem").SanitizeMol(both)
    whole, alone = context(both, count, seed), context(guest, 0, seed)
    empty = energy_of(context(host, count, seed))
    openmm().LocalEnergyMinimizer.minimize(whole, 10.0, 200)
    whole.setVelocitiesToTemperature(TEMPERATURE, seed)
    start = positions(whole)[count:].mean(axis=0)
    whole.getIntegrator().step(SETTLED)
    energies = []
    for _ in range(FRAMES):
        whole.getIntegrator().step(LENGTH // FRAMES)
        alone.setPositions(positions(whole)[count:])
        energies.append(energy_of(whole) - energy_of(alone) - empty)
    moved = 10 * float(np.linalg.norm(positions(whole)[count:].mean(axis=0) - start))
    return Rescored(np.array(energies), moved, time.process_time() - begin)


def difference(smiles: str) -> float:
    """How far MMFF94's energy by OpenMM is from RDKit's, kcal/mol, away from the minimum."""
    mm, all_chem = openmm(), rdkit("Chem.AllChem")
    molecule = embedded(smiles)
    conformer = molecule.GetConformer()
    places = conformer.GetPositions()
    places = places + 0.05 * np.random.default_rng(0).standard_normal(places.shape)
    conformer.SetPositions(places)
    told = all_chem.MMFFGetMoleculeProperties(molecule)
    wanted = all_chem.MMFFGetMoleculeForceField(molecule, told).CalcEnergy()
    platform = mm.Platform.getPlatformByName("Reference")
    made = mm.Context(system_of(molecule), mm.VerletIntegrator(0.001), platform)
    made.setPositions(0.1 * places)
    return float(abs(energy_of(made) - wanted))


def main() -> None:
    """Dock some molecules of the library into a host, and rescore them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("rows", nargs="*", type=int, default=[9, 149, 329, 0, 100, 345])
    parser.add_argument("--host", default="beta")
    options = parser.parse_args()
    for row in options.rows:
        docked = dock(ligand_pdbqt(library()[row]), host_named(options.host), 8)
        found = rescore(docked.pose, typed(options.host))
        print(
            f"{library()[row]:50} docked {docked.energy:6.2f} in {docked.seconds:4.1f} s, "
            f"dynamics {found.energy:7.2f} ± {found.energies.std():.2f} kcal/mol "
            f"in {found.seconds:4.1f} s, moved {found.moved:.1f} Å",
            flush=True,
        )


if __name__ == "__main__":
    main()

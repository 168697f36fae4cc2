"""What is known: the torsion map of all atoms, and mean forces at geometries that nobody learns.

``python reference.py [--maps FILE FILE]`` writes ``reference.json`` (some minutes). For the map a
bias of phi and psi is built by well-tempered metadynamics (Barducci et al., Phys. Rev. Lett. 100,
020603, 2008) on a grid, which OpenMM interpolates (``CMAPTorsionForce``); then it stands still, and
what dynamics visit is weighed by ``exp(bias / kT)``. No coarse-grained potential is used. Two runs
with their own biases tell how far the map can be trusted.

Units: Angstrom, eV/Angstrom, degrees, ps, kJ/mol.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from peptide import (
    BEADS,
    PHI,
    PSI,
    STEP,
    FloatArray,
    Molecule,
    extended,
    mean_forces,
    openmm,
    torsions,
)
from sampling import BINS, KJ, Bias, density, free_energy
from scipy.ndimage import map_coordinates

HEIGHT, WIDTH, FACTOR = 2.0, 15.0, 12.0
"""Of the first hills in kJ/mol; of all hills in degrees; how much hotter torsions become."""


def hill(at: FloatArray) -> FloatArray:
    """A periodic hill of height 1 on OpenMM's grid, whose points are 0, 10, 20 ... degrees."""
    points = 360.0 / BINS * np.arange(BINS)
    near = [np.exp((np.cos(np.radians(points - x)) - 1) / np.radians(WIDTH) ** 2) for x in at]
    return np.outer(*near)


class Biased:
    """Molecules with one bias on phi and psi, which all of them build and feel."""

    def __init__(self, seed: int, bias: FloatArray | None = None, copies: int = 8) -> None:
        self.bias = np.zeros((BINS, BINS)) if bias is None else bias
        four = [BEADS[list(one)].tolist() for one in (PHI, PSI)]
        self._maps, self.molecules = [], []
        for copy in range(copies):
            force = openmm().CMAPTorsionForce()
            force.addMap(BINS, self.bias.ravel(order="F"))
            force.addTorsion(0, *four[0], *four[1])
            self._maps.append(force)
            self.molecules.append(Molecule(100 * seed + copy, bias=force))
            self.molecules[-1].put(extended())

    def step(self, steps: int) -> FloatArray:
        """Phi and psi ``(copies, 2)`` in degrees, so many steps later."""
        for molecule in self.molecules:
            molecule.step(steps)
        return torsions(self.beads())

    def beads(self) -> FloatArray:
        """Where they are ``(copies, 6, 3)``, in Angstrom."""
        return np.array([molecule.positions()[BEADS] for molecule in self.molecules])

    def build(self, picoseconds: float) -> None:
        """Lay a hill where each molecule is, every picosecond."""
        for _ in range(round(picoseconds)):
            at = self.step(round(1.0 / STEP))
            for one, bias in zip(at, interpolated(self.bias, at), strict=True):
                self.bias += HEIGHT * np.exp(-bias / (KJ * (FACTOR - 1))) * hill(one)
            for force, molecule in zip(self._maps, self.molecules, strict=True):
                force.setMapParameters(0, BINS, self.bias.ravel(order="F"))
                force.updateParametersInContext(molecule.context)

    def sample(self, picoseconds: float) -> FloatArray:
        """Phi and psi ``(times, copies, 2)``, every tenth of a picosecond."""
        return np.array([self.step(round(0.1 / STEP)) for _ in range(round(10 * picoseconds))])


def interpolated(bias: FloatArray, at: FloatArray) -> FloatArray:
    """The bias ``(n,)`` at phi and psi ``(n, 2)``, by periodic cubic splines as in OpenMM."""
    return np.asarray(map_coordinates(bias, at.T * BINS / 360.0, order=3, mode="grid-wrap"))


def run(seed: int, nanoseconds: float) -> dict[str, Any]:
    """One bias, built and used."""
    begin = time.process_time()
    biased = Biased(seed)
    biased.build(300.0)
    seen = biased.sample(1000.0 * nanoseconds / len(biased.molecules))
    angles = seen.reshape(-1, 2)
    found = density(angles, interpolated(biased.bias, angles))
    crossings = int((np.diff(seen[..., 0] > 0.0, axis=0)).sum())
    return {
        "seed": seed,
        "nanoseconds": nanoseconds,
        "cpu_seconds": time.process_time() - begin,
        "crossings": crossings,
        "density": [[float(f"{p:.3g}") for p in row] for row in found],
    }


def held_out(free_energy: FloatArray, count: int, seed: int) -> dict[str, Any]:
    """Mean forces, averaged for long, at geometries of all torsions below 30 kJ/mol alike."""
    points = 360.0 / BINS * np.arange(BINS)
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2)
    flat = Bias.against(free_energy)(grid).reshape(BINS, BINS)
    biased = Biased(seed, flat)
    biased.step(10_000)
    beads = []
    while len(beads) < count:
        biased.step(5_000)
        beads += list(biased.beads())
    chosen = np.round(np.array(beads[:count]), 4)
    forces, errors = mean_forces(chosen, seed, 16.0)
    return {
        "positions": chosen.tolist(),
        "forces": np.round(forces, 4).tolist(),
        "errors": np.round(errors, 4).tolist(),
    }


def main() -> int:
    """Run both maps; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--nanoseconds", type=float, default=12.0)
    parser.add_argument("--maps", type=Path, nargs=2, help="of two runs that were made before")
    parser.add_argument("--seed", type=int, help="one map alone, into map-SEED.json")
    options = parser.parse_args()
    if options.seed is not None:
        text = json.dumps(run(options.seed, options.nanoseconds))
        Path(f"map-{options.seed}.json").write_text(text + "\n")
        return 0
    files = options.maps or []
    maps = [json.loads(file.read_text()) for file in files]
    maps = maps or [run(seed, options.nanoseconds) for seed in (1, 2)]
    mean = np.mean([one["density"] for one in maps], axis=0)
    known = {"maps": maps, "held_out": held_out(free_energy(mean), 96, 3)}
    Path("reference.json").write_text(json.dumps(known) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The long runs that everything is compared with: plain dynamics, and dynamics on a flat map.

``python reference.py`` makes ``results/reference.npz`` anew, in some seven minutes of one free
core. Plain dynamics comes to the left-handed side once in several nanoseconds, so its weight is
known badly from it. So the map is made once more with a bias against the free energy that is known
already (``CMAPTorsionForce``), on which the molecule crosses to and fro, and each frame is weighed
by ``exp(bias / kT)`` (Torrie and Valleau, J. Comput. Phys. 23, 187, 1977). The better the known map
the more crossings; whichever it was, the weights are right.

``--plain SEED`` and ``--flat SEED`` make one run each, into ``--folder``; ``--join`` puts together
what is there.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from dynamics import TEMPERATURE, Segments
from landscape import BINS, Landscape, bins_of, counted, is_left
from molecules import dihedrals, molecule
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from querist.core.errors import require

FloatArray = NDArray[np.float64]

FILE = Path(__file__).resolve().parent / "results" / "reference.npz"
STEP, EVERY = 5.0, 2.0  # degrees and ps of stored torsions
KT = 0.00831446 * TEMPERATURE  # kJ/mol
HIGHEST = 9.0  # kT; what is known to be higher, or not known, is not pulled at
GRID = 36  # points of the bias, of each angle
BLOCKS = 10  # of a flat run, for errors
PLAIN, FLAT = {401: 19, 402: 26}, {501: 3}  # seeds and nanoseconds


@cache
def reference_torsions() -> FloatArray:
    """Torsions (frames, 2) in degrees of plain dynamics, each ``EVERY`` ps, run after run."""
    with np.load(FILE) as held:
        return np.asarray(held["torsions"], np.float64) * STEP - 180.0 + 0.5 * STEP


@cache
def _blocks() -> FloatArray:
    """Weights (blocks, bins) of the flat runs."""
    with np.load(FILE) as held:
        return np.asarray(held["weights"], np.float64)


def reference() -> Landscape:
    """The map of the flat runs, each frame by its weight."""
    weights = _blocks().sum(axis=0)
    return Landscape(weights / weights.sum(), len(reference_torsions()))


def plain() -> Landscape:
    """The map of plain dynamics."""
    return counted(reference_torsions())


def left_error() -> float:
    """Standard error of the weight of the left-handed side, by leaving out one block each."""
    blocks = _blocks()
    rest = blocks.sum(axis=0) - blocks
    left = [Landscape(one / one.sum(), 0).left for one in rest]
    return float(np.std(left) * np.sqrt(len(left) - 1))


def crossings(torsions: FloatArray | None = None) -> int:
    """How often plain dynamics came to the left-handed side and stayed for 6 ps."""
    left = is_left(reference_torsions() if torsions is None else torsions)
    stayed = left[1:-2] & left[2:-1] & left[3:] & ~left[:-3]
    return int(stayed.sum())


# -------------------------------------------------------------------------------------- making it


def plain_run(seed: int, nanoseconds: int, folder: Path) -> None:
    """Plain dynamics, with new velocities each nanosecond; stored after each what there is."""
    segments = Segments("alanine", 1000.0, EVERY)
    begin, told, parts = segments.molecule.positions, np.random.default_rng(seed), []
    for _ in range(nanoseconds):
        frames = segments(begin, int(told.integers(2**31)))["frames"]
        begin = frames[-1]
        parts.append(dihedrals(frames, segments.molecule.torsions))
        np.savez_compressed(folder / f"plain-{seed}.npz", torsions=np.concatenate(parts))


def flattening(known: Landscape) -> Any:
    """OpenMM's force against a free energy, up to ``HIGHEST``, in a group of its own."""
    points = 360.0 / GRID * np.arange(GRID)
    places = ((np.stack(np.meshgrid(points, points, indexing="ij")) + 180.0) / 360.0) % 1.0
    low = np.minimum(known.free_energy, HIGHEST)
    bias = -KT * map_coordinates(low, places * BINS - 0.5, order=1, mode="grid-wrap")
    force = require("openmm", "sampling", "molecular dynamics").CMAPTorsionForce()
    force.addMap(GRID, bias.ravel(order="F"))
    phi, psi = molecule("alanine").torsions.tolist()
    force.addTorsion(0, *phi, *psi)
    force.setForceGroup(1)
    return force


def flat_run(seed: int, nanoseconds: int, folder: Path) -> None:
    """Dynamics with a bias against the map that is stored; each 0.5 ps, stored each nanosecond."""
    segments = Segments("alanine", 1.0, 0.5, flattening(reference()))
    context = segments._context(segments.molecule.positions, seed)
    frames, biases = [], []
    for row in range(1, 2000 * nanoseconds + 1):
        context.getIntegrator().step(segments.steps)
        state = context.getState(getPositions=True, getEnergy=True, groups={1})
        frames.append(10.0 * np.asarray(state.getPositions(asNumpy=True)._value))
        biases.append(state.getPotentialEnergy()._value / KT)
        if row % 2000 == 0:
            torsions = dihedrals(np.array(frames), segments.molecule.torsions)
            np.savez_compressed(folder / f"flat-{seed}.npz", torsions=torsions, bias=biases)


def join(folder: Path) -> None:
    """Put the runs of a folder together."""
    parts = [np.load(path)["torsions"] for path in sorted(folder.glob("plain-*.npz"))]
    blocks = []
    for path in sorted(folder.glob("flat-*.npz")):
        with np.load(path) as held:
            weights = np.exp(held["bias"] - held["bias"].max())
            for rows in np.array_split(np.arange(len(weights)), BLOCKS):
                bins = bins_of(held["torsions"][rows])
                blocks.append(np.bincount(bins, weights[rows], minlength=BINS * BINS))
    cells = np.clip((np.concatenate(parts) + 180.0) / STEP, 0, 360.0 / STEP - 1)
    lengths = np.array([len(part) for part in parts])
    blocked = np.array(blocks, np.float32)
    np.savez_compressed(FILE, torsions=cells.astype(np.uint8), runs=lengths, weights=blocked)


def main() -> int:
    """Make the reference, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--plain", type=int, metavar="SEED")
    parser.add_argument("--flat", type=int, metavar="SEED")
    parser.add_argument("--join", action="store_true")
    parser.add_argument("--nanoseconds", type=int, help="of one run")
    parser.add_argument("--folder", type=Path, default=Path("runs/adaptive_sampling-reference"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    every = not (options.plain or options.flat or options.join)
    for seed in PLAIN if every else filter(None, [options.plain]):
        plain_run(seed, options.nanoseconds or PLAIN[seed], options.folder)
    for seed in FLAT if every else filter(None, [options.flat]):
        flat_run(seed, options.nanoseconds or FLAT[seed], options.folder)
    if every or options.join:
        join(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

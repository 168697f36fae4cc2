"""The long run without restarts that everything is compared with.

``python reference.py --nanoseconds 100 --seed 401`` makes it (about ten minutes of one free core)
and writes ``results/reference.npz``: torsions each picosecond in steps of two degrees.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path

import numpy as np
from dynamics import Segments
from landscape import Landscape, counted, is_left
from molecules import dihedrals
from numpy.typing import NDArray

FILE = Path(__file__).resolve().parent / "results" / "reference.npz"
STEP = 2.0  # degrees


@cache
def reference_torsions() -> NDArray[np.float64]:
    """Torsions (frames, 2) in degrees of the stored run, each picosecond."""
    with np.load(FILE) as held:
        return np.asarray(held["torsions"], np.float64) * STEP


def reference() -> Landscape:
    """The map of the stored run."""
    return counted(reference_torsions())


def crossings() -> int:
    """How often the stored run came to the left-handed side and stayed for 3 ps."""
    left = is_left(reference_torsions())
    stayed = left[1:-2] & left[2:-1] & left[3:] & ~left[:-3]
    return int(stayed.sum())


def write(nanoseconds: int, seed: int) -> None:
    """Make the run and store it, after each nanosecond what there is."""
    segments = Segments("alanine", 1000.0, 1.0)
    parts: list[NDArray[np.int8]] = []
    begin, told = segments.molecule.positions, np.random.default_rng(seed)
    for _ in range(nanoseconds):
        frames = segments(begin, int(told.integers(2**31)))["frames"]
        angles = dihedrals(frames, segments.molecule.torsions)
        parts.append((angles / STEP).round().astype(np.int8))
        begin = frames[-1]
        FILE.parent.mkdir(exist_ok=True)
        np.savez_compressed(FILE, torsions=np.concatenate(parts))


def main() -> int:
    """Make the reference."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--nanoseconds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=401)
    options = parser.parse_args()
    write(options.nanoseconds, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Check: answers are neutral, symmetric and converged; a model of those that were kept is good.

    python examples/nanoconfinement/check.py

Without LAMMPS it says how to get it and simulates by the small Monte Carlo.
"""

from __future__ import annotations

import time

import dataset
import numpy as np
import problem
from slit import BINS, Counted, Slit, refused

QUESTIONS = (Slit(3.4, 1, 1, 0.5, 0.6), Slit(3.8, 1, 2, 0.4, 0.65))


def spoiled(slit: Slit) -> dict[str, Counted]:
    """Answers that must be refused."""
    flat = np.repeat(np.array(slit.counts, float)[:, None] / BINS, BINS, axis=1)
    tilted = flat * np.linspace(0.5, 1.5, BINS)
    waved = flat * (1 + 0.6 * np.cos(np.linspace(0, 4 * np.pi, BINS)))
    waved *= flat.sum(axis=1, keepdims=True) / waved.sum(axis=1, keepdims=True)
    return {
        "lost": Counted(flat * 0.9, flat * 0.9, 1),
        "charged": Counted(flat * [[1.0], [0.9]], flat * [[1.0], [0.9]], 1),
        "tilted": Counted(tilted, tilted, 1),
        "unconverged": Counted(flat, waved, 1),
    }


def physics() -> None:
    """Simulate, and see that what is wrong would have been refused."""
    slit = QUESTIONS[0]
    good = np.repeat(np.array(slit.counts, float)[:, None] / BINS, BINS, axis=1)
    if why := refused(slit, Counted(good, good, 1)):
        raise SystemExit(f"check failed: a good answer is refused: {why}")
    for name, counted in spoiled(slit).items():
        if not (why := refused(slit, counted)):
            raise SystemExit(f"check failed: the answer that is {name} was not refused.")
        print(f"refused as it should be: {why}")
    for asked in QUESTIONS:
        begin = time.perf_counter()
        told = problem.simulate(
            asked.length, asked.cation, asked.anion, asked.concentration, asked.diameter
        )
        three = ", ".join(f"{n} {told[n]:.2f}" for n in ("contact", "peak", "midplane"))
        print(f"{asked}: {three} mol/l, {time.perf_counter() - begin:.1f} s")


def learned() -> None:
    """The kept answers can be learned: held-out errors well below those of the mean."""
    for name, (error, plain) in dataset.errors(dataset.kept()).items():
        print(f"{name:9} held-out error {error:.3f} mol/l, of the mean {plain:.3f}")
        limit = 0.3 if name in ("peak", "midplane") else 0.5
        if error > limit * plain:
            raise SystemExit(f"check failed: {name} is not learned.")


def main() -> None:
    """Physics, then learning."""
    if problem.interpreter() is None:
        print(problem.LACKING)
    physics()
    learned()
    print("check: ok")


if __name__ == "__main__":
    main()

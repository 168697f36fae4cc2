"""Check: answers are neutral, symmetric and converged; a model of those that were kept is good.

    python examples/nanoconfinement/check.py

Without LAMMPS it says how to get it and simulates by the small Monte Carlo.
"""

from __future__ import annotations

import time

import dataset
import numpy as np
import problem
from network import network
from slit import BINS, Counted, Halves, Slit, refused

QUESTIONS = (Slit(3.4, 1, 1, 0.5, 0.6), Slit(3.8, 1, 2, 0.4, 0.65))


def even(slit: Slit) -> Counted:
    """All ions evenly between the walls, which push them back there."""
    numbers = np.repeat(np.array(slit.counts, float)[:, None] / BINS, BINS, axis=1)
    pulls = np.zeros_like(numbers)
    pulls[:, 0] = numbers[:, 0] * BINS / slit.length
    pulls[:, -1] = -pulls[:, 0]
    return Counted(numbers, pulls)


def spoiled(slit: Slit) -> dict[str, Halves]:
    """Answers that must be refused."""
    good = even(slit)
    tilted = Counted(good.numbers * np.linspace(0.5, 1.5, BINS), good.pulls)
    waved = good.numbers * (1 + 0.6 * np.cos(np.linspace(0, 4 * np.pi, BINS)))
    waved *= good.numbers.sum(axis=1, keepdims=True) / waved.sum(axis=1, keepdims=True)
    lost = Counted(good.numbers * 0.9, good.pulls)
    charged = Counted(good.numbers * [[1.0], [0.9]], good.pulls)
    return {
        "lost": (lost, lost),
        "charged": (charged, charged),
        "tilted": (tilted, tilted),
        "unconverged": (good, Counted(waved, good.pulls)),
    }


def physics() -> None:
    """Simulate, and see that what is wrong would have been refused."""
    slit = QUESTIONS[0]
    if why := refused(slit, (even(slit), even(slit))):
        raise SystemExit(f"check failed: a good answer is refused: {why}")
    for name, halves in spoiled(slit).items():
        if not (why := refused(slit, halves)):
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
    for name, (error, plain) in dataset.errors(
        dataset.kept(), network(members=1, epochs=200)
    ).items():
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

"""Every generator passes the shipped contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.generators.ask_tell import AskTell
from querist.generators.basin_hopping import BasinHopping
from querist.generators.candidates import Candidates
from querist.generators.cut_and_splice import CutAndSplice
from querist.generators.langevin import LangevinWalkers
from querist.generators.random_walk import RandomWalk
from querist.generators.strained_cells import StrainedCells
from querist.generators.stream import Stream
from querist.generators.surface_hopping import SurfaceHopping
from querist.generators.uniform import Uniform
from querist.testing.contexts import worker_context
from querist.testing.generators import GENERATOR_CHECKS, GeneratorCase

POINTS = np.random.default_rng(0).normal(size=(9, 2))
MOLECULE = {
    "numbers": np.array([[6, 1, 1, 8]] * 2),
    "positions": np.array(
        [
            [[0.0, 0, 0], [1.1, 0, 0], [-0.4, 1.0, 0], [-0.6, -1.0, 0.1]],
            [[0.0, 0, 0], [1.0, 0.3, 0], [-0.4, 1.0, 0.2], [-0.6, -1.1, 0]],
        ]
    ),
    "charge": np.zeros(2),
}


def bowl(arrays) -> dict:
    return {"y": (np.asarray(arrays["x"]) ** 2).sum()}


def springs(arrays) -> dict:
    away = arrays["positions"] - MOLECULE["positions"][0]
    return {"energy": (away**2).sum(), "forces": -2 * away}


def surfaces(arrays) -> dict:
    away = np.asarray(arrays["positions"])
    gap = np.hypot(0.5, away.sum())
    slope = away.sum() / gap * np.ones_like(away)
    return {
        "energies": np.array([-gap, gap]) + (away**2).sum(),
        "gradients": np.stack([2 * away - slope, 2 * away + slope]),
        "couplings": 0.5 / gap * np.ones((1, *away.shape)),
    }


def cluster(arrays) -> dict:
    vectors = arrays["positions"][:, None] - arrays["positions"][None]
    squared = (vectors**2).sum(axis=-1) + 1e9 * np.eye(len(vectors))
    sixth = squared**-3.0
    slope = 24 * (2 * sixth**2 - sixth) / squared
    return {
        "energy": 2 * (sixth**2 - sixth).sum(),
        "forces": (slope[..., None] * vectors).sum(axis=1),
    }


def crystal() -> StrainedCells:
    cell = np.diag([2.0, 2.1, 9.0])
    sizes = (2, 3)
    starts = [
        {
            "numbers": np.full(n, 29),
            "positions": np.arange(3.0 * n).reshape(n, 3) / n,
            "cell": cell,
            "pbc": np.array([True, True, False]),
        }
        for n in sizes
    ]
    return StrainedCells(starts, walkers=3)


def endless() -> Iterator[dict]:
    number = 0
    while True:
        yield {"x": np.array([number, 1.0])}
        number += 1


class Evolution:
    """A (4, n) evolution strategy."""

    def __init__(self, seed: int = 3) -> None:
        self.rng, self.mean = np.random.default_rng(seed), np.ones(2)

    def ask(self, n: int) -> np.ndarray:
        return self.mean + self.rng.normal(size=(n, 2))

    def tell(self, points, values) -> None:
        self.mean = points[np.argsort(values)[:4]].mean(axis=0)


def walk(**more):
    return lambda: RandomWalk(POINTS, 0.3, walkers=6, low=-4, high=4, **more)


def langevin(**more):
    return lambda: LangevinWalkers(MOLECULE, walkers=5, temperature=[300, 800], **more)


def hopping(**more):
    starts = {"positions": POINTS / 3, "velocities": POINTS / 50, "state": np.arange(9) % 2}
    return lambda: SurfaceHopping(starts, [2.0, 3.0], walkers=5, duration=3.0, **more)


CASES = [
    GeneratorCase("candidates", lambda: Candidates(POINTS, chunk=4, cyclic=True), bowl),
    GeneratorCase(
        "candidates-given", lambda: Candidates(POINTS, chunk=4, order="given", cyclic=True), bowl
    ),
    GeneratorCase(
        "basin-hopping", lambda: BasinHopping([18] * 5, 1.12, walkers=3, max_steps=40), cluster
    ),
    GeneratorCase(
        "cut-and-splice",
        lambda: CutAndSplice([18] * 5, 1.12, walkers=3, population=3, max_steps=40, seed=2),
        cluster,
    ),
    GeneratorCase("strained-cells", crystal, lambda _: {"energy": 0.0}),
    GeneratorCase("stream", lambda: Stream(endless, chunk=3), bowl),
    GeneratorCase("uniform", lambda: Uniform([0, -1], 1, batch=5), bowl),
    GeneratorCase("uniform-seeded", lambda: Uniform(0, 1, batch=5, seed=4), bowl),
    GeneratorCase("walk", walk(), bowl),
    GeneratorCase("walk-metropolis", walk(output="y", on_ask="back_up"), bowl),
    GeneratorCase("walk-waiting", walk(output="y", on_ask="wait", seed=1), bowl),
    GeneratorCase("langevin", langevin(), springs),
    GeneratorCase("langevin-back-up", langevin(on_ask="back_up", max_rejects=1), springs),
    GeneratorCase("langevin-waiting", langevin(on_ask="wait", seed=2), springs),
    GeneratorCase("hopping", hopping(reverse=True), surfaces),
    GeneratorCase("hopping-waiting", hopping(on_ask="wait", seed=2), surfaces),
    GeneratorCase("hopping-ending", hopping(on_ask="end", decoherence=False), surfaces),
    GeneratorCase("ask-tell", lambda: AskTell(Evolution, batch=7), bowl),
]


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case: GeneratorCase, tmp_path: Path) -> None:
    check(case, worker_context(tmp_path, seed=1))

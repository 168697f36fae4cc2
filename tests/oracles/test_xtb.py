"""GFN2-xTB: known energies, charges, and a real calculation that does not converge."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import MissingExtra
from querist.oracles.xtb import xtb

pytestmark = pytest.mark.chem
pytest.importorskip("tblite")

WATER = np.array([[0.0, 0.0, 0.119262], [0.0, 0.763239, -0.477047], [0.0, -0.763239, -0.477047]])


def water(**more) -> Batch:
    return Batch.from_samples([atoms_sample([8, 1, 1], WATER, **more)])


def test_the_energy_of_water_is_that_of_tblites_manual(context, capfd) -> None:
    (label,) = xtb().answer(water(), context)
    assert isinstance(label, Label)
    assert label.outputs["energy"] == pytest.approx(-137.96777594, abs=1e-5)
    assert label.outputs["forces"][0, 2] == pytest.approx(-0.7495272, abs=1e-4)
    assert label.level == "GFN2-xTB"
    assert capfd.readouterr() == ("", "")


def test_the_charge_counts_and_is_forgotten_again(context) -> None:
    oracle = xtb()
    (anion,) = oracle.answer(water(charge=-1), context)
    (neutral,) = oracle.answer(water(), context)
    assert anion.outputs["energy"] == pytest.approx(-131.50015844, abs=1e-5)
    assert neutral.outputs["energy"] == pytest.approx(-137.96777594, abs=1e-5)


def test_the_multiplicity_counts(context) -> None:
    singlet, triplet = (
        xtb().answer(water(multiplicity=m), context)[0].outputs["energy"] for m in (1, 3)
    )
    assert triplet > singlet + 3


def test_a_gold_cluster_does_not_converge(context) -> None:
    from ase.cluster import Icosahedron

    gold = Icosahedron("Au", 2)
    assert len(gold) == 13
    batch = Batch.from_samples([atoms_sample(gold.numbers, gold.positions)])
    oracle = xtb()
    (outcome,) = oracle.answer(batch, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.RAISED
    assert outcome.message == "CalculationFailed: SCF not converged in 250 cycles"
    assert "TBLiteRuntimeError" in outcome.traceback
    assert isinstance(oracle.answer(water(), context)[0], Label)


def test_what_is_not_installed_is_told_by_the_extra_that_brings_all(monkeypatch) -> None:
    for package in ("ase", "tblite"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[xtb\]'"):
        xtb()

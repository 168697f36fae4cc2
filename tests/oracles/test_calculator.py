"""ASE calculators: units, charges, stress, and what happens after one raises."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.core.errors import ShapeError
from querist.oracles.calculator import (
    CalculatorOracle,
    answering_calculator,
    ase_atoms,
    atoms_to_sample,
)

pytestmark = pytest.mark.atoms
pytest.importorskip("ase")

COPPER = atoms_sample([29], [[0, 0, 0]], np.array([[0, 1.9, 1.9], [1.9, 0, 1.9], [1.9, 1.9, 0]]))


def batch(*samples: Sample) -> Batch:
    return Batch.from_samples(samples)


def test_stress_is_a_matrix_with_ases_sign(context) -> None:
    oracle = CalculatorOracle("ase.calculators.emt:EMT", properties=("energy", "stress"))
    (label,) = oracle.answer(batch(COPPER), context)
    assert isinstance(label, Label)
    a = 1e-3
    stretched = (
        atoms_sample([29], [[0, 0, 0]], COPPER["cell"] * (1 + a)),
        atoms_sample([29], [[0, 0, 0]], COPPER["cell"] * (1 - a)),
    )
    plus, minus = (o.outputs["energy"] for o in oracle.answer(batch(*stretched), context))
    # Uniform strain: dE/da = V tr(stress).
    volume = abs(np.linalg.det(COPPER["cell"]))
    assert np.trace(label.outputs["stress"]) * volume == pytest.approx(
        (plus - minus) / (2 * a), rel=1e-4
    )
    assert label.outputs["stress"].shape == (3, 3)


def test_forces_are_minus_the_gradient(context) -> None:
    oracle = CalculatorOracle("ase.calculators.lj:LennardJones", {"rc": 12.0})
    sample = atoms_sample([18, 18, 18], np.array([[0.0, 0, 0], [1.2, 0, 0], [0.3, 1.1, 0.2]]))
    (label,) = oracle.answer(batch(sample), context)
    step = np.zeros((3, 3))
    step[1, 0] = 1e-5
    moved = [atoms_sample([18] * 3, sample["positions"] + s * step) for s in (1, -1)]
    plus, minus = (o.outputs["energy"] for o in oracle.answer(batch(*moved), context))
    assert label.outputs["forces"][1, 0] == pytest.approx(-(plus - minus) / 2e-5, rel=1e-6)


def test_charge_and_multiplicity_become_sums_over_atoms() -> None:
    atoms = ase_atoms(atoms_sample([8, 1], np.eye(2, 3), charge=-1, multiplicity=3))
    assert atoms.get_initial_charges().sum() == pytest.approx(-1)
    assert atoms.get_initial_magnetic_moments().sum() == pytest.approx(2)
    assert not atoms.pbc.any()


def test_ases_atoms_become_the_sample_that_they_were_made_of() -> None:
    ion = atoms_sample([8, 1], np.eye(2, 3), charge=-1, multiplicity=3)
    for sample in (ion, COPPER):
        assert atoms_to_sample(ase_atoms(sample)) == sample
    slab = ase_atoms(COPPER)
    slab.pbc, slab.cell[2] = [True, True, False], 0.0
    assert np.linalg.matrix_rank(atoms_to_sample(slab)["cell"]) == 3
    slab.pbc = True
    with pytest.raises(ShapeError, match="lattice vector is missing"):
        atoms_to_sample(slab)


def test_an_answering_calculator_hears_of_charge_and_spin() -> None:
    heard = []
    calculator = answering_calculator(
        lambda s: heard.append(s) or {"energy": np.zeros(())}, ["energy"]
    )
    ion = atoms_sample([8, 1], np.eye(2, 3), charge=-1, multiplicity=3)
    calculator.get_potential_energy(ase_atoms(ion))
    assert heard == [ion]


def parametrised():
    from ase.calculators.calculator import Calculator

    class Charged(Calculator):
        implemented_properties = ("energy", "forces")
        default_parameters = {"charge": None, "multiplicity": 1}  # noqa: RUF012 (ASE's way)
        made = 0

        def __init__(self, **parameters):
            super().__init__(**parameters)
            type(self).made += 1

        def calculate(self, atoms, properties, system_changes):
            super().calculate(atoms, properties, system_changes)
            if len(atoms) == 3:
                raise RuntimeError("three is too many")
            p = self.parameters
            energy = 10 * (p["charge"] or 0) + p["multiplicity"] + atoms.positions.sum()
            self.results = {"energy": energy, "forces": np.zeros((len(atoms), 3))}

    return Charged


def test_charge_and_multiplicity_are_set_where_the_calculator_has_them(context) -> None:
    ion = atoms_sample([8, 1], np.zeros((2, 3)), charge=-1, multiplicity=3)
    atom = atoms_sample([8, 1], np.ones((2, 3)), charge=0, multiplicity=1)
    oracle = CalculatorOracle(parametrised())
    energies = [float(o.outputs["energy"]) for o in oracle.answer(batch(ion, atom, ion), context)]
    assert energies == [-7.0, 7.0, -7.0]


@pytest.mark.parametrize("reset", [False, True])
def test_a_calculator_is_kept_until_it_raises(context, reset: bool) -> None:
    kind = parametrised()
    two, three = (atoms_sample([1] * n, np.eye(n, 3)) for n in (2, 3))
    other = atoms_sample([1, 1], np.eye(2, 3) * 2)
    oracle = CalculatorOracle(kind, reset=reset)
    oracle.answer(Batch.of([two.arrays, other.arrays]), context)
    assert kind.made == 1
    outcomes = oracle.answer(Batch.of([two.arrays, three.arrays, other.arrays]), context)
    assert [type(outcome) for outcome in outcomes] == [Label, Failure, Label]
    assert kind.made == 2
    assert outcomes[1].message == "RuntimeError: three is too many"
    assert "in calculate" in outcomes[1].traceback


def test_what_it_cannot_represent_is_refused(context) -> None:
    oracle = CalculatorOracle("ase.calculators.emt:EMT", charged=False, periodic=False)
    ion = atoms_sample([29, 29], np.eye(2, 3), charge=1)
    for sample, words in ((COPPER, "periodic cell"), (ion, "a charge")):
        (outcome,) = oracle.answer(batch(sample), context)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.UNSUPPORTED
        assert words in outcome.message


def test_what_is_no_calculator_is_named(context) -> None:
    (outcome,) = CalculatorOracle(dict).answer(batch(COPPER), context)
    assert isinstance(outcome, Failure)
    assert "made a dict, which is no ASE calculator" in outcome.message


def test_what_is_no_molecule_is_named(context) -> None:
    outcome = CalculatorOracle(dict).answer(Batch.stack(x=np.zeros(1)), context)[0]
    assert isinstance(outcome, Failure)
    assert "needs numbers and positions; got ['x']" in outcome.message


def test_file_based_calculators_work_in_the_scratch(context) -> None:
    oracle = CalculatorOracle(parametrised())
    oracle.open(context.worker)
    oracle.answer(batch(atoms_sample([1], np.zeros((1, 3)))), context)
    assert str(oracle._kept.directory) == str(context.worker.scratch)

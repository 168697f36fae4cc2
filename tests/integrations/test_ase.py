"""The model of a run as an ASE calculator."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.campaign.campaign import Campaign
from querist.core.answers import Dataset
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError, ContractError, UnsupportedSample
from querist.core.roles import FitRequest
from querist.integrations.ase import UncertainWarning, model_calculator
from querist.models.local import LocalPotential

pytestmark = pytest.mark.atoms
ase = pytest.importorskip("ase")

SETTINGS: dict[str, Any] = {"distance": 2.2, "pairs": 6, "channels": 2, "degree": 0, "draws": 2}


def dimer(length: float) -> tuple[Sample, dict[str, Any]]:
    sample = atoms_sample([29, 29], [[0, 0, 0], [0, 0, length]])
    pull = 2 * (length - 2.2)
    labels = {"energy": (length - 2.2) ** 2, "forces": [[0, 0, pull], [0, 0, -pull]]}
    return sample, labels


@pytest.fixture
def model() -> LocalPotential:
    rows = [dimer(length) for length in np.linspace(1.9, 3.0, 12)]
    data = Dataset(Batch.from_samples([s for s, _ in rows]), Batch.of([said for _, said in rows]))
    model = LocalPotential(**SETTINGS)
    model.load(model.fit(data, FitRequest()).state)
    return model


def pair(length: float) -> Any:
    return ase.Atoms("Cu2", [[0, 0, 0], [0, 0, length]])


def test_a_relaxation_ends_where_the_labels_say(model: LocalPotential) -> None:
    optimize = pytest.importorskip("ase.optimize")
    atoms = pair(2.5)
    atoms.calc = model_calculator(model)
    optimize.BFGS(atoms, logfile=None).run(fmax=1e-3, steps=50)
    assert atoms.get_distance(0, 1) == pytest.approx(2.2, abs=0.02)
    assert atoms.calc.results["energy_std"] < 0.1
    assert atoms.calc.results["forces_std"].shape == (2, 3)


def test_it_warns_where_it_is_unsure(model: LocalPotential) -> None:
    calculator = model_calculator(model, unsure_above={"energy": 0.05})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calculator.get_potential_energy(pair(2.4))
    with pytest.warns(UncertainWarning, match="uncertainty of 'energy' is above 0.05"):
        calculator.get_potential_energy(pair(1.0))
    with pytest.raises(ConfigError, match="above 0"):
        model_calculator(model, unsure_above={"energy": 0.0})


def test_what_the_model_does_not_predict_is_said(model: LocalPotential) -> None:
    with pytest.raises(ContractError, match=r"\['energy', 'forces'\], not 'stress'"):
        model_calculator(model, properties=("stress",)).get_stress(pair(2.4))
    charged = pair(2.4)
    charged.set_initial_charges([1, 0])
    with pytest.raises(UnsupportedSample, match="charge"):
        model_calculator(model).get_potential_energy(charged)


def test_a_run_warns_where_its_gate_would_ask(tmp_path: Path) -> None:
    lines = [f"2\n\nCu 0 0 0\nCu 0 0 {length}\n" for length in np.linspace(1.9, 3.0, 8)]
    (tmp_path / "starts.xyz").write_text("".join(lines))
    starts = str(tmp_path / "starts.xyz")
    campaign = Campaign(
        generators={"use": "langevin", "options": {"starts": starts, "walkers": 8}},
        model={"use": "local_potential", "options": SETTINGS},
        oracle=lambda positions: dimer(positions[1, 2])[1],
        gate={"output": "energy", "ask": 1e-9},
        budget={"labels": 8},
        engine="inline",
        initial=8,
    )
    campaign.run(tmp_path / "run")
    calculator = model_calculator(tmp_path / "run")
    with pytest.warns(UncertainWarning, match="above 1e-09"):
        calculator.get_potential_energy(pair(0.8))

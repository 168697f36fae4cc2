"""The local potential: clusters of several sizes, a crystal with its stress, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ContractError, RunError, UnsupportedSample
from querist.core.roles import FitRequest
from querist.generators.cluster_moves import random_cluster
from querist.models.local import LocalPotential

EV_PER_A3_IN_GPA = 160.21766


def lennard_jones(positions):
    vectors = positions[:, None] - positions[None]
    squared = (vectors**2).sum(axis=-1)
    np.fill_diagonal(squared, np.inf)
    sixth = squared**-3
    slope = 24 * (2 * sixth**2 - sixth) / squared
    energy = 2 * (sixth**2 - sixth).sum()
    return {"energy": energy, "forces": (slope[..., None] * vectors).sum(axis=1)}


def clusters(sizes, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    places = [rng.uniform(0.95, 1.2) * random_cluster(rng, n, 1.12) for n in sizes]
    inputs = [{"numbers": np.full(len(x), 18), "positions": x} for x in places]
    return Dataset(Batch.of(inputs), Batch.of([lennard_jones(x) for x in places]))


def made(**more) -> LocalPotential:
    settings = {"pairs": 12, "pair_cutoff": 4.0, "channels": 3, "degree": 1, "triples": 1}
    return LocalPotential(1.12, **{**settings, **more})


def test_one_model_for_several_sizes_and_one_it_has_not_seen() -> None:
    model = made()
    model.load(model.fit(clusters([6, 9, 12] * 12, 0), FitRequest()).state)
    test = clusters([7, 12, 15] * 3, 1)
    said, true = model.predict(test.inputs).mean, test.outputs
    error = np.abs(said["energy"] - true["energy"])
    assert error.max() < 0.02 * np.abs(true["energy"]).max()
    forces = np.abs(said.columns["forces"].data - true.columns["forces"].data)
    assert forces.mean() < 0.02 * np.abs(true.columns["forces"].data).mean()


def test_it_doubts_what_it_does_not_know() -> None:
    model = made()
    model.load(model.fit(clusters([8] * 20, 0), FitRequest()).state)
    near = clusters([8] * 5, 2).inputs
    far = Batch.stack(numbers=near["numbers"], positions=0.7 * np.asarray(near["positions"]))
    said = [model.predict(batch).uncertainty("energy").mean() for batch in (near, far)]
    assert said[1] > 3 * said[0]


def test_labels_that_were_seen_are_not_set_up_again_and_the_state_is_the_same() -> None:
    whole = clusters([6] * 12, 3)
    grown = made()
    grown.fit(whole.take(np.arange(7)), FitRequest())
    state = grown.fit(whole, FitRequest()).state
    fresh = made().fit(whole, FitRequest()).state
    np.testing.assert_array_equal(state.arrays["weights"], fresh.arrays["weights"])
    other = made()
    other.fit(clusters([6] * 5, 4), FitRequest())  # other labels: begins anew
    np.testing.assert_array_equal(
        other.fit(whole, FitRequest()).state.arrays["weights"], fresh.arrays["weights"]
    )


def crystal(rng):
    atoms = pytest.importorskip("ase.build").bulk("Cu", cubic=True)
    strain = rng.uniform(-0.03, 0.03, (3, 3))
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
    atoms.calc = pytest.importorskip("ase.calculators.emt").EMT()
    labels = {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(voigt=False),
    }
    return atoms_sample(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc), labels


def test_a_crystal_with_its_stress() -> None:
    rng = np.random.default_rng(5)
    rows = [crystal(rng) for _ in range(50)]
    inputs = Batch.from_samples([sample for sample, _ in rows])
    whole = Dataset(inputs, Batch.of([labels for _, labels in rows]))
    model = LocalPotential(2.55, draws=4)
    model.load(model.fit(whole.take(np.arange(40)), FitRequest()).state)
    test = whole.take(np.arange(40, 50))
    said = model.predict(test.inputs)
    stress = np.abs(np.asarray(said.mean["stress"]) - np.asarray(test.outputs["stress"]))
    assert stress.mean() * EV_PER_A3_IN_GPA < 0.3
    assert np.abs(said.mean["energy"] - test.outputs["energy"]).max() / 4 < 0.01  # eV an atom
    assert np.abs(said.mean["forces"] - np.asarray(test.outputs["forces"])).mean() < 0.04
    assert said.uncertainty("forces").shape == (10,)
    assert (said.uncertainty("stress") > 0).all()


def labelled(*rows) -> Dataset:
    """Lennard-Jones labels of (numbers, positions); elements are alike."""
    inputs = [{"numbers": np.array(n), "positions": np.array(x, float)} for n, x in rows]
    return Dataset(Batch.of(inputs), Batch.of([lennard_jones(row["positions"]) for row in inputs]))


def test_samples_need_not_have_all_elements_nor_any_neighbour() -> None:
    dimers = [([a, b], [[0, 0, 0], [0, 0, r]]) for a, b in ((18, 18), (36, 36)) for r in LENGTHS]
    alone = [([18], [[0, 0, 0]]), ([36], [[1, 0, 0]])]
    data = labelled(*dimers, *alone)
    model = made(draws=2)
    model.load(model.fit(data, FitRequest()).state)
    said = model.predict(data.inputs)
    assert np.abs(said.mean["energy"] - data.outputs["energy"]).max() < 0.02
    assert np.isfinite(said.uncertainty("forces")).all()
    lone = labelled(*alone)
    model.load(model.fit(lone, FitRequest()).state)
    assert np.abs(model.predict(lone.inputs).mean["energy"]).max() < 1e-6


LENGTHS = np.linspace(1.0, 2.0, 9)


def test_atoms_at_the_same_place_are_named() -> None:
    data = labelled(([18] * 3, np.eye(3)), ([18] * 3, [[0, 0, 0], [1, 0, 0], [0, 0, 2]]))
    places = np.asarray(data.inputs["positions"]).copy()
    places[1, 2] = places[1, 1]
    inputs = Batch.stack(numbers=data.inputs["numbers"], positions=places)
    with pytest.raises(UnsupportedSample, match="two atoms at the same place, which are in row 1"):
        made().fit(Dataset(inputs, data.outputs), FitRequest())


def test_what_it_cannot_represent_is_refused() -> None:
    data = clusters([5] * 4, 6)
    model = made()
    with pytest.raises(ContractError, match="load"):
        model.predict(data.inputs)
    model.load(model.fit(data, FitRequest()).state)
    strange = Batch.from_samples([atoms_sample([36, 18], [[0, 0, 0], [1.1, 0, 0]])])
    with pytest.raises(UnsupportedSample, match=r"\[18\], but got \[36\]"):
        model.predict(strange)
    charged = Batch.from_samples([atoms_sample([18, 18], [[0, 0, 0], [1.1, 0, 0]], charge=1)])
    with pytest.raises(UnsupportedSample, match="charge"):
        model.predict(charged)
    with pytest.raises(RunError, match="stopped after 0 of 4"):
        made().fit(data, FitRequest(should_stop=lambda: True))
    with pytest.raises(ConfigError, match="cutoff"):
        LocalPotential(1.0, cutoff=3.0, pair_cutoff=2.0)


@pytest.mark.parametrize("count", [12, 16, 24])
def test_exact_labels_are_not_fitted_by_rounding(count: int) -> None:
    """Two atoms tell little of the functions of three, and functions of pairs are much alike."""

    def dimer(length: float) -> tuple[dict[str, Any], dict[str, Any]]:
        pull = 2 * (length - 2.2)
        sample = atoms_sample([29, 29], [[0, 0, 0], [0, 0, length]])
        return sample, {"energy": (length - 2.2) ** 2, "forces": [[0, 0, pull], [0, 0, -pull]]}

    lengths = np.array([2.0, 2.45, 2.8])
    asked = Batch.from_samples([dimer(length)[0] for length in lengths])
    for shift in (0.0, 1e-9, 1e-7):
        moved = np.linspace(1.9, 3.0, count) + shift * np.random.default_rng(0).standard_normal(
            count
        )
        rows = [dimer(length) for length in moved]
        labels = Batch.of([label for _, label in rows])
        potential = LocalPotential(distance=2.2, pairs=6, channels=2, degree=0)
        data = Dataset(Batch.from_samples([sample for sample, _ in rows]), labels)
        potential.load(potential.fit(data, FitRequest()).state)
        said = potential.predict(asked).mean
        np.testing.assert_allclose(said["energy"], (lengths - 2.2) ** 2, atol=1e-3)
        np.testing.assert_allclose(said["forces"][:, 0, 2], 2 * (lengths - 2.2), atol=1e-2)

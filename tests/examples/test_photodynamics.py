"""Photodynamics: learned matrices agree with their slopes; the molecule's oracle and beginnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.generators.electronic import HBAR, kinetic_energy
from querist.sources.formats import read

FOLDER = Path(__file__).parents[2] / "examples" / "photodynamics"
MODULES = (
    *("descriptors", "tully", "diabatic", "problem"),
    *("casscf", "methaniminium", "minimum", "voyage", "molecule"),
)
pytest.importorskip("torch")
QUICK = {"members": 1, "hidden": 8, "starts": 1, "trial": None, "iterations": 2}


def labels(example, model: str, places: np.ndarray) -> Dataset:
    rows = [getattr(example.problem, model)(place) for place in places]
    outputs = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Dataset(Batch.stack(positions=places), Batch.stack(**outputs))


@pytest.mark.slow
def test_couplings_of_the_third_model_are_learned_from_arbitrary_signs(example) -> None:
    tully = example.tully
    places = np.linspace(-10, 10, 41)[:, None] * tully.BOHR
    model = example.diabatic.DiabaticCommittee(members=2, starts=2, enough=1e-4)
    model.load(model.fit(labels(example, "extended", places), FitRequest(seed=1)).state)
    between = np.linspace(-9.3, 9.4, 60) * tully.BOHR
    said, true = (
        model.predict(Batch.stack(positions=between[:, None])),
        tully.adiabatic("extended", between),
    )

    def turning(couplings, energies):
        return abs(np.asarray(couplings)).reshape(-1) / (energies[:, 1] - energies[:, 0])

    ours = turning(said.mean["couplings"], said.mean["energies"])
    theirs = turning(true.couplings, true.energies)
    assert theirs.max() > 0.4  # 1/A, where states are 0.04 eV apart
    assert abs(ours - theirs).max() < 0.05
    assert said.std["steering"].shape == (60, 3, 1)


def test_gradients_of_a_molecule_are_slopes_of_its_energies(example) -> None:
    random = np.random.default_rng(0)
    places = example.methaniminium.scouts(4, 3)
    made = {
        "energies": np.sort(random.normal(size=(4, 3)), axis=1),
        "gradients": random.normal(size=(4, 3, 6, 3)),
        "couplings": random.normal(size=(4, 3, 6, 3)),
    }
    model = example.methaniminium.committee(**QUICK)
    data = Dataset(Batch.stack(positions=places), Batch.stack(**made))
    model.load(model.fit(data, FitRequest()).state)
    one, step = places[0], 1e-5
    said = model.predict(Batch.stack(positions=one[None])).mean
    for atom, axis in ((0, 2), (3, 0), (5, 1)):
        both = np.stack([one, one])
        both[:, atom, axis] += (-step, step)
        energies = model.predict(Batch.stack(positions=both)).mean["energies"]
        slope = (energies[1] - energies[0]) / (2 * step)
        assert said["gradients"][0, :, atom, axis] == pytest.approx(slope, abs=1e-5)
    assert abs(said["gradients"].sum(axis=2)).max() < 1e-9  # no force on the whole
    assert abs(said["couplings"].sum(axis=2)).max() < 1e-9


def test_exchanged_atoms_change_nothing_that_is_seen(example) -> None:
    random, case = np.random.default_rng(1), example.methaniminium
    places = case.scouts(4, 3)
    made = {
        "energies": np.sort(random.normal(size=(4, 3)), axis=1),
        "gradients": random.normal(size=(4, 3, 6, 3)),
        "couplings": random.normal(size=(4, 3, 6, 3)),
    }
    model = case.committee(**QUICK)
    data = Dataset(Batch.stack(positions=places), Batch.stack(**made))
    model.load(model.fit(data, FitRequest()).state)
    said = model.predict(data.inputs).mean
    for order in ([0, 1, 3, 2, 4, 5], [0, 1, 2, 3, 5, 4], [0, 1, 3, 2, 5, 4]):
        other = model.predict(Batch.stack(positions=places[:, order])).mean
        assert other["energies"] == pytest.approx(said["energies"], abs=1e-9)
        assert other["gradients"] == pytest.approx(said["gradients"][:, :, order], abs=1e-9)
        turned = abs((other["couplings"] * said["couplings"][:, :, order]).sum(axis=(2, 3)))
        assert turned == pytest.approx((said["couplings"] ** 2).sum(axis=(2, 3)), rel=1e-6)
    mirrored = model.predict(Batch.stack(positions=-places)).mean["energies"]
    assert mirrored == pytest.approx(said["energies"], abs=1e-9)
    moved = places[:, [0, 1, 4, 3, 2, 5]]  # no symmetry of the molecule
    away = model.predict(Batch.stack(positions=moved)).mean["energies"] - said["energies"]
    assert abs(away).max() > 1e-6


def test_two_states_are_solved_alike_in_closed_form_and_by_eigenvectors(example) -> None:
    torch, case = pytest.importorskip("torch"), example.diabatic
    random = torch.Generator().manual_seed(3)
    mean, half, other = torch.randn(3, 5, generator=random, dtype=torch.float64)
    slopes = torch.randn(5, 3, 4, generator=random, dtype=torch.float64)
    short = case._of_two(torch.stack([mean, half, other], 1), slopes)
    turning = torch.tensor([[1.0, -1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    elements = torch.stack([mean - half, mean + half, other], 1)
    long = case.DiabaticCommittee(states=2)._of_many(elements, turning @ slopes)
    for ours, theirs in zip(short[:2], long[:2], strict=True):
        assert torch.allclose(ours, theirs)
    assert torch.allclose(short[2].abs(), long[2].abs())


def test_steering_of_labels_is_what_a_member_would_say_of_them(example) -> None:
    random, places = np.random.default_rng(2), example.methaniminium.scouts(4, 3)
    made = {
        "energies": np.sort(random.normal(size=(4, 3)), axis=1),
        "gradients": random.normal(size=(4, 3, 6, 3)),
        "couplings": random.normal(size=(4, 3, 6, 3)),
    }
    model = example.methaniminium.committee(**QUICK)
    data = Dataset(Batch.stack(positions=places), Batch.stack(**made))
    model.load(model.fit(data, FitRequest()).state)
    said = model.predict(data.inputs).mean
    turned = {name: np.asarray(said[name]) for name in made}
    turned["couplings"] = turned["couplings"] * random.choice([-1.0, 1.0], size=(4, 3, 1, 1))
    again = model.steering(Batch.stack(**turned), said["couplings"])
    assert again == pytest.approx(said["steering"], abs=1e-12)


def scouted(molecule) -> tuple[Dataset, np.ndarray]:
    """The committed labels of scouts, and how far the scouts of the seed are from each."""
    kept, places = read(FOLDER / "labels.npz"), molecule.scouts(molecule.SCOUTS, 3)
    off = abs(kept.inputs["positions"][:, None] - places).max(axis=(2, 3))
    return kept.take(np.flatnonzero(off.min(axis=1) < 1e-9)), off.min(axis=0)


@pytest.mark.slow
def test_three_states_are_learned_from_scouts_alone(example) -> None:
    molecule = example.molecule
    labels = molecule.reachable(scouted(molecule)[0])
    found = molecule.errors(molecule.learned(labels, 1, 200), labels)
    assert found.energies[:2].max() < 0.5  # eV, of a spread of 2
    assert found.gap < 0.6


def test_the_committed_scouts_are_those_of_the_seed(example) -> None:
    assert scouted(example.molecule)[1].max() < 1e-9


def test_a_molecule_without_a_bond_is_not_whole(example) -> None:
    case = example.methaniminium
    places = np.stack([case.reference().positions] * 3)
    places[1, 2] *= 2
    places[2, 1] += 3
    assert case.whole(places).tolist() == [True, False, False]


@pytest.mark.slow
@pytest.mark.chem
def test_committed_labels_are_the_oracles_own(example) -> None:
    pytest.importorskip("pyscf")
    kept = read(FOLDER / "labels.npz")
    row = 150  # of the campaign
    said = example.casscf.electronic(kept.inputs["positions"][row])
    assert said["energies"] == pytest.approx(kept.outputs["energies"][row], abs=1e-4)
    assert said["gradients"] == pytest.approx(kept.outputs["gradients"][row], abs=1e-2)


@pytest.mark.slow
@pytest.mark.chem
def test_the_committed_minimum_is_the_oracles_own(example) -> None:
    """Where ``reference.npz`` comes from: no force there, and a column of its derivatives."""
    pytest.importorskip("pyscf")
    known = example.methaniminium.reference()
    there = example.casscf.electronic(known.positions)
    assert abs(there["gradients"][0]).max() < 0.01
    assert there["energies"][0] == pytest.approx(example.molecule.LOWEST, abs=0.01)
    number = 7  # of a hydrogen atom, along the plane
    column = example.minimum.column(known.positions, number)
    assert column == pytest.approx(known.curvature[number], abs=0.05)


def test_wigner_samples_have_the_zero_point_energy(example) -> None:
    case = example.methaniminium
    found, begin = case.modes(case.reference()), case.wigner(2000, 1)
    zero_point = 0.5 * HBAR * found.frequencies.sum()
    kinetic = kinetic_energy(begin["velocities"].reshape(2000, -1), np.repeat(case.MASSES, 3))
    assert kinetic.mean() == pytest.approx(zero_point / 2, rel=0.03)
    moved = (begin["positions"] - case.reference().positions).reshape(2000, -1)
    potential = 0.5 * np.einsum("ni,ij,nj->n", moved, case.reference().curvature, moved)
    assert potential.mean() == pytest.approx(zero_point / 2, rel=0.03)
    momentum = (case.MASSES[:, None] * begin["velocities"]).sum(axis=1)
    assert abs(momentum).max() < 1e-3  # u A/fs


@pytest.mark.slow
def test_the_oracle_gives_slopes_and_turns_with_the_molecule(example) -> None:
    pytest.importorskip("pyscf")
    place, step = example.methaniminium.scouts(1, 9)[0], 1e-3
    told = example.casscf.electronic(place)
    both = []
    for sign in (-1, 1):
        moved = place.copy()
        moved[2, 0] += sign * step
        both.append(np.array(example.casscf.solution(moved).e_states) * example.casscf.HARTREE)
    slope = (both[1] - both[0]) / (2 * step)
    assert told["gradients"][:, 2, 0] == pytest.approx(slope, abs=2e-3)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    other = example.casscf.electronic(place @ turn.T)
    assert other["gradients"] == pytest.approx(told["gradients"] @ turn.T, abs=1e-4)
    turned = told["couplings"] @ turn.T
    sign = np.sign((turned * other["couplings"]).sum(axis=(1, 2), keepdims=True))
    assert other["couplings"] == pytest.approx(sign * turned, abs=1e-3)
    assert abs(told["couplings"].sum(axis=1)).max() < 1e-6  # translation factors

"""Langevin walkers sample the right distribution, conserve energy, and come back."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import AnsweredSample, Feedback, Prediction, Verdict, Verdicts
from querist.generators.elements import MASSES, RADII
from querist.generators.langevin import ACCELERATION, LangevinWalkers
from querist.generators.thermal import BOLTZMANN, FLOOR, ThermalCloud, model_hessian

STIFF = 10.0  # eV/A^2
CENTRE = np.array([[0.0, 0, 0], [1.5, 0, 0], [0, 1.5, 0]])
START = {"numbers": np.array([[8, 1, 6]]), "positions": CENTRE[None]}


def force(positions: np.ndarray) -> np.ndarray:
    return -STIFF * (positions - CENTRE)


def observe(walkers: LangevinWalkers, proposal, verdict=Verdict.TRUST, forces=None, **more) -> None:
    forces = force(proposal.batch["positions"]) if forces is None else forces
    given = np.broadcast_to(np.asarray(verdict, np.int8), len(proposal.walkers))
    prediction = Prediction(Batch.stack(forces=forces), Batch({}))
    verdicts = Verdicts(given, np.zeros(len(given)))
    walkers.observe(Feedback(proposal.walkers, prediction, verdicts, **more))


def step(walkers: LangevinWalkers, **more) -> np.ndarray:
    proposal = walkers.propose()
    observe(walkers, proposal, **more)
    return proposal.batch["positions"]


def kinetic(walkers: LangevinWalkers) -> np.ndarray:
    """Kinetic energy of each walker, eV."""
    held = walkers.state()[0]
    masses = MASSES[held["numbers"]][..., None]
    return 0.5 * (masses * held["velocities"] ** 2).sum(axis=(1, 2)) / ACCELERATION


def test_a_harmonic_system_has_the_temperature_asked_for() -> None:
    kelvin = np.array([200.0, 800.0])
    walkers = LangevinWalkers(
        START, walkers=64, temperature=kelvin, time_step=1.0, friction=0.05, seed=1
    )
    square, motion = np.zeros(64), np.zeros(64)
    for number in range(2500):
        away = step(walkers) - CENTRE
        if number >= 500:
            square += (away**2).sum(axis=(1, 2)) / 2000
            motion += kinetic(walkers) / 2000
    # BAOAB has no time step error in the positions of a harmonic system, a small one in velocities.
    for turn in (0, 1):
        from_positions = STIFF * square[turn::2].mean() / (9 * BOLTZMANN)
        from_velocities = 2 * motion[turn::2].mean() / (9 * BOLTZMANN)
        assert from_positions == pytest.approx(kelvin[turn], rel=0.04)
        assert from_velocities == pytest.approx(kelvin[turn], rel=0.06)


def test_without_friction_energy_is_conserved() -> None:
    drifts = []
    for time_step in (0.5, 0.25):
        walkers = LangevinWalkers(START, walkers=3, time_step=time_step, friction=0.0, seed=2)
        energies = []
        for _ in range(int(500 / time_step)):
            positions = step(walkers)
            potential = 0.5 * STIFF * ((positions - CENTRE) ** 2).sum(axis=(1, 2))
            energies.append(potential + kinetic(walkers))
        drifts.append(np.ptp(np.array(energies), axis=0).max() / energies[0].max())
    assert drifts[0] < 0.02
    # Verlet's error is of second order: half the step, a quarter of the error.
    assert drifts[1] < 0.35 * drifts[0]


def test_a_frequency_is_that_of_its_mass_and_spring() -> None:
    walkers = LangevinWalkers(START, walkers=1, time_step=0.1, friction=0.0, seed=3)
    track = np.array([step(walkers)[0, 1, 0] - 1.5 for _ in range(1500)])
    crossings = np.flatnonzero((track[:-1] < 0) & (track[1:] >= 0))
    period = np.diff(crossings).mean() * 0.1
    assert period == pytest.approx(2 * np.pi * np.sqrt(1.008 / (STIFF * ACCELERATION)), rel=0.01)


def test_a_rejected_step_is_undone_with_fresh_velocities() -> None:
    walkers = LangevinWalkers(START, walkers=2, seed=4)
    for _ in range(5):
        trusted = step(walkers)
    speeds = walkers.state()[0]["velocities"]
    proposal = walkers.propose()
    assert not np.allclose(proposal.batch["positions"], trusted)
    observe(walkers, proposal, [Verdict.REJECT, Verdict.TRUST])
    again = walkers.propose().batch["positions"]
    np.testing.assert_array_equal(again[0], trusted[0])
    assert not np.allclose(again[1], trusted[1])
    assert not np.allclose(walkers.state()[0]["velocities"][0], speeds[0])


def test_after_many_rejects_a_walker_begins_again() -> None:
    walkers = LangevinWalkers(START, walkers=1, max_rejects=2, seed=5)
    for _ in range(20):
        step(walkers)
    for _ in range(3):
        away = step(walkers, verdict=Verdict.REJECT)
        assert not np.array_equal(away[0], CENTRE)
    np.testing.assert_array_equal(walkers.propose().batch["positions"][0], CENTRE)
    assert walkers.state()[0]["rejects"][0] == 0


def test_forces_that_are_not_finite_count_as_a_reject() -> None:
    walkers = LangevinWalkers(START, walkers=1, seed=5)
    step(walkers)
    proposal = walkers.propose()
    observe(walkers, proposal, forces=np.full((1, 3, 3), np.nan))
    np.testing.assert_array_equal(walkers.propose().batch["positions"][0], CENTRE)


@pytest.mark.parametrize("huge", [1e3, 1e308])
def test_an_exploded_geometry_is_never_proposed(huge: float) -> None:
    walkers = LangevinWalkers(START, walkers=2, time_step=1.0, closest=0.6, seed=6)
    step(walkers)
    proposal = walkers.propose()
    forces = np.zeros((2, 3, 3))
    forces[0, 0, 0] = huge
    observe(walkers, proposal, forces=forces)
    after = walkers.propose().batch["positions"]
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(after[0], CENTRE)
    assert not np.array_equal(after[1], CENTRE)


def test_atoms_that_meet_begin_again() -> None:
    near = atoms_sample([8, 1, 6], [[0, 0, 0], [0.61, 0, 0], [0, 1.5, 0]])
    walkers = LangevinWalkers(START, walkers=1, closest=0.6, friction=0.0, seed=7)
    walkers.restart([near])
    positions = step(walkers, forces=np.zeros((1, 3, 3)))
    np.testing.assert_array_equal(positions[0], near["positions"])
    proposal = walkers.propose()
    observe(walkers, proposal, forces=np.array([[[0, 0, 0], [-100.0, 0, 0], [0, 0, 0]]]))
    np.testing.assert_array_equal(walkers.propose().batch["positions"][0], CENTRE)


def waiting() -> tuple[LangevinWalkers, AnsweredSample, np.ndarray]:
    """A walker that waits for the answer to its last proposal, and that answer."""
    walkers = LangevinWalkers(START, walkers=2, on_ask="wait", seed=8)
    for _ in range(3):
        step(walkers)
    proposal = walkers.propose()
    observe(walkers, proposal, [Verdict.ASK, Verdict.TRUST], info={"version": 1})
    sample = proposal.batch.sample(0)
    outputs = {"forces": force(sample["positions"])}
    return walkers, AnsweredSample(0, sample, outputs), sample["positions"]


def answer(walkers: LangevinWalkers, *answers: AnsweredSample, version: int = 1) -> list[int]:
    """The walkers that propose after these answers."""
    proposal = walkers.propose()
    observe(walkers, proposal, answers=answers, info={"version": version})
    return walkers.propose().walkers.tolist()


def test_a_walker_waits_for_its_answer_and_goes_on_from_it() -> None:
    walkers, answered, place = waiting()
    assert answer(walkers) == [1]
    assert answer(walkers, answered) == [0, 1]
    held = walkers.state()[0]
    np.testing.assert_array_equal(held["trusted"][0], place)
    assert not np.array_equal(held["positions"][0], place)


def test_an_answer_to_something_else_does_not_wake_it() -> None:
    walkers, answered, _ = waiting()
    other = atoms_sample([8, 1, 6], CENTRE)
    assert answer(walkers, AnsweredSample(0, other, answered.outputs)) == [1]


def test_a_failed_question_backs_it_up() -> None:
    walkers, answered, place = waiting()
    assert answer(walkers, AnsweredSample(0, answered.sample, None)) == [0, 1]
    assert not np.array_equal(walkers.propose().batch["positions"][0], place)


def test_a_newer_model_is_asked_about_the_same_place() -> None:
    walkers, _, place = waiting()
    assert answer(walkers, version=2) == [0, 1]
    np.testing.assert_array_equal(walkers.propose().batch["positions"][0], place)


@pytest.mark.parametrize(("on_ask", "moves"), [("continue", True), ("back_up", False)])
def test_an_uncertain_step_goes_on_or_back(on_ask: str, moves: bool) -> None:
    walkers = LangevinWalkers(START, walkers=1, on_ask=on_ask, seed=9)
    step(walkers)
    for _ in range(4):  # back up: every second proposal is the trusted place itself
        step(walkers, verdict=Verdict.ASK)
    trusted = walkers.state()[0]["trusted"][0]
    np.testing.assert_array_equal(trusted, CENTRE)
    proposal = walkers.propose().batch["positions"][0]
    assert np.array_equal(proposal, CENTRE) is not moves


def test_without_a_model_walkers_scatter_about_their_starts() -> None:
    walkers = LangevinWalkers(START, walkers=3, seed=10)
    proposal = walkers.propose()
    verdicts = Verdicts(np.ones(3, np.int8), np.zeros(3))
    walkers.observe(Feedback(proposal.walkers, None, verdicts))
    moved = walkers.propose().batch["positions"]
    assert (np.abs(moved - CENTRE).max(axis=(1, 2)) > 1e-3).all()
    assert np.abs(moved - CENTRE).max() < 1.0


def test_starts_and_temperatures_are_taken_in_turns() -> None:
    two = {"numbers": np.array([[1], [2]]), "positions": np.array([[[0.0, 0, 0]], [[5.0, 0, 0]]])}
    walkers = LangevinWalkers(two, walkers=4, temperature=[300, 600, 900])
    assert walkers.propose().batch["numbers"].ravel().tolist() == [1, 2, 1, 2]
    assert walkers._kelvin.tolist() == [300, 600, 900, 300]


def test_cell_and_charge_travel_with_the_walker() -> None:
    start = atoms_sample([11, 17], [[0, 0, 0], [2.8, 0, 0]], np.eye(3) * 9, charge=1)
    walkers = LangevinWalkers(start, walkers=2, seed=1)
    assert set(walkers.propose().batch.columns) == {"numbers", "positions", "cell", "pbc", "charge"}
    other = atoms_sample([11, 17], [[0, 0, 0], [2.5, 0, 0]], np.eye(3) * 8, charge=0)
    walkers.restart([other])
    batch = walkers.propose().batch
    assert batch["cell"][:, 0, 0].tolist() == [8, 9]
    assert batch["charge"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_ask": "panic"}, "on_ask is one of"),
        ({"time_step": 0.0}, "time_step > 0"),
        ({"walkers": 0}, "walkers >= 1"),
    ],
)
def test_bad_settings_are_refused(options, words) -> None:
    with pytest.raises(ConfigError, match=words):
        LangevinWalkers(START, **options)


def test_starts_that_are_no_molecules_of_one_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="need starts with numbers and positions"):
        LangevinWalkers(np.zeros((2, 3)))
    mixed = [atoms_sample([1] * n, np.eye(n, 3)) for n in (1, 2)]
    with pytest.raises(ShapeError, match="equal numbers of atoms"):
        LangevinWalkers(mixed)
    walkers = LangevinWalkers(START)
    with pytest.raises(ShapeError, match=r"3 atoms .* cannot restart from 2 atoms"):
        walkers.restart(mixed[1:])
    with pytest.raises(ShapeError, match="4 walkers, but there are 5"):
        LangevinWalkers(START, walkers=5).restore(*walkers.state())


def test_the_initial_cloud_is_that_of_its_hessian() -> None:
    rng = np.random.default_rng(0)
    numbers, kelvin = np.array([6, 8, 1]), 300.0
    positions = np.array([[0, 0, 0], [1.2, 0, 0], [-0.6, 0.9, 0]])
    cloud = ThermalCloud(numbers, positions)
    draws = np.array([cloud.draw(kelvin, rng) for _ in range(4000)]) - positions
    covariance = np.cov(draws.reshape(4000, -1).T)
    expected = BOLTZMANN * kelvin * np.linalg.inv(model_hessian(numbers, positions, None))
    np.testing.assert_allclose(covariance, expected, atol=0.06 * expected.max())
    assert draws.std(axis=0).max() <= 1.05 * np.sqrt(BOLTZMANN * kelvin / FLOOR)
    bond = np.linalg.norm(draws[:, 1] + [1.2, 0, 0] - draws[:, 0], axis=1)
    assert bond.std() < 0.5 * draws[:, 0, 2].std()  # stiff along the bond, soft out of the plane


def test_the_model_hessian_knows_neighbours_across_the_cell() -> None:
    numbers, far = np.array([6, 6]), np.array([[0.1, 0, 0], [9.0, 0, 0]])
    alone = model_hessian(numbers, far, None)
    periodic = model_hessian(numbers, far, np.eye(3) * 10.4)
    assert alone[0, 3] == pytest.approx(0.0, abs=1e-9)
    assert periodic[0, 3] < -30
    np.testing.assert_allclose(periodic, periodic.T)
    assert np.linalg.eigvalsh(periodic).min() >= FLOOR - 1e-9


@pytest.mark.atoms
def test_masses_and_radii_are_those_of_ase() -> None:
    data = pytest.importorskip("ase.data")
    np.testing.assert_allclose(MASSES, data.atomic_masses[: len(MASSES)], atol=6e-4)
    np.testing.assert_allclose(RADII[1:97], data.covalent_radii[1:97], atol=6e-3)


def pull(positions: np.ndarray, walkers: np.ndarray) -> np.ndarray:
    """A spring of each walker's own to its own place."""
    return -30.0 * (positions - CENTRE - 0.3 * walkers[:, None, None])


@pytest.mark.parametrize("bias", [pull, f"{__name__}:pull"])
def test_a_bias_is_felt_beside_the_model_and_by_each_walker_as_its_own(bias) -> None:
    walkers = LangevinWalkers(
        START, walkers=3, temperature=1.0, time_step=1.0, friction=0.05, bias=bias, seed=3
    )
    for _ in range(400):
        positions = step(walkers)
    # Between the model's spring at the centre and the walker's own, three times as stiff.
    expected = CENTRE + 0.75 * 0.3 * np.arange(3)[:, None, None]
    assert np.abs(positions - expected).max() < 0.02


def test_a_bias_of_another_shape_is_refused() -> None:
    walkers = LangevinWalkers(START, walkers=2, bias=lambda positions, numbers: positions[0])
    walkers.propose()
    with pytest.raises(ShapeError, match=r"forces of the shape \(2, 3, 3\), got \(3, 3\)"):
        step(walkers)

"""Surface hopping: conservation laws, exact electrons, Tully's first model."""

from __future__ import annotations

import numpy as np
import pytest

from querist.campaign.handlers.keeping import restore
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import Feedback, Prediction, Verdicts
from querist.generators.electronic import (
    ACCELERATION,
    HBAR,
    decohere,
    jump,
    kinetic_energy,
    propagate,
    targets,
)
from querist.generators.surface_hopping import SurfaceHopping
from querist.store.arrays import save_arrays

BOHR, HARTREE, TIME = 0.529177210903, 27.211386245988, 0.024188843265857
MASS = 2000 * 5.4857990907e-4
RNG = np.random.default_rng(5)


def crossing(x):
    """Tully's model 1: energies, gradients, coupling in eV and eV/A at x in A."""

    def matrix(x):
        half = np.sign(x) * 0.01 * (1 - np.exp(-1.6 * abs(x)))
        return half * HARTREE, 0.005 * np.exp(-(x**2)) * HARTREE

    step = 1e-6
    half, other = matrix(x / BOHR)
    (up, more), (down, less) = matrix((x + step) / BOHR), matrix((x - step) / BOHR)
    dhalf, dother = (up - down) / (2 * step), (more - less) / (2 * step)
    gap = np.hypot(half, other)
    slope = (half * dhalf + other * dother) / gap
    coupling = (half * dother - other * dhalf) / gap
    return {
        "energies": np.stack([-gap, gap], axis=1),
        "gradients": np.stack([-slope, slope], axis=1)[:, :, None],
        "couplings": coupling[:, None, None],
    }


def run(generator: SurfaceHopping, sign=None) -> SurfaceHopping:
    """Until all trajectories are over."""
    while len((proposal := generator.propose()).walkers):
        told = crossing(proposal.batch["positions"][:, 0])
        if sign is not None:
            told["couplings"] = told["couplings"] * sign(len(proposal.walkers))[:, None, None]
        none = np.zeros(len(proposal.walkers))
        prediction = Prediction(Batch.stack(**told), Batch({}))
        generator.observe(
            Feedback(proposal.walkers, prediction, Verdicts(none.astype(np.int8), none))
        )
    return generator


def particles(momentum: float, walkers: int, **more) -> SurfaceHopping:
    speed = momentum / 2000 * BOHR / TIME
    start = {"positions": [[-5 * BOHR]], "velocities": [[speed]], "state": [0]}
    more = {"decoherence": False, "again": False, "seed": 3, "duration": 1e4, **more}
    bounds = {"low": -5.5 * BOHR, "high": 5.5 * BOHR}
    return SurfaceHopping(start, [MASS], walkers, 0.05 * BOHR / speed, **bounds, **more)


def upper(generator: SurfaceHopping) -> float:
    return float(np.mean([one.state == 1 for one in generator.ended]))


def test_tullys_first_model_at_high_momentum() -> None:
    # Exact 0.492, surface hopping in the literature 0.495; 400 trajectories: 3 sigma are 0.075.
    shares = upper(run(particles(20, 400)))
    assert shares == pytest.approx(0.495, abs=0.075)


def test_arbitrary_signs_of_couplings_change_nothing() -> None:
    plain = run(particles(12, 60))
    signed = run(particles(12, 60), lambda n: RNG.choice([-1.0, 1.0], n))
    assert [one.state for one in plain.ended] == [one.state for one in signed.ended]


def test_the_total_energy_is_kept_also_over_hops() -> None:
    generator = run(particles(20, 50))
    assert any(one.hops for one in generator.ended)
    speed = 20 / 2000 * BOHR / TIME
    before = (
        0.5 * MASS * speed**2 / ACCELERATION + crossing(np.array([-5 * BOHR]))["energies"][0, 0]
    )
    for one in generator.ended:
        kinetic = 0.5 * MASS * one.velocities[0] ** 2 / ACCELERATION
        after = kinetic + crossing(one.positions)["energies"][0, one.state]
        assert after == pytest.approx(before, rel=2e-3)


def test_a_particle_too_slow_for_the_upper_surface_never_hops() -> None:
    generator = run(particles(4, 20, reverse=True))
    assert upper(generator) == 0.0


def test_amplitudes_follow_rabis_formula_and_keep_their_norm() -> None:
    gap, rate, time = 0.3, 0.2, 4.0
    energies, rates = np.array([[0.0, gap]]), np.array([[[0, rate], [-rate, 0]]])
    start = np.array([[1.0 + 0j, 0.0]])
    passed = propagate(start, (energies, energies), (rates, rates), np.array([0]), time)
    frequency = np.hypot(gap / HBAR, 2 * rate)
    expected = (2 * rate / frequency) ** 2 * np.sin(frequency * time / 2) ** 2
    assert abs(passed.amplitudes[0, 1]) ** 2 == pytest.approx(expected, rel=1e-9)
    assert (abs(passed.amplitudes) ** 2).sum() == pytest.approx(1.0, abs=1e-12)


def test_chances_add_up_to_the_population_that_leaves() -> None:
    # While it only falls, what hops away is what the active state loses.
    rates = np.array([[[0, 0.1], [-0.1, 0]]])
    level = np.zeros((1, 2))
    passed = propagate(
        np.array([[1.0 + 0j, 0.0]]), (level, level), (rates, rates), np.array([0]), 0.5
    )
    left = 1 - abs(passed.amplitudes[0, 0]) ** 2
    assert passed.chances[0, 1] == pytest.approx(left, rel=0.05)
    assert passed.chances[0, 0] == 0.0


def test_targets_follow_the_numbers_drawn() -> None:
    chances = np.array([[0.0, 0.2, 0.3]] * 3)
    drawn = np.array([0.1, 0.4, 0.6])
    assert targets(chances, np.zeros(3, np.int64), drawn).tolist() == [1, 2, 0]


def test_decoherence_keeps_the_norm_and_favours_the_active_state() -> None:
    amplitudes = np.array([[0.6 + 0j, 0.8j]])
    energies, kinetic = np.array([[0.0, 2.0]]), np.array([1.0])
    after = decohere(amplitudes, energies, np.array([0]), kinetic, 1.0)
    assert (abs(after) ** 2).sum() == pytest.approx(1.0)
    expected = 0.8 * np.exp(-2.0 / (HBAR * (1 + 0.1 * HARTREE)))
    assert abs(after[0, 1]) == pytest.approx(expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_hop_pays_its_energy_or_is_refused(reverse: bool) -> None:
    masses = np.array([1.0, 2.0, 16.0])
    velocities, along = RNG.normal(size=(50, 3)) * 0.05, RNG.normal(size=(50, 3))
    rise = RNG.uniform(-1.0, 1.0, 50)
    before = kinetic_energy(velocities, masses)
    done = jump(velocities, along, rise, masses, reverse)
    change = kinetic_energy(done.velocities, masses) - before
    assert done.allowed.any()
    assert not done.allowed.all()
    assert change[done.allowed] == pytest.approx(-rise[done.allowed], abs=1e-9)
    assert change[~done.allowed] == pytest.approx(0.0, abs=1e-9)
    turned = (done.velocities * along).sum(axis=1) / (velocities * along).sum(axis=1)
    assert turned[~done.allowed] == pytest.approx(-1.0 if reverse else 1.0)


@pytest.mark.parametrize(
    "more",
    [
        {"on_ask": "back_up"},
        {"walkers": 0},
        {"time_step": 0.0},
        {"duration": -1.0},
        {"settled": -1.0},
    ],
)
def test_nonsense_is_refused(more: dict) -> None:
    with pytest.raises(ConfigError):
        SurfaceHopping({"positions": [[0.0]], "velocities": [[0.0]]}, [1.0], **more)


def test_starts_need_velocities() -> None:
    with pytest.raises(ShapeError, match="velocities"):
        SurfaceHopping([[0.0]], [1.0])


def test_surfaces_that_do_not_fit_together_are_refused() -> None:
    generator = particles(20, 2)
    proposal = generator.propose()
    told = crossing(proposal.batch["positions"][:, 0]) | {"gradients": np.zeros((2, 3, 1))}
    prediction = Prediction(Batch.stack(**told), Batch({}))
    verdicts = Verdicts(np.zeros(2, np.int8), np.zeros(2))
    with pytest.raises(ShapeError, match="2 states of 1 coordinates"):
        generator.observe(Feedback(proposal.walkers, prediction, verdicts))


def test_who_came_down_and_stayed_is_settled() -> None:
    generator = run(particles(20, 60, settled=2.0, decoherence=True))
    settled = [one for one in generator.ended if one.reason == "settled"]
    assert settled
    assert all(one.state == 0 for one in settled)
    # Nobody hopped in the 2 fs after the start on the lowest surface, far from the crossing.
    assert all(one.time == pytest.approx(2.0, abs=0.2) for one in settled)
    above = {"positions": [[-5 * BOHR]], "velocities": [[20 / 2000 * BOHR / TIME]], "state": [1]}
    down = SurfaceHopping(above, [MASS], 60, 0.05, again=False, seed=3, settled=3.0, duration=60.0)
    ends = run(down).ended
    assert {one.reason for one in ends} == {"settled", "time"}
    for one in ends:
        assert (one.reason == "settled") == (one.state == 0 and one.hops > 0)


def test_who_is_not_inside_is_outside() -> None:
    def inside(places):
        assert places.shape[1:] == (1,)
        return places[:, 0] < 0

    ends = run(particles(20, 20, inside=inside)).ended
    assert {one.reason for one in ends} == {"outside"}
    assert all(0 <= one.positions[0] < 0.1 * BOHR for one in ends)


def test_a_restored_trajectory_settles_when_the_whole_one_would() -> None:
    whole, half = particles(20, 5, settled=2.0), particles(20, 5, settled=2.0)
    for _ in range(3):
        told = crossing(half.propose().batch["positions"][:, 0])
        none = np.zeros(5)
        prediction = Prediction(Batch.stack(**told), Batch({}))
        half.observe(Feedback(np.arange(5), prediction, Verdicts(none.astype(np.int8), none)))
    again = particles(20, 5, settled=2.0)
    again.restore(*half.state())
    assert [one.time for one in run(again).ended] == [one.time for one in run(whole).ended]


def test_a_campaign_restores_trajectories(tmp_path) -> None:
    arrays, data = particles(20, 5).state()
    save_arrays(tmp_path / "saved", arrays, dict(data))
    restore(again := particles(20, 5), tmp_path / "saved")
    assert np.array_equal(again.state()[0]["w/positions"], arrays["w/positions"])

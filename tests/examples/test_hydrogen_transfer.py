"""The example of a hydrogen between peptides: geometries, generators, and that its check can fail.

The whole campaign runs in the examples' stage of CI, not here.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from querist.campaign.campaign import Campaign
from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdict, Verdicts

FOLDER = Path(__file__).parents[2] / "examples" / "hydrogen_transfer"
MODULES = ("peptides", "paths", "problem", "drawing", "check", "compare_mace")
HEIGHT = 0.5
"""Of the barrier of the toy surface below, in eV."""


def toy(example: Any, home: np.ndarray) -> Any:
    """A double well in the transfer coordinate; springs of 5 eV/A^2 hold all else at ``home``."""
    at = 0.7

    def surface(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        coordinate = example.peptides.transfer_coordinate(positions)
        share = coordinate / at
        away = positions - home
        away[:, example.peptides.MOVING] = 0.0
        energies = HEIGHT * (share**2 - 1) ** 2 + 2.5 * (away**2).sum(axis=(1, 2))
        slope = 4 * HEIGHT * share * (share**2 - 1) / at
        gradient = slope[:, None, None] * example.peptides.coordinate_gradient(positions)
        return energies, -gradient - 5.0 * away

    return surface


def told(proposal: Any, verdict: Verdict, forces: np.ndarray) -> Feedback:
    count = len(proposal.walkers)
    said = Prediction(Batch.stack(energy=np.zeros(count), forces=forces), Batch({}))
    verdicts = Verdicts(np.full(count, verdict, np.int8), np.zeros(count))
    return Feedback(proposal.walkers, said, verdicts)


# ------------------------------------------------------------------------------------- geometries


def test_sites_are_two_fragments_with_one_hydrogen_between(example: Any) -> None:
    peptides = example.peptides
    placed = peptides.sites(20, np.random.default_rng(0))
    assert not any(peptides.overlaps(one) for one in placed)
    apart = peptides.carbon_distance(placed)
    assert apart.min() >= 2.7
    assert apart.max() <= 3.2
    assert (peptides.transfer_coordinate(placed) < -0.3).all()
    assert (peptides.transfer_coordinate(peptides.handed_over(placed)) > 0.3).all()
    assert np.ptp(apart) > 0.2
    assert peptides.NUMBERS.sum() % 2 == 1  # so that no singlet exists


def test_the_exchange_of_fragments_turns_the_coordinate_around(example: Any) -> None:
    peptides = example.peptides
    placed = peptides.sites(3, np.random.default_rng(1))
    assert np.array_equal(peptides.NUMBERS[peptides.SWAP], peptides.NUMBERS)
    assert np.array_equal(peptides.SWAP[peptides.SWAP], np.arange(25))
    np.testing.assert_allclose(
        peptides.transfer_coordinate(placed[:, peptides.SWAP]),
        -peptides.transfer_coordinate(placed),
    )


def test_the_coordinates_gradient_is_its_derivative(example: Any) -> None:
    peptides = example.peptides
    here = peptides.sites(1, np.random.default_rng(2))
    way = np.random.default_rng(3).standard_normal(here.shape)
    both = [peptides.transfer_coordinate(here + sign * 1e-5 * way) for sign in (1, -1)]
    slope = (peptides.coordinate_gradient(here) * way).sum()
    assert float((both[0] - both[1])[0] / 2e-5) == pytest.approx(slope, rel=1e-6)


def test_net_forces_and_torques_are_seen(example: Any) -> None:
    peptides = example.peptides
    here = peptides.sites(2, np.random.default_rng(2))
    away = here - here.mean(axis=1, keepdims=True)
    assert max(peptides.net_force_and_torque(here, away)) < 1e-9
    assert peptides.net_force_and_torque(here, away + np.array([0.0, 0.1, 0.0]))[
        0
    ] == pytest.approx(2.5)
    turning = np.cross(away, [0.0, 0.0, 1.0])
    assert peptides.net_force_and_torque(here, turning)[1] > 1.0


# ------------------------------------------------------------------------------------------ paths


def test_the_barrier_of_a_double_well_is_found(example: Any) -> None:
    placed = example.peptides.sites(2, np.random.default_rng(4))
    for site in placed:
        surface = toy(example, site)
        (path,) = example.paths.transfers(surface, site[None], 9)
        wanted = HEIGHT / example.peptides.KCAL_PER_MOL
        assert path.is_whole
        assert path.forward == pytest.approx(wanted, abs=0.2)
        assert path.backward == pytest.approx(wanted, abs=0.2)
        held = path.positions[:, example.peptides.HELD] - site[example.peptides.HELD]
        assert np.abs(held).max() == 0.0
        (again,) = example.paths.transfers(surface, site[None], 9, near=[path])
        assert again.forward == pytest.approx(path.forward, abs=0.02)


def test_a_path_without_a_barrier_has_none(example: Any) -> None:
    positions = example.peptides.sites(1, np.random.default_rng(4)).repeat(5, axis=0)
    flat = example.paths.Transfer(np.zeros(5), np.zeros(5), positions)
    downhill = example.paths.Transfer(np.arange(5.0), -np.arange(5.0), positions)
    assert np.isnan([flat.forward, downhill.backward]).all()
    seen = example.check.HeldOut([flat], [flat], 0)
    assert not any(row.holds for row in example.check.barrier_rows(seen, 1.0)[0])


# ------------------------------------------------------------------------------------- generators


def test_scans_hold_the_ends_and_go_on_after_a_restart(example: Any) -> None:
    scans = example.problem.Scans(4, seed=1)
    first = scans.propose()
    forces = 0.5 * np.ones((4, 25, 3))
    scans.observe(told(first, Verdict.TRUST, forces))
    second = scans.propose().batch["positions"]
    moved = np.abs(second - first.batch["positions"]).max(axis=(0, 2))
    assert moved[example.peptides.HELD].max() == 0.0
    assert moved[example.peptides.FREE].min() > 0.0
    other = example.problem.Scans(4, seed=9)
    other.restore(*scans.state())
    for generator in (scans, other):
        generator.observe(told(generator.propose(), Verdict.REJECT, forces))
    third = scans.propose().batch["positions"]
    np.testing.assert_array_equal(third, other.propose().batch["positions"])
    jumped = np.abs(third - second).max(axis=(0, 2))
    assert jumped[example.peptides.HELD].max() > 0.1  # a rejected scan begins at another site


def test_labels_of_scans_are_neutral_doublets(example: Any) -> None:
    batch = example.problem.Scans(2, seed=1).initial(5)
    assert len(batch) == 5
    assert set(batch["multiplicity"].tolist()) == {2}
    assert set(batch["charge"].tolist()) == {0.0}


def test_walkers_are_held_by_springs(example: Any) -> None:
    """Without forces of the model, atoms that are held stay near their site; others do not."""
    walkers = example.problem.walkers(4, seed=2, friction=0.02)
    first = walkers.propose()
    home = np.array(first.batch["positions"])
    walkers.observe(told(first, Verdict.TRUST, np.zeros_like(home)))
    for _ in range(300):
        proposal = walkers.propose()
        walkers.observe(told(proposal, Verdict.TRUST, np.zeros_like(home)))
    away = np.sqrt(((walkers.propose().batch["positions"] - home) ** 2).sum(axis=2).mean(axis=0))
    assert away[example.peptides.HELD].max() < 0.4
    assert away[example.peptides.FREE].max() > 1.0
    coordinate = example.peptides.transfer_coordinate(walkers.propose().batch["positions"])
    assert np.abs(coordinate - example.peptides.transfer_coordinate(home)).max() < 0.2


# ------------------------------------------------------------------------------------------ check


def test_the_campaign_is_sound(example: Any) -> None:
    settings = example.check.campaign(example.check.QUICK, None).settings
    assert settings.gate.output == "forces"
    assert settings.budget.labels == example.check.QUICK.labels
    assert isinstance(Campaign.load(FOLDER / "campaign.yaml"), Campaign)


def test_laws_that_do_not_hold_are_noticed(example: Any) -> None:
    """A model of springs to points in space: no invariance of any kind, and it takes singlets."""
    placed = example.peptides.sites(1, np.random.default_rng(5))
    weights = np.random.default_rng(0).uniform(0.5, 2.0, (25, 1))

    def predict(batch: Batch) -> Prediction:
        away = weights * (np.asarray(batch["positions"]) - placed[0] - 0.1)
        energy = 0.5 * (away**2 / weights).sum(axis=(1, 2))
        return Prediction(
            Batch.stack(energy=energy, forces=-away), Batch.stack(forces=np.zeros_like(away))
        )

    path = example.paths.Transfer(np.arange(3.0), np.zeros(3), placed.repeat(3, axis=0))
    seen = example.check.HeldOut([path], [path], 0)
    size = example.check.Size(0, 1, 3, False, 20, 1.0)
    model = SimpleNamespace(predict=predict)
    rows = example.check.law_rows(model, seen, size, np.random.default_rng(0))
    assert [row.holds for row in rows] == [False, False, False, False, True, False]


@pytest.mark.chem
def test_fragments_are_minima_and_the_exchange_holds_for_the_oracle(example: Any) -> None:
    pytest.importorskip("tblite")
    from querist.core.atoms import atoms_sample
    from querist.oracles.xtb import xtb

    peptides, oracle = example.peptides, xtb()
    radical = atoms_sample(peptides.FRAGMENT, peptides.RADICAL, charge=0.0, multiplicity=2)
    closed = atoms_sample([*peptides.FRAGMENT, 1], peptides.GLYCINE)
    for sample in (radical, closed):
        assert np.abs(oracle._answer_one(sample).outputs["forces"]).max() < 0.05
    placed = peptides.sites(1, np.random.default_rng(6))
    both = np.concatenate([placed, placed[:, peptides.SWAP]])
    energies, forces = example.paths.OracleSurface(oracle)(both)
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)
    np.testing.assert_allclose(forces[1], forces[0][peptides.SWAP], atol=1e-4)
    assert max(peptides.net_force_and_torque(both, forces)) < 1e-3


def test_two_committees_are_drawn_and_told_also_where_a_path_is_not_whole(
    example: Any, tmp_path: Path
) -> None:
    wanted = np.array([[13.7, 13.1], [6.5, 5.5]])
    placed = example.peptides.sites(2, np.random.default_rng(0))
    found: dict[str, Any] = {"labels": 62, "oracle": wanted.tolist(), "guess": 2.7}
    found["cpu_seconds"] = {"learning": 500.0, "all": 700.0}
    for name, off in (("mace", 1.0), ("kernel", np.nan)):
        got = (wanted + np.array([[0.5, -0.5], [off, off]])).tolist()
        example.compare_mace.barriers = lambda _, got=got: np.array(got)
        example.compare_mace.transfers = lambda *_: []
        tested = SimpleNamespace(error=lambda _: 125.0)
        found[name] = example.compare_mace.judged(None, placed, wanted, tested)
    assert found["mace"]["whole_paths"] == 2
    assert found["mace"]["mean_error"] == pytest.approx(0.75)
    assert found["kernel"]["whole_paths"] == 1
    assert found["kernel"]["largest_error"] == pytest.approx(0.5)
    assert "1 of 2" in example.compare_mace.told(found)
    assert "500 s to learn" in example.compare_mace.told(found)
    example.drawing.draw_committees(found, tmp_path / "mace.png")
    assert (tmp_path / "mace.png").stat().st_size > 10_000

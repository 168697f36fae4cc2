"""The proton transfer example: its parts, and above all that its check can fail.

The whole campaign runs in the examples' stage of CI, not here.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from querist.campaign.campaign import Campaign
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.engines.launched import launched
from querist.testing.checks import sentence

FOLDER = Path(__file__).parents[2] / "examples" / "proton_transfer"
MODULES = ("molecule", "problem", "surfaces", "drawing", "check", "demo", "compare")


@pytest.fixture(scope="module")
def gfn2(example: Any) -> Any:
    pytest.importorskip("tblite")
    from querist.oracles.xtb import xtb

    return example.surfaces.OracleSurface(xtb())


def fitted(example: Any, positions: np.ndarray, surface: Any) -> Any:
    energies, forces = surface(positions)
    model = example.problem.force_field()
    data = Dataset(
        example.surfaces.geometries(positions), Batch.stack(energy=energies, forces=forces)
    )
    model.load(model.fit(data, FitRequest()).state)
    return example.surfaces.CommitteeSurface(model)


def springs(positions: np.ndarray, *references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every atom on a spring of 20 eV/A^2 to where it is in the nearest reference."""
    away = positions[:, None] - np.stack(references)
    squared = (away**2).sum(axis=(2, 3))
    nearest = squared.argmin(axis=1)
    rows = np.arange(len(positions))
    return 10.0 * squared[rows, nearest], -20.0 * away[rows, nearest]


# ------------------------------------------------------------------------------------- campaign


@pytest.mark.parametrize("name", ["campaign.yaml", "campaign-hf.yaml"])
def test_campaigns_are_sound(example: Any, name: str) -> None:
    settings = Campaign.load(FOLDER / name).settings
    assert settings.gate.output == "forces"
    assert next(iter(settings.oracles.values())).workers == 2


def test_twelve_walkers_take_every_start_at_every_temperature(example: Any) -> None:
    walkers = example.problem.walkers(seed=1)
    walkers.propose()
    starts, homes = example.problem.starts()["positions"], walkers.state()[0]["trusted"]
    start_of = [int(np.abs(starts - home).max(axis=(1, 2)).argmin()) for home in homes]
    kelvin = example.problem.TEMPERATURES
    met = {(start_of[i], kelvin[i % len(kelvin)]) for i in range(12)}
    assert len(met) == 12


def test_the_committee_gives_mirror_images_equal_energies(example: Any) -> None:
    molecule = example.molecule
    noise = np.random.default_rng(0).normal(scale=0.05, size=(6, 9, 3))
    surface = fitted(
        example,
        molecule.MINIMUM + noise,
        lambda x: (np.arange(6.0), np.ones_like(x)),
    )
    some = molecule.MINIMUM + 0.1 * noise[:1]
    assert surface(some)[0] == pytest.approx(surface(molecule.mirror(some))[0], abs=1e-9)


# ------------------------------------------------------------------------------------- surfaces


def test_rmsd_ignores_rotation_and_tells_mirror_minima_apart(example: Any) -> None:
    molecule, rmsd = example.molecule, example.surfaces.aligned_rmsd
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    assert rmsd(molecule.MINIMUM @ turn + 3.0, molecule.MINIMUM) == pytest.approx(0.0, abs=1e-6)
    assert rmsd(molecule.MINIMUM, molecule.MIRROR_MINIMUM) > 0.2


def test_the_scan_holds_the_transfer_coordinate(example: Any) -> None:
    molecule = example.molecule
    wanted = np.array([-0.7, -0.3, 0.0])
    path = example.surfaces.relaxed_scan(lambda x: springs(x, molecule.MINIMUM), wanted)
    assert molecule.transfer_coordinate(path) == pytest.approx(wanted, abs=0.1)
    assert np.all(np.diff(molecule.transfer_coordinate(path)) > 0.2)


def test_dynamics_keeps_the_frames_it_was_told_to(example: Any) -> None:
    surfaces, minimum = example.surfaces, example.molecule.MINIMUM
    schedule = surfaces.Schedule(steps=20, skip=5, stride=4)
    path = surfaces.dynamics(
        lambda x: springs(x, minimum), (300.0, 500.0), schedule, np.random.default_rng(0)
    )
    assert path.positions.shape == (4, 4, 9, 3)
    assert path.kinetic.shape == (4, 4)
    assert path.energies == pytest.approx(
        springs(path.positions.reshape(-1, 9, 3), minimum)[0].reshape(4, 4)
    )


# ------------------------------------------------------------------------------- the check fails


def test_a_conservative_surface_conserves_energy(example: Any) -> None:
    minima = example.molecule.MINIMUM, example.molecule.MIRROR_MINIMUM
    rows = example.check.conservation_rows(lambda x: springs(x, *minima), 200.0)
    assert [row.got for row in rows if not row.holds] == []


def test_forces_that_are_no_gradient_fail_the_check(example: Any) -> None:
    minima = example.molecule.MINIMUM, example.molecule.MIRROR_MINIMUM

    def stirred(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = springs(positions, *minima)
        stir = np.zeros_like(forces)
        stir[..., 0], stir[..., 1] = -0.05 * positions[..., 1], 0.05 * positions[..., 0]
        return energies, forces + stir

    rows = example.check.conservation_rows(stirred, 200.0)
    assert [row.holds for row in rows] == [False, False]


def test_barriers_and_minima_that_are_wrong_fail_the_check(example: Any) -> None:
    check, molecule = example.check, example.molecule
    true = check.Stationary(
        molecule.MINIMUM, molecule.MIRROR_MINIMUM, molecule.TRANSITION_STATE, 0.0, 0.163
    )
    same = check.barrier_rows(true, true)
    assert [row.holds for row in same] == [True, True, True]
    both_left = check.Stationary(
        molecule.MINIMUM, molecule.MINIMUM, molecule.TRANSITION_STATE, 0.0, 0.183
    )
    wrong = check.barrier_rows(both_left, true)
    assert [row.holds for row in wrong] == [False, True, False]


@pytest.mark.chem
def test_a_surrogate_of_eight_labels_fails_the_whole_check(example: Any, gfn2: Any) -> None:
    check = example.check
    few = np.asarray(example.problem.walkers(seed=3).initial(8)["positions"])
    surrogate = fitted(example, few, gfn2)
    effort = check.Effort(steps=60, skip=20, stride=10, nve=20.0)
    verdict = check.examine(surrogate, gfn2.oracle, "GFN2-xTB", effort)
    names = [row.quantity for row in verdict.failed]
    assert any(name.startswith("force MAE") for name in names)
    assert f"{len(names)} of 7 checks failed" in sentence(verdict.rows)


@pytest.mark.chem
def test_the_stored_geometries_are_those_of_the_oracle(example: Any, gfn2: Any) -> None:
    check, molecule = example.check, example.molecule
    found = check.stationary_points(gfn2, np.random.default_rng(5))
    assert found.barrier == pytest.approx(3.758, abs=0.01)
    assert example.surfaces.aligned_rmsd(found.left, molecule.MINIMUM) < 0.01
    assert example.surfaces.aligned_rmsd(found.right, molecule.MIRROR_MINIMUM) < 0.01


def test_one_failed_row_gives_exit_code_one(
    example: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = example.check
    rows = (check.below("a", 2.0, 1.0), check.below("force MAE", 50.0, 60.0))
    verdict = check.Verdict(rows, some_profile(example), {})
    monkeypatch.setattr(check, "check", lambda run, effort: verdict)
    assert check.main(["anywhere"]) == 1
    assert "1 of 2 checks failed: force MAE: wanted < 50, got 60." in capsys.readouterr().out
    monkeypatch.setattr(
        check, "check", lambda run, effort: check.Verdict(rows[:1], verdict.profile, {})
    )
    assert check.main(["anywhere"]) == 0


def test_a_folder_that_is_no_run_is_refused_with_a_sentence(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.check.main([str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert example.demo.main(["--resume", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


# -------------------------------------------------------------------------------------- drawing


def some_profile(example: Any) -> Any:
    x = np.linspace(-0.9, 0.9, 13)
    energy = 3.76 * (1 - (x / 0.72) ** 2) ** 2
    return example.drawing.Profile(x, energy, energy + 0.01, 0.02 * np.ones(13), 3.76, 3.77)


def test_the_text_plot_shows_both_surfaces(example: Any) -> None:
    text = example.drawing.text_plot(some_profile(example), "GFN2-xTB")
    assert text.count("o") >= 13
    assert text.count(".") > 64
    assert max(len(line) for line in text.splitlines()) < 80


def test_the_picture_is_written(example: Any, tmp_path: Path) -> None:
    example.drawing.draw(some_profile(example), tmp_path / "profile.png", "GFN2-xTB")
    assert (tmp_path / "profile.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "begin"),
    [
        ([], {}, [sys.executable]),
        (["--engine", "mpi"], {"PMI_RANK": "0", "PMI_SIZE": "8"}, ["mpiexec", "-n", "8"]),
    ],
)
def test_a_stopped_demo_says_how_to_go_on(
    example: Any, monkeypatch, capsys, tmp_path, arguments, environment, begin
) -> None:
    monkeypatch.setattr(example.demo, "launched", lambda: launched(environment))
    monkeypatch.setattr(example.demo, "attend", lambda: None)
    stopped = SimpleNamespace(status="stopped", reason="stopped by SIGINT")
    monkeypatch.setattr(example.demo, "learn", lambda folder, options: stopped)
    monkeypatch.chdir(tmp_path)
    assert example.demo.main(arguments) == example.demo.INTERRUPTED
    command = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert command[: len(begin)] == begin
    assert command[-2:] == ["--resume", "runs/proton_transfer-1"]
    rest = command[command.index(example.demo.__file__) + 1 : -2]
    assert rest == arguments


# -------------------------------------------------------------------------------------- compare


def test_farthest_points_come_in_the_right_order(example: Any) -> None:
    line = np.array([0.0, 1.0, 4.0, 10.0, 10.1])[:, None]
    described = np.stack([line, line], axis=1)
    assert example.compare.farthest_order(described, 0, 3).tolist() == [0, 4, 2]


def test_a_mirror_image_is_no_far_point(example: Any) -> None:
    molecule = example.molecule
    three = np.stack([molecule.MINIMUM, molecule.MIRROR_MINIMUM, molecule.TRANSITION_STATE])
    described = example.compare.descriptors(three)
    assert example.compare.farthest_order(described, 0, 2).tolist() == [0, 2]


def test_labels_needed_are_interpolated(example: Any) -> None:
    curve = example.compare.Curve([10, 20, 30], [200.0, 100.0, 25.0], [])
    assert curve.needed(50.0) == pytest.approx(25.0)
    assert curve.needed(300.0) == 10.0
    assert np.isnan(curve.needed(20.0))


def test_differences_are_paired_and_corrected(example: Any) -> None:
    needed = {
        "committee": [40.0, 60.0, 50.0, 45.0],
        "random": [45.0, 66.0, 54.0, 51.0],
        "strided": [41.0, 59.0, 51.0, 44.0],
    }
    found = example.compare.paired(needed)
    assert found["random"]["mean"] == pytest.approx(5.25)
    assert found["random"]["low"] > 0
    assert found["random"]["p_holm"] == pytest.approx(2 * found["random"]["p"])
    assert found["strided"]["low"] < 0 < found["strided"]["high"]

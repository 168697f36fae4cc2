"""The script of MACE members, where MACE is installed: laws, isolated atoms, going on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "hydrogen_transfer"
SIDE = Path(__file__).parents[2] / "src" / "querist" / "models" / "external" / "side"
ALONE = {"1": -10.0, "8": -100.0}

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_member_keeps_the_laws_and_goes_on(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("mace", reason="pip install 'querist[mace]'")
    monkeypatch.syspath_prepend(str(SIDE))
    monkeypatch.syspath_prepend(str(FOLDER))
    import mace_member

    rng = np.random.default_rng(0)
    water = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    samples = [
        {"numbers": np.array([8, 1, 1]), "positions": water + 0.05 * rng.standard_normal((3, 3))}
        for _ in range(10)
    ]
    labels = [{"energy": np.array(-125.0), "forces": np.zeros((3, 3))} for _ in samples]
    labels[0] = {"energy": np.array(-125.0), "forces": 0.1 * np.ones((3, 3))}
    how = {"atoms": ALONE, "epochs": 2, "channels": 4}
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    request = {"folder": str(tmp_path / "first"), "seed": 1, "previous": None, "options": how}
    assert mace_member.fit(samples, labels, request)["labels"] == 10
    again = {**request, "folder": str(tmp_path / "second"), "previous": request["folder"]}
    mace_member.fit(samples, labels, again)
    predict = mace_member.load(str(tmp_path / "first"))
    one, turned, swapped, alone = (dict(samples[0]) for _ in range(4))
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned["positions"] = one["positions"] @ turn.T + 1.0
    swapped["positions"] = one["positions"][[0, 2, 1]]
    alone["positions"] = 100.0 * np.arange(9.0).reshape(3, 3)
    said = predict([one, turned, swapped, alone])
    forces = said[0]["forces"]
    assert said[1]["energy"] == pytest.approx(said[0]["energy"], abs=1e-8)
    np.testing.assert_allclose(said[1]["forces"], forces @ turn.T, atol=1e-8)
    assert said[2]["energy"] == pytest.approx(said[0]["energy"], abs=1e-8)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-8)
    torque = np.cross(one["positions"], forces).sum(axis=0)
    np.testing.assert_allclose(torque, 0.0, atol=1e-8)
    np.testing.assert_allclose(said[3]["forces"], 0.0, atol=1e-12)
    other = mace_member.load(str(tmp_path / "second"))([one])[0]
    assert other["energy"] != said[0]["energy"]


def test_a_checkpoint_of_another_level_takes_the_oracles_isolated_atoms(
    tmp_path: Path, monkeypatch
) -> None:
    """As a foundation model is: more elements, and energies of quite another zero."""
    pytest.importorskip("mace", reason="pip install 'querist[mace]'")
    monkeypatch.syspath_prepend(str(SIDE))
    monkeypatch.syspath_prepend(str(FOLDER))
    import mace_member
    import torch

    rng = np.random.default_rng(1)
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    foreign = mace_member.new_model({1: -13.6, 6: -1030.0, 8: -2043.0}, {"channels": 4}, 1.0)
    torch.save(foreign, tmp_path / "foundation.model")
    water = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    samples = [
        {"numbers": np.array([8, 1, 1]), "positions": water + 0.05 * rng.standard_normal((3, 3))}
        for _ in range(8)
    ]
    labels = [{"energy": np.array(-125.0), "forces": np.zeros((3, 3))} for _ in samples]
    how = {"atoms": ALONE, "epochs": 1, "rate": 1e-6, "precision": "float64"}
    how["checkpoint"] = str(tmp_path / "foundation.model")
    (tmp_path / "tuned").mkdir()
    request = {"folder": str(tmp_path / "tuned"), "seed": 1, "previous": None, "options": how}
    mace_member.fit(samples, labels, request)
    predict = mace_member.load(str(tmp_path / "tuned"))
    said = np.array([float(one["energy"]) for one in predict(samples)])
    assert said.mean() == pytest.approx(-125.0, abs=0.1)  # not the checkpoint's -2070
    before = np.array([float(one["energy"]) for one in mace_member.predictor(foreign)(samples)])
    assert said - said.mean() == pytest.approx(before - before.mean(), abs=1e-3)  # and its forces

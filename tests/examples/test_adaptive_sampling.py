"""The example of adaptive sampling: its angles, its generators and models, on made-up frames.

Dynamics run in the examples' stage of CI, not here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.testing.contexts import worker_context
from querist.testing.generators import GENERATOR_CHECKS, GeneratorCase

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")

FOLDER = Path(__file__).parents[2] / "examples" / "adaptive_sampling"
MODULES = ("molecules", "dynamics", "restarts", "problem")


def moved(arrays) -> dict:
    """Frames that are where a walker begins, moved a little."""
    positions = np.asarray(arrays["positions"], np.float32)
    return {"frames": np.stack([positions + 0.1, positions + 0.2])}


@pytest.mark.parametrize("angle", [-150.0, -60.0, 0.0, 60.0, 179.0])
def test_a_torsion_has_the_sign_of_iupac(example, angle) -> None:
    """Seen along the middle bond, the far one is turned clockwise by a positive angle."""
    turn = np.radians(angle)
    atoms = [[1, 0, 0], [0, 0, 0], [0, 0, -1.5], [np.cos(turn), -np.sin(turn), -1.5]]
    found = example.molecules.dihedrals(np.array([atoms]), np.array([[0, 1, 2, 3]]))
    assert np.isclose(found, angle)


def test_the_molecule_is_of_l_alanine_and_built_alike_each_time(example) -> None:
    built = example.molecules.molecule("alanine")
    again = example.molecules.molecule.__wrapped__("alanine")
    assert np.array_equal(built.positions, again.positions)
    names = {atom.name: atom.index for atom in built.topology.atoms() if atom.residue.index == 1}
    n, ca, c, cb = (built.positions[names[name]] for name in ("N", "CA", "C", "CB"))
    assert np.cross(n - ca, c - ca) @ (cb - ca) > 0


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["Restarts", "Plain"])
def test_generators_keep_the_contract(example, check, name, tmp_path) -> None:
    case = GeneratorCase(name, getattr(example.restarts, name), moved)
    check(case, worker_context(tmp_path, seed=1))


def test_cells_that_were_seen_less_are_wanted_more(example) -> None:
    built = example.molecules.molecule("alanine")
    turned = built.positions * np.array([1.0, 1.0, -1.0])  # all torsions change their sign
    frames = np.stack([[built.positions] * 3, [built.positions, built.positions, turned]])
    inputs = Batch.stack(positions=frames[:, 0], seed=np.arange(2))
    model = example.problem.TorsionCells()
    model.load(model.fit(Dataset(inputs, Batch.stack(frames=frames)), FitRequest()).state)
    asked = Batch.stack(positions=np.stack([built.positions, turned]), seed=np.arange(2))
    said = model.predict(asked)
    np.testing.assert_allclose(said.uncertainty("least_visited"), [1 / 6, 1 / 2])

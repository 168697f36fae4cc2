"""The gradient-domain model behind the contract: which electronic states it takes."""

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import UnsupportedSample
from querist.core.roles import FitRequest, ModelState
from querist.models.gradient_domain.model import GradientDomain


def samples(positions, **electrons):
    columns = {name: np.full(len(positions), value) for name, value in electrons.items()}
    return Batch.stack(
        numbers=np.tile([1, 1, 8], (len(positions), 1)), positions=positions, **columns
    )


def springs(positions):
    """Three atoms, each pair on a spring of length 1."""
    forces, energy = np.zeros_like(positions), np.zeros(len(positions))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        bond = positions[:, i] - positions[:, j]
        length = np.linalg.norm(bond, axis=1, keepdims=True)
        energy += 0.5 * (length[:, 0] - 1.0) ** 2
        forces[:, i] -= (length - 1.0) * bond / length
        forces[:, j] += (length - 1.0) * bond / length
    return Batch.stack(energy=energy, forces=forces)


@pytest.fixture(scope="module")
def positions():
    ideal = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.9, 0.0]])
    return ideal + 0.1 * np.random.default_rng(0).standard_normal((12, 3, 3))


def test_one_charged_open_shell_is_learned_and_others_are_refused(positions):
    model = GradientDomain(members=2, length_scale=1.5)
    cation = samples(positions, charge=1.0, multiplicity=2)
    state = model.fit(Dataset(cation, springs(positions)), FitRequest()).state
    model.load(state)
    assert np.isfinite(model.predict(cation).mean["energy"]).all()
    assert (state.data["charge"], state.data["multiplicity"]) == (1.0, 2)
    for electrons in ({}, {"charge": 1.0}, {"multiplicity": 2}):
        with pytest.raises(UnsupportedSample, match="charge 1 and multiplicity 2"):
            model.predict(samples(positions, **electrons))


def test_electronic_states_are_not_mixed(positions):
    both = Batch.concatenate(
        [samples(positions[:6], multiplicity=1), samples(positions[6:], multiplicity=3)]
    )
    with pytest.raises(UnsupportedSample, match="multiplicity 1 and charge 0 and multiplicity 3"):
        GradientDomain(members=2).fit(Dataset(both, springs(positions)), FitRequest())


def test_states_that_tell_no_charge_are_neutral_singlets(positions):
    model = GradientDomain(members=2, length_scale=1.5)
    plain = samples(positions)
    state = model.fit(Dataset(plain, springs(positions)), FitRequest()).state
    known = {k: v for k, v in state.data.items() if k not in ("charge", "multiplicity")}
    model.load(ModelState(state.arrays, known))
    model.predict(samples(positions, charge=0.0, multiplicity=1))
    with pytest.raises(UnsupportedSample, match="charge 0 and multiplicity 3"):
        model.predict(samples(positions, multiplicity=3))

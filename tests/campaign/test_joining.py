"""What several generators propose is one batch, also where only some atoms have a cell."""

from __future__ import annotations

import numpy as np
import pytest

from querist.campaign.handlers.joining import gathered, joined
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import ShapeError

CLUSTER = atoms_sample([29, 29], [[0, 0, 0], [0, 0, 2]])
CRYSTAL = atoms_sample([29], [[0, 0, 0]], 3 * np.eye(3))
ION = atoms_sample([11], [[0, 0, 0]], charge=1)


def test_optional_fields_of_atoms_are_filled() -> None:
    batch = joined(Batch.from_samples([one]) for one in (CLUSTER, CRYSTAL, ION))
    assert batch["pbc"].any(axis=1).tolist() == [False, True, False]
    assert batch["charge"].tolist() == [0, 0, 1]


def test_samples_keep_their_ids() -> None:
    samples = [CLUSTER, CRYSTAL, ION]
    assert list(gathered(samples).ids) == [one.id for one in samples]
    assert gathered([CLUSTER, CLUSTER]).columns.keys() == CLUSTER.arrays.keys()


def test_other_fields_are_not_made_up() -> None:
    with pytest.raises(ShapeError, match="different fields"):
        joined([Batch.stack(x=np.zeros(1)), Batch.stack(z=np.zeros(1))])

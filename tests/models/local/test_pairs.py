"""Neighbours against ASE's list, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import UnsupportedSample
from querist.models.local.pairs import Structures

CELL = np.array([[3.0, 0.2, 0.0], [0.4, 2.5, 0.0], [0.1, 0.3, 4.0]])


@pytest.mark.parametrize("pbc", [[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]], ids=str)
def test_pairs_are_those_of_ase(pbc) -> None:
    neighbour_list = pytest.importorskip("ase.neighborlist").neighbor_list
    atoms = pytest.importorskip("ase").Atoms
    positions = np.random.default_rng(0).uniform(-2, 5, (7, 3))  # outside the cell too
    known = neighbour_list("ijD", atoms("Cu7", positions=positions, cell=CELL, pbc=pbc), cutoff=3.1)
    sample = atoms_sample([29] * 7, positions, CELL, np.array(pbc, bool))
    pairs = Structures.of(Batch.from_samples([sample]), 3.1).pairs
    found = np.column_stack([pairs.centre, pairs.neighbour, pairs.vector]).round(8)
    wanted = np.column_stack(known).round(8)
    assert len(found) == len(wanted) > 0
    np.testing.assert_allclose(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)], atol=1e-6)
    assert (np.diff(pairs.centre) >= 0).all()


def test_a_batch_is_its_samples_one_by_one() -> None:
    rng = np.random.default_rng(1)
    samples = [atoms_sample([18] * n, rng.normal(size=(n, 3))) for n in (5, 3, 5)]
    whole = Structures.of(Batch.from_samples(samples), 2.0)
    alone = [Structures.of(Batch.from_samples([one]), 2.0).pairs for one in samples]
    assert len(whole) == 3
    assert whole.offsets.tolist() == [0, 5, 8, 13]
    np.testing.assert_allclose(
        whole.pairs.distance, np.concatenate([pairs.distance for pairs in alone])
    )
    shifted = [p.neighbour + s for p, s in zip(alone, (0, 5, 8), strict=True)]
    assert whole.pairs.neighbour.tolist() == np.concatenate(shifted).tolist()


def test_what_is_no_atoms_is_refused() -> None:
    with pytest.raises(UnsupportedSample, match="'numbers'"):
        Structures.of(Batch.stack(x=np.zeros((2, 3))), 1.0)
    flat = atoms_sample([18], [[0, 0, 0]], np.diag([1.0, 1.0, 0.0]), [True] * 3)
    with pytest.raises(UnsupportedSample, match="without a volume"):
        Structures.of(Batch.from_samples([flat]), 1.0)

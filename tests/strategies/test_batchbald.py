"""BatchBALD beyond what can be enumerated."""

from __future__ import annotations

import numpy as np
import pytest

from querist.strategies.committee.batchbald import batchbald
from querist.testing.strategy_data import Size, data_for
from querist.testing.strategy_references import reference

DATA = data_for(batchbald, 0, Size(items=60, members=8))


def test_drawn_configurations_come_near_to_all_of_them() -> None:
    _, exact = reference("batchbald").function(5, **DATA)
    drawn = batchbald(5, rng=0, samples=4000, **DATA)
    np.testing.assert_allclose(drawn.scores, exact, atol=0.02)
    np.testing.assert_array_equal(drawn.indices[:3], batchbald(3, **DATA).indices)


def test_seeds_matter_only_when_configurations_are_drawn() -> None:
    few = [batchbald(12, rng=seed, samples=50, **DATA).scores for seed in (0, 0, 1)]
    np.testing.assert_array_equal(few[0], few[1])
    assert not np.array_equal(few[0], few[2])
    exact = [batchbald(4, rng=seed, **DATA).scores for seed in (0, 1)]
    np.testing.assert_array_equal(exact[0], exact[1])


def test_gains_fall_and_do_not_exceed_what_there_is_to_know() -> None:
    scores = batchbald(30, samples=2000, **DATA).scores
    assert (np.diff(scores) < 0.01).all()
    assert 0.9 * np.log(8) < scores.sum() <= np.log(8) + 0.02


def test_a_batch_beats_the_best_items_by_themselves() -> None:
    """Twins: bald takes both, batchbald one of each."""
    one = np.array([[0.99, 0.01], [0.01, 0.99], [0.99, 0.01], [0.01, 0.99]])
    other = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    members = np.stack([one, one, other, other])
    assert sorted(batchbald(2, member_probabilities=members).indices.tolist()) == [0, 2]


def test_few_items_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules["querist.strategies.committee.batchbald"]
    looked = []
    gains = module._Batch.gains

    def counted(self, members, kind):
        looked.append(len(members))
        return gains(self, members, kind)

    monkeypatch.setattr(module._Batch, "gains", counted)
    data = data_for(batchbald, 1, Size(items=3000, members=20))
    batchbald(4, **data)
    assert sum(looked) < 0.5 * 4 * 3000

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.models.agreement import agreement
from querist.models.inference import open_inference

ROWS = np.random.default_rng(0).random((40, 3))


def shares(batch: np.ndarray) -> np.ndarray:
    return batch / batch.sum(axis=1, keepdims=True)


def coarse(batch: np.ndarray) -> np.ndarray:
    # Column 2 counts for nothing, so that other rows are least sure.
    return shares(batch * [1.0, 1.0, 1e-9])


def least_sure(outputs) -> np.ndarray:
    return np.argsort(outputs["probabilities"].max(axis=1))[:10]


def model(function):
    return open_inference({"use": "python", "function": function})


def test_a_model_agrees_with_itself() -> None:
    batches = [ROWS[:15], ROWS[15:]]
    found = agreement(model(shares), model(shares), batches, least_sure)
    assert (found.share, found.picks, found.rows) == (1.0, 10, 40)
    assert found.differences == {"probabilities": 0.0}


def test_the_share_is_that_of_the_picks_in_common() -> None:
    found = agreement(model(shares), model(coarse), [ROWS], least_sure)
    wanted = set(least_sure({"probabilities": shares(ROWS)}))
    got = set(least_sure({"probabilities": coarse(ROWS)}))
    assert found.share == len(wanted & got) / 10 < 1.0
    gap = np.abs(shares(ROWS) - coarse(ROWS)).max()
    assert found.differences["probabilities"] == pytest.approx(gap)


def test_what_cannot_be_compared_is_explained() -> None:
    with pytest.raises(ShapeError, match="at least one batch"):
        agreement(model(shares), model(shares), [], least_sure)
    with pytest.raises(ShapeError, match=r"\(40, 3\) and \(40, 2\)"):
        agreement(model(shares), model(lambda x: x[:, :2]), [ROWS], least_sure)
    wanted = frozenset({"embeddings"})
    with pytest.raises(ConfigError, match="was asked for embeddings"):
        agreement(model(shares), model(shares), [ROWS], least_sure, wanted)

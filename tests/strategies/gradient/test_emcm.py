"""EMCM with several outputs."""

from __future__ import annotations

import numpy as np

from querist.strategies import registry

RNG = np.random.default_rng(2)


def test_several_outputs_are_outer_products() -> None:
    mean, members = RNG.normal(size=(9, 2)), RNG.normal(size=(9, 4, 2))
    rows = RNG.normal(size=(9, 3))
    expected = [
        np.mean([np.linalg.norm(np.outer(mean[i] - one, rows[i])) for one in members[i]])
        for i in range(9)
    ]
    found = registry.get("emcm").scores(
        predictions=mean, member_predictions=members, embeddings=rows
    )
    np.testing.assert_allclose(found, expected)

"""The bias of the layer counts as an input that is one."""

from __future__ import annotations

import numpy as np

from querist.strategies import registry

RNG = np.random.default_rng(1)


def test_a_bias_is_an_input_of_one() -> None:
    egl = registry.get("egl")
    odds, rows = RNG.dirichlet(np.ones(3), size=20), RNG.normal(size=(20, 4))
    longer = np.concatenate([rows, np.ones((20, 1))], axis=1)
    np.testing.assert_allclose(
        egl.scores(probabilities=odds, embeddings=rows, bias=True),
        egl.scores(probabilities=odds, embeddings=longer),
    )
    assert (egl.scores(probabilities=np.eye(3), embeddings=rows[:3]) == 0.0).all()

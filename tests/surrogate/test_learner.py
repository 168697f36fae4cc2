"""When it is fitted anew."""

from __future__ import annotations

import numpy as np

from querist import Surrogate


def test_a_fit_takes_the_newest_rows_and_is_due_only_when_labels_have_grown() -> None:
    surrogate = Surrogate(lambda x: float(np.sin(9 * x)), tolerance=1e-9, most_rows=30, growth=1.5)
    rng = np.random.default_rng(0)
    for _ in range(10):
        surrogate.many(x=rng.uniform(size=30))
    state = surrogate._keeper.state
    assert state.rows > 100
    assert max(one.rows for one in state.published.values()) == 30
    assert len(state.published) <= 6  # from 20 on by half: 30, 45, 67, 101, 152


def test_labels_that_cannot_be_learned_from_do_not_make_it_try_for_ever() -> None:
    surrogate = Surrogate(lambda x, k=None: x, tolerance=0.1, holdout=0.1)
    for number in range(60):
        surrogate(float(number), **({"k": 1.0} if number % 2 else {}))
    assert len(surrogate._keeper.state.published) <= 3

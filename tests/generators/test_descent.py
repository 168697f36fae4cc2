"""Minimisations side by side."""

from __future__ import annotations

import numpy as np

from querist.generators.descent import Descent

ROWS = np.arange(3)
STIFF = np.array([1.0, 30.0, 200.0])[:, None, None] * np.array([1.0, 3.0, 0.5])


def bowl(places, rows):
    away = places - 1.0
    pull = STIFF[rows]
    return 0.5 * (pull * away**2).sum(axis=(1, 2)), -pull * away


def run(descent: Descent, steps: int = 200) -> list[int]:
    arrived = [0, 0, 0]
    for step in range(1, steps):
        rows = np.array([w for w in range(3) if not arrived[w]], np.int64)
        if not len(rows):
            break
        done = descent.tell(rows, *bowl(descent.trial[rows], rows))
        for walker in rows[done].tolist():
            arrived[walker] = step
    return arrived


def descent() -> Descent:
    made = Descent(3, 2, tolerance=1e-6, max_step=0.3, stiffness=50.0)
    made.start(ROWS, np.random.default_rng(0).normal(size=(3, 2, 3)))
    return made


def test_walkers_arrive_each_in_its_own_time() -> None:
    made = descent()
    arrived = run(made)
    assert all(0 < steps < 100 for steps in arrived)
    np.testing.assert_allclose(made.place, 1.0, atol=1e-5)
    np.testing.assert_allclose(made.energy, 0.0, atol=1e-9)


def test_steps_have_a_largest_length_and_energies_do_not_rise() -> None:
    made = descent()
    energies = []
    for _ in range(30):
        before = made.place.copy()
        made.tell(ROWS, *bowl(made.trial, ROWS))
        energies.append(made.energy.copy())
        moved = np.linalg.norm(made.place - before, axis=2).max()
        assert moved <= 0.3 + 1e-9 or len(energies) == 1
    assert (np.diff(energies, axis=0) <= 1e-9).all()


def test_a_trial_that_makes_no_sense_is_not_taken() -> None:
    made = descent()
    made.tell(ROWS, *bowl(made.trial, ROWS))
    place, trial = made.place[0].copy(), made.trial[0].copy()
    made.tell(np.array([0]), np.array([np.inf]), np.zeros((1, 2, 3)))
    np.testing.assert_array_equal(made.place[0], place)
    np.testing.assert_allclose(made.trial[0], place + 0.25 * (trial - place))


def test_it_continues_where_its_state_was_taken() -> None:
    one, other = descent(), Descent(3, 2, 1e-6, 0.3, 50.0)
    for _ in range(5):
        one.tell(ROWS, *bowl(one.trial, ROWS))
    other.restore(one.state())
    for made in (one, other):
        made.tell(ROWS, *bowl(made.trial, ROWS))
    np.testing.assert_array_equal(one.trial, other.trial)

"""The example of control by a gated surrogate: the reactor, the plan, what is told apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "experiment_control"
MODULES = ("reactor", "predictive", "plant", "gated", "drawing", "check")


def test_the_coolant_at_rest_keeps_the_reactor_as_the_book_says(example) -> None:
    reactor = example.reactor
    # Seborg, Edgar & Mellichamp: 0.5 mol/l and 350 K with a coolant of 300 K.
    assert reactor.resting(np.array([350.0]), reactor.Ageing()) == pytest.approx(300.0, abs=0.05)
    c, t = reactor.advanced(*np.array([[0.5], [350.0], [300.0]]), reactor.Ageing())
    assert (c[0], t[0]) == (pytest.approx(0.5, abs=1e-3), pytest.approx(350.0, abs=0.05))


def test_the_middle_temperature_is_unstable_and_the_plan_holds_it(example) -> None:
    reactor, plan = example.reactor, example.predictive.plan
    aim, now = np.array([350.0]), reactor.Ageing()
    free = kept = np.array([0.5]), np.array([351.0])
    away = 0.0
    for _ in range(25):
        free = reactor.advanced(*free, reactor.resting(aim, now), now)
        kept = reactor.advanced(*kept, plan(*kept, aim, now), now)
        away = max(away, abs(free[1][0] - 350.0))
    assert away > 3.0
    assert kept[1][0] == pytest.approx(350.0, abs=0.05)


def test_a_plan_is_the_same_alone_and_among_others_and_keeps_the_limits(example) -> None:
    reactor, plan = example.reactor, example.predictive.plan
    rng = np.random.default_rng(0)
    c, t, aim = rng.uniform(0.4, 0.7, 6), rng.uniform(335, 356, 6), rng.uniform(345, 351, 6)
    together = plan(c, t, aim, reactor.Ageing())
    alone = [
        plan(c[i : i + 1], t[i : i + 1], aim[i : i + 1], reactor.Ageing())[0] for i in range(6)
    ]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert (together >= reactor.COOLEST).all()
    assert (together <= reactor.WARMEST).all()


def test_the_twin_finds_walls_and_activity_of_another_plant(example) -> None:
    reactor, twin = example.reactor, example.plant.Twin.fresh(1)
    true = reactor.Ageing(0.85 * reactor.CLEAN, 0.9)
    state = np.array([0.5]), np.array([348.0])
    for turn in range(400):
        aim = np.array([346.0 + 3.0 * (turn % 40 > 20)])
        u = reactor.resting(aim, true) + 4.0 * (aim - state[1])
        after = reactor.advanced(*state, u, true)
        twin.learn(state, u, after)
        state = after
    assert twin.wall[0] == pytest.approx(true.wall, rel=0.01)
    assert twin.activity[0] == pytest.approx(true.activity, rel=0.01)


def test_the_pid_goes_on_from_where_another_control_was(example) -> None:
    pid = example.predictive.Pid(2.0, 4.0, 0.1)
    t, aim = np.array([347.0]), np.array([348.0])
    pid(t, aim)
    pid.follow(np.array([311.0]), t, aim)
    assert pid(t, aim)[0] == pytest.approx(311.0)


def test_a_short_life_of_a_surrogate_is_told_and_drawn(example, tmp_path) -> None:
    check, gated = example.check, example.gated
    gated.BEFORE = 60
    course = example.plant.Course.of([0], 60)
    story = gated.Gated(course, told=True).run()
    log = check.by_pid(course)
    facts = check.told([story, story], np.hstack([course.aim] * 2))
    assert facts["untrusted"] == [story.status["untrusted"]] * 2  # too few calls yet, in words
    assert facts["simulated"] == pytest.approx(1 - story.modelled.mean())
    assert np.abs(story.errors[~story.modelled]).max() < 1e-6  # these are the simulation's own
    assert story.status["answered_by_simulation"] == (~story.modelled).sum()
    example.drawing.draw(course, {"PID": log}, {"surrogate": story}, tmp_path / "control.png")
    assert (tmp_path / "control.png").stat().st_size > 10_000


@pytest.mark.slow
def test_by_the_clock_a_late_answer_is_done_without() -> None:
    command = [FOLDER / "realtime.py", "--turns", "60", "--turn", "0.01", "--deadline", "1e-4"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "60 turns, deadline 0.1 ms" in done.stdout
    assert "late, so PID" in done.stdout  # starting a thread takes longer

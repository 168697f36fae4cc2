"""Real answers in virtual time: makespans worked out by hand, and what is refused."""

from __future__ import annotations

import threading
import time

import pytest

from querist.campaign import driver
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.tuning.study import Study, study_of

HOURS = (4.0, 1.0, 1.5, 0.75, 3.0, 1.0)


def simulate(k):
    if k == len(HOURS):
        raise ValueError("too far")
    return {"loss": (k - 2.4) ** 2, "hours": HOURS[k]}


def study(
    *, workers: int = 2, runs: int = 6, seed: int = 0, engine=None, function=simulate, **more
) -> Study:
    options = {"duration": "hours"} if engine is None else engine
    return Study(
        space={"k": {"integer": [0, 11]}},
        minimise="loss",
        simulation={"use": "function", "options": {"function": function}, "workers": workers},
        search="random",
        begin=[{"k": k} for k in range(runs)],
        budget=more.pop("budget", {"runs": runs}),
        seed=seed,
        engine={"kind": "simulated", "options": options},
        **more,
    )


def ends(result) -> list[tuple[int, float]]:
    return [(trial.settings["k"], round(trial.ended, 6)) for trial in result.trials]


def test_runs_begin_as_workers_become_free_or_in_rounds(tmp_path) -> None:
    free = study(cost="hours").run(tmp_path / "free", progress=False)
    # One worker takes 4.0 and then 1.0; the other one 1.0, 1.5, 0.75 and 3.0.
    assert ends(free) == [(1, 1.0), (2, 2.5), (3, 3.25), (0, 4.0), (5, 5.0), (4, 6.25)]
    assert free.cost == pytest.approx(sum(HOURS))
    rounds = study(cost="hours", batch=2).run(tmp_path / "rounds", progress=False)
    assert ends(rounds) == [(1, 1.0), (0, 4.0), (3, 4.75), (2, 5.5), (5, 6.5), (4, 8.5)]
    assert free.best.settings == rounds.best.settings
    assert study_of(tmp_path / "rounds").trials == rounds.trials


@pytest.mark.parametrize("losses", [{}, {"losses": {"mean_seconds": 1e4, "respawn": 0.5}}])
def test_virtual_time_stands_still_while_a_run_is_paused(tmp_path, monkeypatch, losses) -> None:
    monkeypatch.setattr(driver, "INBOX_SECONDS", 0.0)
    helpers: list[threading.Thread] = []

    def steered(k):
        if k == 2:
            RunFolder(tmp_path / "run").inbox.post("pause", {})
            helpers.append(threading.Thread(target=goes_on, args=(tmp_path / "run",)))
            helpers[-1].start()
        return simulate(k)

    options = {"duration": "hours", **losses}
    told = study(engine=options, function=steered, ahead=0, budget={"runs": 6, "seconds": 1e6})
    paused = told.run(tmp_path / "run", progress=False)
    helpers[0].join()
    known = ends(study(engine=options).run(tmp_path / "free", progress=False))
    # What ran goes on to its end at 4.0; what was to begin meanwhile begins then.
    assert ends(paused)[:2] == known[:2]
    assert {k for k, _ in ends(paused)} == set(range(6))
    assert ends(paused)[-1][1] < 20.0


def goes_on(folder) -> None:
    """Continues a run once it is paused."""
    while not any(r.kind == "user.command" for r in RunFolder(folder).journal_reader().read_new()):
        time.sleep(0.02)
    time.sleep(0.3)
    RunFolder(folder).inbox.post("resume", {})


def test_durations_are_drawn_by_seed_or_from_a_run(tmp_path) -> None:
    drawn = {"duration": {"lognormal": {"median": 600, "sigma": 1}}}
    first, again, other = (
        study(engine=drawn, seed=seed).run(tmp_path / name, progress=False)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert ends(first) == ends(again) != ends(other)
    assert first.trials[0].cost == pytest.approx(first.trials[0].outputs["seconds"])
    assert max(trial.cost for trial in first.trials) > 100
    measured = {"duration": {"run": str(tmp_path / "first")}}
    like = study(engine=measured, seed=3).run(tmp_path / "like", progress=False)
    known = [trial.cost for trial in first.trials]
    assert all(any(abs(t.cost - seconds) < 1e-3 for seconds in known) for t in like.trials)


def test_failures_and_lost_workers_are_part_of_it(tmp_path) -> None:
    rough = {"duration": "hours", "losses": {"mean_seconds": 10.0, "respawn": 0.5}}
    result = study(runs=7, engine=rough, retry={"attempts": 20}).run(tmp_path / "r", progress=False)
    assert sorted(trial.settings["k"] for trial in result.trials) == list(range(7))
    assert [trial.settings["k"] for trial in result.trials if trial.failure] == [6]
    assert result.trials[-1].ended > 6.25
    failing = study(engine={"duration": 60, "failure_rate": 1.0}, retry={"attempts": 1})
    told = failing.run(tmp_path / "failing", progress=False)
    assert all(trial.failure for trial in told.trials)


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"duraton": 3}, "'duraton' is none of duration"),
        ({"duration": {"weibull": {"k": 1}}}, "lognormal"),
        ({"duration": {"uniform": {"low": 3}}}, "high"),
        ({"duration": -1}, "none negative"),
        ({"losses": {"often": 1}}, "mean_seconds"),
    ],
)
def test_what_cannot_be_simulated_is_said(tmp_path, engine, words) -> None:
    with pytest.raises(ConfigError, match=words):
        study(engine=engine).run(tmp_path / "run", progress=False)


def test_an_output_that_is_no_time_is_a_failed_run(tmp_path) -> None:
    result = study(runs=1, engine={"duration": "days"}).run(tmp_path / "run", progress=False)
    assert "no seconds as 'days'" in result.trials[0].failure


def test_a_round_has_no_runs_ahead() -> None:
    with pytest.raises(ConfigError, match="none waits ahead"):
        study(batch=2, ahead=1)

"""Studies from end to end: run, resume after a kill, warm start, report, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from gest_problems import Halton
from tuning_problems import GOAL, SPACE, Evolution, plain_values, simulate

from querist.cli import main
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.testing.jobs import mpiexec
from querist.tuning.search import make_search
from querist.tuning.searches.gest import vocs_of
from querist.tuning.showing import report_of_run, save_plot
from querist.tuning.study import Study, study_of

HERE = str(Path(__file__).resolve().parent)
BASE = {
    "space": SPACE,
    **GOAL,
    "simulation": "tuning_problems:simulate",
    "search": {"use": "gp", "options": {"candidates": 64}},
    "budget": {"runs": 14},
    "engine": "inline",
}


def study(**more) -> Study:
    return Study(**{**BASE, **more})


def cli(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_study_finds_good_settings_and_says_so(tmp_path) -> None:
    told = study(begin=[{"x": 0.9, "rate": 0.5, "order": 8, "method": "c"}], cost="hours")
    result = told.run(tmp_path / "run", progress=False)
    assert (result.status, result.reason) == ("finished", "all 14 runs are made")
    assert len(result.trials) == 14
    assert "order 8 explodes" in result.trials[0].failure
    assert result.trials[0].outputs == {}
    good = result.trials[1]
    assert good.cost == pytest.approx(good.outputs["hours"])
    assert good.outputs["seconds"] >= 0
    assert result.best is result.problem.best(result.trials)
    curve = [value for _, value in result.curve() if value is not None]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == result.best.outputs["loss"]
    assert "14 runs" in result.sentence()
    # The same from the folder alone, for the command line.
    assert study_of(tmp_path / "run").trials == result.trials
    text = report_of_run(tmp_path / "run").read_text()
    assert "Best so far" in text
    assert text.index("Best so far") < text.index('id="learning"')
    assert result.sentence().split(";")[1].split(":")[0] in text
    assert result.plot(tmp_path / "best.png").stat().st_size > 5000
    assert str(result) == result.sentence()
    assert repr(result).startswith(f"<StudyResult in {result.folder}: finished, ")
    assert "&lt;svg" in result._repr_html_()
    told = result.report(tmp_path / "report.html").read_text("utf-8")
    assert "<svg" in told
    assert "mathdefault" not in told  # ticks are numbers, whatever the axis


def test_cost_is_booked_in_its_own_unit(tmp_path) -> None:
    told = study(cost="hours", budget={"cost": 6.0})
    result = told.run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    assert 4.0 < result.cost < 8.0


def test_a_grid_ends_by_itself_and_numbers_may_be_bare(tmp_path) -> None:
    told = Study(
        space={"k": {"integer": [1, 4]}},
        maximise="y",
        simulation=lambda k: 3.0 * k,
        search="grid",
        engine="inline",
    )
    result = told.run(tmp_path / "run", progress=False)
    assert [trial.outputs["y"] for trial in result.trials] == [3.0, 6.0, 9.0, 12.0]
    assert result.best.settings == {"k": 4}


@pytest.mark.parametrize("kind", ["search", "gest", "ask_tell", "in options"])
def test_a_search_may_be_a_live_object_and_the_folder_is_read_as_any_other(tmp_path, kind) -> None:
    problem = study().settings.problem()
    live: Any = {
        "search": lambda: make_search("random", problem),
        "gest": lambda: Halton(vocs_of(problem)),
        "ask_tell": lambda: Evolution(len(SPACE)),
        "in options": lambda: {"use": "gest", "options": {"generator": Halton(vocs_of(problem))}},
    }[kind]()
    result = study(search=live, budget={"runs": 4}).run(tmp_path / "run", progress=False)
    assert len(result.trials) == 4
    assert study_of(tmp_path / "run").trials == result.trials
    assert cli("status", tmp_path / "run").output.strip().endswith(result.sentence())
    assert "Best so far" in report_of_run(tmp_path / "run").read_text()
    refused = cli("resume", tmp_path / "run")  # only the same script has the object
    assert refused.exit_code == 1
    assert "live Python objects" in refused.output


@pytest.mark.parametrize("function", [plain_values, "tuning_problems:plain_values"])
def test_a_function_with_declared_outputs_gets_plain_values_too(tmp_path, function) -> None:
    """It got arrays, whose text cannot be looked up; and as an object it was refused."""
    options = {"function": function, "outputs": "y", "validator": "tuning_problems:not_seven"}
    made = Study(
        space={"x": {"real": [0.0, 1.0]}, "kind": {"choice": ["a", "b", "c"]}},
        minimise="y",
        simulation={"use": "function", "options": options},
        search="sobol",
        budget={"runs": 6},
        engine="inline",
    ).run(tmp_path / "run", progress=False)
    failed = [trial for trial in made.trials if trial.failure]
    assert all(trial.settings["kind"] == "c" and "seven" in trial.failure for trial in failed)
    assert 0 < len(failed) < 6
    assert set(made.best.outputs) == {"y", "seconds"}


def test_what_is_known_is_not_tried_again(tmp_path) -> None:
    first = study(budget={"runs": 6}).run(tmp_path / "first", progress=False)
    rows = [
        {
            "x": 0.31,
            "rate": 0.011,
            "order": 5,
            "method": "b",
            "mix": 0.7,
            "loss": 9e-4,
            "error": 0.36,
        },
        {"x": 7.0, "rate": 0.011, "order": 5, "method": "a", "loss": 1, "error": 1},
        {"x": 0.3, "rate": 0.01, "order": 8, "method": "a", "failure": "it exploded"},
    ]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)))
    told = study(start=[tmp_path / "first", lines], budget={"runs": 4})
    known, left_out = told.known_with_count()
    assert (len(known), left_out) == (8, 1)
    result = told.run(tmp_path / "second", progress=False)
    assert len(result.trials) == 4
    assert result.known == tuple(known)
    keys = [result.problem.space.key(t.settings) for t in [*first.trials, *result.trials]]
    assert len(set(keys)) == 10
    assert result.best.outputs["loss"] <= 9e-4
    assert study_of(tmp_path / "second").known == result.known
    # and a third one knows all of it
    third = study(start=[tmp_path / "second"]).known()
    assert len(third) == 12


def test_a_run_of_other_units_is_no_start(tmp_path: Path) -> None:
    first, table = tmp_path / "first", tmp_path / "rows.csv"
    study(budget={"runs": 2}, units={"x": "nm", "loss": "eV"}).run(first, progress=False)
    for units in ({}, {"x": "nm"}, {"loss": "eV", "error": "s"}):
        assert len(study(start=first, units=units).known()) == 2
    with pytest.raises(ConfigError, match="has other units than this study") as refused:
        study(start=[first], units={"x": "Å", "loss": "eV"}).run(tmp_path / "second")
    assert refused.value.problems == ("x: nm there, Å here",)
    table.write_text("x,rate,order,method,mix,loss,error\n0.1,0.01,3,a,,1.5,0.25\n")
    assert len(study(start=table, units={"x": "Å"}).known()) == 1  # it says none


def test_tables_are_read_as_well(tmp_path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("x,rate,order,method,mix,loss,error,cost\n0.1,0.01,3,a,,1.5,0.25,60\n")
    [trial] = study(start=table).known()
    assert trial.settings == {"x": 0.1, "rate": 0.01, "order": 3, "method": "a"}
    assert (trial.outputs["loss"], trial.cost, trial.origin) == (1.5, 60.0, "rows.csv")
    table.write_text("x,rate\n0.1,0.01\n")
    with pytest.raises(ConfigError, match="none of its 1 rows"):
        study(start=table).known()
    with pytest.raises(ConfigError, match="cannot be read"):
        study(start=tmp_path / "missing.csv").known()


def test_a_command_is_a_simulation_too(tmp_path) -> None:
    script = (
        "import json,sys; k=int(sys.argv[1]); json.dump({'y': (k-3)**2}, open('output.json','w'))"
    )
    told = Study(
        space={"k": {"choice": [1, 3, 5]}},
        minimise="y",
        simulation={"use": "command", "options": {"command": [sys.executable, "-c", script, "$k"]}},
        search="grid",
        engine="inline",
    )
    result = told.run(tmp_path / "run", progress=False)
    assert result.best.settings == {"k": 3}
    assert all(trial.outputs["seconds"] > 0 for trial in result.trials)


# ----------------------------------------------------------------------------- command line


def test_the_command_line(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**BASE, "name": "mine", "budget": {"runs": 5}}))
    assert "is sound" in cli("check", path).output
    ran = cli("tune", path, "--progress", "none")
    assert ran.exit_code == 0, ran.output
    assert "5 runs" in ran.output
    run = tmp_path / "runs" / "mine"
    assert "5 runs" in cli("status", run).output
    assert cli("report", run).output.strip().endswith("report.html")
    again = cli("run", path, "--folder", tmp_path / "again", "--progress", "none")
    assert "5 runs" in again.output
    resumed = cli("resume", run, "--progress", "none")  # nothing is left to do
    assert resumed.exit_code == 0, resumed.output
    assert len(study_of(run).trials) == 5


def test_the_template_can_be_used(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "problem.py").write_text("def simulate(**settings): return {'error': 0.0}\n")
    told = cli("init", "tune")
    assert "querist tune study.yaml" in told.output
    try:
        assert "is sound" in cli("check", "study.yaml").output
    finally:
        sys.modules.pop("problem", None)


@pytest.mark.parametrize(
    "more, words",
    [
        ({"minimise": ""}, "one of minimise and maximise"),
        ({"space": {"x": {"real": [1, 0]}}}, "\\n  - space.x: .*[^.]\\.$"),
        ({"space": {}}, "used:\\n  - space: it is empty\\.$"),
        ({"budgett": {}}, "budgett: unknown key. Did you mean 'budget'"),
        ({"workers": 4}, "workers: unknown key. It is a key of 'simulation'"),
        ({"runs": 30}, "runs: unknown key. It is a key of 'budget'"),
        ({"budget": {}}, "never end"),
        ({"begin": [{"x": 0.5}]}, "'rate' is missing"),
        ({"simulation": {"use": "function", "options": {"function": "tuning_problems:simulate"},
                         "workers": "auto"}}, "a number: runs that go on at once"),
    ],
)  # fmt: skip
def test_studies_that_make_no_sense_are_refused(more, words) -> None:
    with pytest.raises(ConfigError, match=words):
        study(**more)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("optnua", "'optnua' is none of gp.*Did you mean 'optuna'"),
        ({"use": "gp", "options": {"candidate": 3}}, "refused its options.*'candidate'"),
        ("grid", "wants its levels"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_runs(tmp_path, search, words) -> None:
    with pytest.raises(ConfigError, match=words):
        study(search=search).run(tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    config = {key: value for key, value in BASE.items() if key != "search"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**config, "search": search}))
    told = cli("check", tmp_path / "study.yaml")
    assert told.exit_code == 2
    assert "sound" not in told.output


@pytest.mark.parametrize("function", ["solver", "solver:", ""])
def test_a_function_that_is_no_import_path_is_told_by_check(tmp_path, function) -> None:
    simulation = {"use": "function", "options": {"function": function}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**BASE, "simulation": simulation}))
    told = cli("check", tmp_path / "study.yaml")
    assert told.exit_code == 2
    assert f"options.function: {function!r} should look like 'package.module:att" in told.output


def test_a_study_without_a_result_says_why(tmp_path) -> None:
    def broken(**settings: float) -> dict[str, float]:
        raise ValueError("the licence has run out")

    told = study(simulation=broken, constraints={}, budget={"runs": 2})
    result = told.run(tmp_path / "run", progress=False)
    assert result.sentence().startswith("2 runs, 2 failed; none gave a result, the last one: ")
    assert "the licence has run out" in result.sentence()
    unmeasured = study(maximise="yield", minimise="", constraints={}, budget={"runs": 2})
    result = unmeasured.run(tmp_path / "unmeasured", progress=False)
    assert "none gave a result, the last one: it gave no finite number 'yield'" in result.sentence()
    unfit = study(constraints={"loss": {"at_most": -1.0}}, budget={"runs": 2})
    result = unfit.run(tmp_path / "unfit", progress=False)
    assert result.sentence() == "2 runs, 0 failed; none keeps all constraints yet"


def test_every_problem_is_a_line_of_its_own() -> None:
    with pytest.raises(ConfigError) as refused:
        Study(**{**BASE, "space": {"x": {"real": [1, 1]}, "y": {"choice": []}}})
    first, second = refused.value.problems
    assert first == "space.x: a range wants two numbers in order, got [1.0, 1.0]."
    assert second.startswith("space.y: ")
    with pytest.raises(ConfigError) as refused:
        Study(**{**BASE, "minimise": "", "maximise": ""})
    (only,) = refused.value.problems
    assert only.startswith("a study wants one of minimise")
    assert not only.endswith("..")


def test_a_run_of_something_else_is_no_study(tmp_path) -> None:
    RunFolder.create(tmp_path / "run", {"settings": {"generators": [{"use": "uniform"}]}})
    with pytest.raises(ConfigError, match="not of a study"):
        study_of(tmp_path / "run")


# ------------------------------------------------------------------------------------ kill -9


def slow(x, rate, order, method, mix=0.5):
    """As the others, but it takes a while and leaves a mark."""
    time.sleep(0.2)
    with open("calls.log", "a") as log:  # noqa: PTH123 - in the working directory of the study
        log.write(f"{x!r}\n")
    return simulate(x, rate, order, method, mix)


@pytest.mark.slow
@pytest.mark.kill
def test_a_killed_study_goes_on_with_all_it_knew(tmp_path) -> None:
    config = {**BASE, "engine": "processes", "search": "sobol", "name": "s"}
    config["simulation"] = {
        "use": "function",
        "options": {"function": "test_study:slow"},
        "workers": 2,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    paths = [HERE, *[p for p in sys.path if p]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "querist"]
    begun = subprocess.Popen(
        [*command, "tune", "study.yaml", "--progress", "none"], cwd=tmp_path, env=environment
    )
    run = tmp_path / "runs" / "s"
    until = time.monotonic() + 90
    while time.monotonic() < until and not (run.exists() and len(study_of(run).trials) >= 4):
        time.sleep(0.1)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    before = study_of(run).trials
    assert 4 <= len(before) < 14
    ended = subprocess.run(
        [*command, "resume", str(run), "--progress", "none"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    after = study_of(run).trials
    assert after[: len(before)] == before
    assert len(after) == 14
    keys = {study_of(run).problem.space.key(trial.settings) for trial in after}
    assert len(keys) == 14


# ------------------------------------------------------------------------------------------ MPI


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.parametrize("way", ["file", "script"])
def test_a_study_runs_over_mpi_and_goes_on_without(tmp_path, way) -> None:
    """Of four ranks one searches and decides, and two simulate at once."""
    pytest.importorskip("mpi4py")
    simulation = {
        "use": "function",
        "options": {"function": "tuning_problems:slowly"},
        "workers": 2,
    }
    config = {**BASE, "engine": "mpi", "search": "sobol", "simulation": simulation, "name": "s"}
    config |= {"minimise": "loss", "budget": {"runs": 10}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    script = f"from querist import Study\nprint(Study(**{config!r}).run(progress=False).reason)\n"
    (tmp_path / "script.py").write_text(script)
    paths = [HERE, *[p for p in sys.path if p]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    tune = ["-m", "querist", "tune", "study.yaml", "--progress", "none"]
    command = tune if way == "file" else ["script.py"]
    ended = subprocess.run(
        [*mpiexec(4), sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    run = tmp_path / "runs" / "s"
    trials = study_of(run).trials
    assert len(trials) == 10
    records = list(RunFolder(run).journal_reader().read_new())
    assert next(r.data["engine"] for r in records if r.kind == "run.started") == "mpi"
    answered = [r.data["worker"] for r in records if r.kind.startswith("answer.")]
    assert len(set(answered)) == 2
    assert study_of(run).best is not None
    assert cli("resume", run, "--engine", "inline", "--progress", "none").exit_code == 0
    assert study_of(run).trials == trials


def test_a_study_over_candidates_stops_when_enough_is_found(tmp_path) -> None:
    rows = "".join(f"{n / 10},{kind}\n" for n in range(10) for kind in "ab")
    (tmp_path / "table.csv").write_text(f"x,kind\n{rows}")
    path = tmp_path / "objective.yaml"
    told = {
        "candidates": "table.csv",
        "maximise": "y",
        "simulation": "tuning_problems:hill",
        "search": {"use": "gp", "options": {"acquisition": "thompson"}},
        "stop": {"target": 0.99},
        "optimum": 1.0,
        "engine": "inline",
        "folder": str(tmp_path / "run"),
    }
    path.write_text(yaml.safe_dump(told))
    assert cli("check", path).exit_code == 0
    made = cli("run", path, "--progress", "none")
    assert made.exit_code == 0, made.output
    result = study_of(tmp_path / "run")
    assert result.best.outputs["y"] >= 0.99
    assert len(result.trials) < 20
    assert result.problem.enough(result.trials).startswith("the target of 0.99 is reached")
    assert "simple regret" in report_of_run(tmp_path / "run").read_text()


@pytest.mark.slow
def test_several_objectives_show_their_front(tmp_path) -> None:
    told = Study(
        space={"x": {"real": [-1.0, 3.0]}},
        minimise=["near", "far"],
        reference={"near": 4.0, "far": 4.0},
        simulation="tuning_problems:two",
        budget={"runs": 10},
        engine="inline",
    )
    result = told.run(tmp_path / "run", progress=False)
    front = result.front
    assert len(front) >= 4
    assert all(0.0 <= trial.settings["x"] <= 2.0 for trial in front)
    volumes = [value for _, value in result.curve() if value is not None]
    assert volumes == sorted(volumes)
    assert 9.0 < volumes[-1] < 13.34  # of the whole front: 16 less the integral of (2 - sqrt(u))^2
    assert "on the front, hypervolume" in result.sentence()
    text = report_of_run(tmp_path / "run").read_text()
    assert "hypervolume" in text
    assert "The line is the front" in text
    assert save_plot(result, tmp_path / "front.png").stat().st_size > 5000

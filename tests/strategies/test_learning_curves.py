"""The harness of ``benchmarks/learning_curves.py``: pairing, verdicts, going on after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.sklearn


@pytest.fixture(scope="module")
def parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import learning_curves_learner as learner
        import learning_curves_problems as problems
        import learning_curves_tables as tables

        known = problems.problems(problems.Cifar(None, None))
        yield learner, known, tables


def records(name: str, areas: list[float]) -> list[dict]:
    return [
        {
            "problem": "digits",
            "strategy": name,
            "chooser": "ours",
            "seed": seed,
            "labels": [20, 40],
            "measures": {"accuracy": [0.5, value]},
            "first_picks": [seed],
            "select_cpu_s": 0.0,
        }
        for seed, value in enumerate(areas)
    ]


def test_holm_multiplies_by_what_is_left_and_never_falls(parts) -> None:
    assert parts[2].holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_the_start_which_all_share_is_no_part_of_the_area(parts) -> None:
    assert parts[2].area([0.1, 0.5, 0.7]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("gain", "expected"), [(0.05, "better"), (-0.05, "worse"), (0.0, "no difference")]
)
def test_the_verdict_is_of_paired_differences(parts, gain: float, expected: str) -> None:
    _, known, tables = parts
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.9, 20)  # seeds differ far more than strategies do
    other = base + gain + rng.normal(0.0, 0.005, 20)
    both = records("random", base.tolist()) + records("margin", other.tolist())
    (line,) = tables.summary(both, known, "none")["against_random"]
    assert line["verdict"] == expected
    assert line["low"] <= line["difference"] <= line["high"]


def test_lower_is_better_of_errors(parts) -> None:
    line = {"p_holm": 0.01, "difference": -1.0}
    assert parts[2].verdict(line, lower=True) == "better"
    assert parts[2].verdict(line, lower=False) == "worse"


@pytest.mark.parametrize("name", ["wine", "diabetes", "friedman1-maximum"])
def test_every_strategy_of_a_seed_begins_alike_and_labels_no_row_twice(parts, name: str) -> None:
    learner, known, _ = parts
    problem = known[name]
    first, second = learner.Learner(problem, 3), learner.Learner(problem, 3)
    assert first.measures == second.measures
    assert np.array_equal(first.labelled, second.labelled)
    while first.round < problem.rounds:
        picks = np.arange(problem.batch)
        first.add(picks)
    assert len(set(first.labelled.tolist())) == len(first.labelled) == first.labels[-1]
    assert first.labels[-1] == len(second.labelled) + problem.rounds * problem.batch


def test_given_data_fit_the_rows_that_may_be_picked(parts) -> None:
    learner, known, _ = parts
    from querist.strategies import registry

    one = learner.Learner(known["wine"], 0)
    for strategy in registry.strategies():
        if learner.fits(strategy, known["wine"]) is None:
            given = one.given(strategy)
            assert set(strategy.needs) <= set(given)
            assert len(given[strategy.needs[0]]) == len(one.open)


def test_what_is_not_run_has_a_reason(parts) -> None:
    learner, known, _ = parts
    from querist.strategies import registry

    fits = learner.fits
    assert fits(registry.get("margin"), known["digits"]) is None
    assert "needs" in fits(registry.get("margin"), known["diabetes"])
    assert "counts classes" in fits(registry.get("mcpal"), known["diabetes"])
    assert "two classes" in fits(registry.get("epistemic"), known["digits"])
    assert fits(registry.get("epistemic"), known["breast-cancer"]) is None
    assert "small batches" in fits(registry.get("batchbald"), known["digits"])
    assert "maximum" in fits(registry.get("ei"), known["diabetes"])


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    file = tmp_path / "curves.jsonl"
    program = [sys.executable, str(FOLDER / "learning_curves.py"), "--problem", "wine"]
    program += ["--strategy", "margin", "--records", str(file), "--seeds"]
    outputs = []
    for seeds in ("2", "2", "3"):
        if outputs:  # stopped in the middle of a line
            file.write_text(file.read_text(encoding="utf-8") + '{"problem": "wi', encoding="utf-8")
        done = subprocess.run([*program, seeds], capture_output=True, text=True, check=True)
        lines = file.read_text(encoding="utf-8").splitlines()
        outputs.append((json.loads(done.stdout.splitlines()[0]), lines))
    assert outputs[0] == outputs[1]
    assert outputs[2][1][: len(outputs[0][1])] == outputs[0][1]
    assert [outputs[0][0]["seeds"], outputs[2][0]["seeds"]] == [2, 3]
    assert len(outputs[2][1]) == 9  # random, margin and all labels, of three seeds

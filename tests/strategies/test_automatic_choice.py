"""The harness of ``benchmarks/automatic_choice.py``: equal budgets, pairing, hindsight."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.sklearn


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import automatic_choice

        yield automatic_choice


@pytest.fixture(scope="module")
def records(bench) -> list[dict]:
    wine = next(one for one in bench.PROBLEMS if one.name == "wine")
    short = dataclasses.replace(wine, budget=24)
    return [record for seed in (0, 1) for record in bench.seed_of(short, seed, None)]


def test_every_arm_buys_the_same_labels_from_the_same_start(bench, records) -> None:
    assert {one["arm"] for one in records} == {*bench.SINGLES, *bench.CHOOSERS}
    assert {one["labels"] for one in records} == {24}
    assert {len(one["curve"]) for one in records} == {13}
    for seed in (0, 1):
        assert len({one["curve"][0] for one in records if one["seed"] == seed}) == 1


def test_the_hold_out_is_no_part_of_the_pool_and_is_paid_by_the_charged_arm(bench) -> None:
    wine = next(one for one in bench.PROBLEMS if one.name == "wine")
    seed = bench.Seed(wine, 0, None)
    assert len(seed.inputs) + len(seed.held) == len(seed.split.inputs)
    assert not set(seed.held.tolist()) & set(seed.split.start.tolist())
    running, paid = bench.chooser("auto-charged", seed)
    assert len(paid) + running.auto.budget == wine.budget
    running, paid = bench.chooser("auto", seed)
    assert paid is None
    assert running.auto.budget == wine.budget


def test_a_run_can_be_repeated(bench, records) -> None:
    wine = next(one for one in bench.PROBLEMS if one.name == "wine")
    again = bench.run(dataclasses.replace(wine, budget=24), "auto", 1, None)
    first = next(one for one in records if one["arm"] == "auto" and one["seed"] == 1)
    assert again["curve"] == first["curve"]
    assert again["choice"] == first["choice"]


def test_hindsight_takes_the_best_and_all_comparisons_are_corrected_together(
    bench, records
) -> None:
    found = list(bench.lines(records))
    arms = {one["case"]: one["area"] for one in found if "area" in one}
    singles = {name: arms[f"wine/{name}"] for name in bench.SINGLES}
    compared = [one for one in found if "against" in one]
    best = next(one for one in compared if one["against"] == "best-single")
    assert best["peer_name"] == max(singles, key=singles.get)
    mean = next(one for one in compared if one["against"] == "mean-single")
    assert mean["peer"] == pytest.approx(np.mean(list(singles.values())))
    assert len(compared) == 2 * (4 * 4 - 1)
    assert all(one["p_holm"] >= one["p"] for one in compared)

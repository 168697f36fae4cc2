"""Views of runs that grow: as the whole summary says, and small however large the run is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from querist.campaign.campaign import summary_of
from querist.service.live import BINS, ROWS, WORKERS, LiveRuns
from querist.store.run_folder import RunFolder
from querist.testing.runs import RunPlan, synthetic_run


def written(folder: Path, **plan) -> tuple[RunFolder, list]:
    run = RunFolder.create(folder, {"settings": {"budget": {"labels": 90}}})
    return run, list(synthetic_run(np.random.default_rng(4), RunPlan(**plan)))


def write(run: RunFolder, facts: list) -> None:
    with run.journal_writer() as writer:
        for fact in facts:
            writer.append(fact.kind, fact.data, fact.arrays)


def test_a_view_goes_on_with_the_journal_and_says_what_the_summary_says(tmp_path: Path) -> None:
    run, facts = written(tmp_path / "run", labels=60, oracles=2)
    runs = LiveRuns()
    write(run, facts[: len(facts) // 2])
    half, _ = runs.view(run.path)
    assert runs.view(run.path)[0] == half
    write(run, facts[len(facts) // 2 :])
    seq, view = runs.view(run.path)
    assert seq > half
    whole = summary_of(run.path)
    assert view["labels"]["charged"] == whole["labels"]["charged"] == 60
    assert view["costs"] == whole["costs"]
    assert view["learning"]["metrics"] == whole["learning"]["metrics"]
    assert view["limits"] == {"labels": 90, "cost": None}
    assert view["status"] == "finished"
    json.dumps(view, allow_nan=False)


def test_many_workers_are_put_together(tmp_path: Path) -> None:
    run, facts = written(tmp_path / "run", labels=1500, oracles=400, explorers=3)
    write(run, facts)
    workers = LiveRuns().view(run.path)[1]["workers"]
    assert workers["total"] == 404
    assert len(workers["table"]) == WORKERS
    bands = workers["picture"]["bands"]
    assert len(bands) <= ROWS + len(workers["pools"])
    assert sum(band["workers"] for band in bands) == 404
    assert all(len(band["busy"]) == BINS for band in bands)
    oracles = [band for band in bands if band["pool"].startswith("oracle")]
    mean = np.average(
        [np.mean(band["busy"]) for band in oracles], weights=[band["workers"] for band in oracles]
    )
    pool = workers["pools"][oracles[0]["pool"]]
    until = workers["picture"]["until"]
    assert mean / 100 == pytest.approx(pool["busy"] / (pool["workers"] * until), rel=0.02)


def test_only_the_runs_that_were_looked_at_last_are_held(tmp_path: Path) -> None:
    made: list[Path] = []

    class Counted:
        def __init__(self, folder: Path) -> None:
            made.append(folder)

        def view(self) -> tuple[int, dict]:
            return 1, {}

    runs = LiveRuns(Counted)  # type: ignore[arg-type]
    for number in range(17):
        runs.view(tmp_path / str(number))
    runs.view(tmp_path / "16")
    assert len(made) == 17
    runs.view(tmp_path / "0")
    assert len(made) == 18

"""Counts that are ``auto`` while a campaign runs: what may move, and real workers that do."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from campaign_roles import Line
from test_loading import SMALL
from test_ranks import RESUME, RUN, Jobs

from querist.campaign.campaign import Campaign, summary_of
from querist.campaign.counts import resolved
from querist.campaign.restaffing import (
    as_it_ended,
    bounds_of,
    counts_of,
    reached,
    spare_pools,
)
from querist.campaign.wiring import generators_of, states_of
from querist.store.run_folder import RunFolder


def campaign(workers: Any = "auto", **changes: Any) -> Campaign:
    told: dict[str, Any] = {
        "generators": [Line(), Line(start=0.5)],
        "model": "campaign_roles:Mean",
        "oracles": {"twice": {**SMALL["oracles"], "workers": workers}},
        "output": "y",
        "explorers": "auto",
        "initial": 4,
        "budget": {"labels": 9},
    }
    return Campaign(**told | changes)


def bounds(written: Campaign, workers: int = 9) -> Any:
    return bounds_of(written.settings, resolved(written.settings, workers))


def test_roles_that_are_auto_may_exchange_workers() -> None:
    found = bounds(campaign())
    assert found.least == {"explorers": 2, "oracle.twice": 1}  # nobody else has their generators
    made = resolved(campaign().settings, 9)
    assert [spec.count for spec in spare_pools(made, found)] == [0] * 6


@pytest.mark.parametrize(
    "changes", [{"workers": 3}, {"explorers": 2}, {"gpus": {"explorers": 1}}, {"engine": "inline"}]
)
def test_what_is_a_number_or_needs_gpus_stays(changes: dict[str, Any]) -> None:
    assert bounds(campaign(**changes)) is None


def test_one_more_explorer_has_generators_of_its_own() -> None:
    settings = resolved(campaign().settings, 9)
    names = [states_of(settings, slot, 2) for slot in range(5)]
    assert len(set(names)) == 5
    assert names[2:4] == [("generator0.1",), ("generator1.1",)]
    assert len(generators_of(settings, 4, 2)) == 1


def test_a_resumed_run_begins_with_what_it_had_reached(tmp_path: Path) -> None:
    written, folder = campaign().settings, RunFolder.create(tmp_path / "run", {}, seeds={})
    made = resolved(written, 9)
    assert counts_of(made) == {"explorers": 2, "trainer": 1, "oracle.twice": 6}
    assert as_it_ended(written, made, folder) == made  # it never began
    pools = {"explorer.0": 1, "explorer.1": 1, "oracle.twice": 6, "trainer": 1}
    writer = folder.journal_writer()
    writer.append("run.started", {"t": 0.0, "pools": pools})
    for target in ("explorer.2", "explorer.3"):
        told = {"worker": "oracle.twice-5", "pool": "oracle.twice", "target": target}
        writer.append("worker.left", {"t": 1.0, **told})
    writer.close()
    resumed = as_it_ended(written, made, folder)
    assert counts_of(resumed) == {"explorers": 4, "trainer": 1, "oracle.twice": 4}
    assert states_of(resumed, 2, 4) == states_of(made, 2, 2)  # which moved explorers had
    larger = resolved(written, 12)
    assert as_it_ended(written, larger, folder) == larger
    fixed = campaign(workers=6).settings
    assert as_it_ended(fixed, resolved(fixed, 9), folder) == resolved(fixed, 9)


def stop_when_moved(folder: Path) -> None:
    """Post "stop" once a third worker of the oracle has joined, or after a minute."""
    reader, until = RunFolder(folder).journal_reader(), time.monotonic() + 60
    joined: set[str] = set()
    while "oracle.twice-2" not in joined and time.monotonic() < until:
        joined |= {f.data["worker"] for f in reader.read_new() if f.kind == "worker.joined"}
        time.sleep(0.1)
    RunFolder(folder).inbox.post("stop", {})


@pytest.mark.slow
def test_a_worker_moves_in_a_run_that_is_resumed(tmp_path: Path) -> None:
    told = {"explorers": 2, "generators": [Line()], "workers": 2}
    campaign(budget={"labels": 4}, **told).run(tmp_path / "run", progress=False)
    message = {"source": "explorers", "target": "oracle.twice", "why": "it is idle"}
    RunFolder(tmp_path / "run").inbox.post("staff", message)
    watch = threading.Thread(target=stop_when_moved, args=(tmp_path / "run",))
    watch.start()
    more = campaign(budget={"labels": 1_000_000}, **told)
    result = more.resume(tmp_path / "run", progress=False)
    watch.join()
    assert result.status == "stopped", result.reason
    facts = list(RunFolder(tmp_path / "run").journal_reader().read_new())
    (left,) = [dict(fact.data) for fact in facts if fact.kind == "worker.left"]
    assert (left["pool"], left["target"]) == ("explorer.1", "oracle.twice")
    joined = [fact.data["worker"] for fact in facts if fact.kind == "worker.joined"]
    assert "oracle.twice-2" in joined  # a trainer may come later
    (moved,) = summary_of(tmp_path / "run")["workers"]["moved"]["table"]
    assert moved["why"] == "it is idle"
    assert "changed their role" in result.report().read_text()
    assert not [fact for fact in facts if fact.kind == "worker.lost"]


def new_answers(facts: list[Any]) -> list[str]:
    """Labels by workers that joined the asked oracle after the run had begun."""
    joined = [f.data["worker"] for f in facts if f.kind == "worker.joined"]
    began = next((f.data["pools"]["oracle.asked"] for f in facts if f.kind == "run.started"), 99)
    new = {name for name in joined if int(name.split("-")[-1]) >= began and ".asked" in name}
    return [f.data["sample"] for f in facts if f.kind == "answer.label" and f.data["worker"] in new]


def stop_when_moved_answered(folder: Path) -> None:
    """Post "stop" once a worker that moved has answered, or after a while."""
    until, facts, reader = time.monotonic() + 120, list[Any](), None
    while not new_answers(facts) and time.monotonic() < until:
        if reader is None and (folder / "manifest.json").exists():
            reader = RunFolder(folder).journal_reader()
        facts += reader.read_new() if reader is not None else ()
        time.sleep(0.1)
    RunFolder(folder).inbox.post("stop", {})


@pytest.mark.slow
@pytest.mark.mpi
def test_ranks_are_reassigned_while_a_job_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    jobs = Jobs(tmp_path)
    options = {"function": "mpi_roles:slowly", "outputs": "y"}
    oracle = {"use": "function", "options": options, "workers": "auto"}
    # Nothing is ever asked of the second oracle, which has as many ranks as the first.
    jobs.configure(
        engine="mpi",
        explorers="auto",
        trainers=1,
        oracles={"asked": oracle, "idle": oracle},
        routes={"asked": 0.0, "idle": 1e9},
        initial=8,
        holdout=0.0,
        retrain={"every_labels": 50},
        budget={"labels": 5000},
    )
    watch = threading.Thread(target=stop_when_moved_answered, args=(jobs.run,))
    watch.start()
    done = jobs.start(1 + 6, *RUN, timeout=150)
    watch.join()
    assert "Traceback" not in done.stderr
    facts = list(RunFolder(jobs.run).journal_reader().read_new())
    moved = [dict(fact.data) for fact in facts if fact.kind == "worker.moves"]
    assert {"source": "oracle.idle", "target": "oracle.asked"}.items() <= moved[0].items()
    assert "forecast" in moved[0]["why"]
    left = [fact.data["worker"] for fact in facts if fact.kind == "worker.left"]
    assert left[0].startswith("oracle.idle-")
    answered = [fact.data["worker"] for fact in facts if fact.kind == "answer.label"]
    assert new_answers(facts)  # the same rank, in its new role
    assert len(answered) == jobs.labels()
    assert not [fact for fact in facts if fact.kind == "worker.lost"]
    # It goes on with the ranks as they were.
    ended = reached(RunFolder(jobs.run))
    RunFolder(jobs.run).inbox.post("stop", {})
    assert "Traceback" not in jobs.start(1 + 6, *RESUME, timeout=150).stderr
    again = summary_of(jobs.run)["run"]["pools"]
    asked, idle = "oracle.asked", "oracle.idle"
    assert (again[asked], again[idle]) == (ended[asked], ended[idle])
    assert ended[idle] == 1


def kill_when_moved(folder: Path, worker: str, mark: str, killed: list[int]) -> None:
    """Kill a worker's process once it has answered, while it works on the next question."""
    reader, until = RunFolder(folder).journal_reader(), time.monotonic() + 60
    while not killed and time.monotonic() < until:
        if any(f.data.get("worker") == worker for f in reader.read_new() if "answer" in f.kind):
            for process in map(int, Path(mark).read_text().split()):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                killed.append(process)
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.kill
def test_a_worker_that_is_killed_after_it_moved_loses_no_label(tmp_path: Path) -> None:
    mark, folder = str(tmp_path / "mark"), tmp_path / "run"
    marks = {"mark": mark, "worker": "oracle.twice-2"}
    oracle = {"use": "campaign_roles:Marking", "options": marks, "workers": 2}
    told = {"explorers": 2, "generators": [Line()], "oracles": {"twice": oracle}, "initial": 60}
    campaign(budget={"labels": 4}, **told).run(folder, progress=False)
    message = {"source": "explorers", "target": "oracle.twice", "why": "it is idle"}
    RunFolder(folder).inbox.post("staff", message)
    killed: list[int] = []
    watch = threading.Thread(target=kill_when_moved, args=(folder, "oracle.twice-2", mark, killed))
    watch.start()
    result = campaign(budget={"labels": 60}, **told).resume(folder, progress=False)
    watch.join()
    assert result.status == "finished", result.reason
    facts = list(RunFolder(folder).journal_reader().read_new())
    assert killed
    assert [f.data["worker"] for f in facts if f.kind == "worker.lost"] == ["oracle.twice-2"]
    labels = [f.data["question"] for f in facts if f.kind == "answer.label"]
    assert len(labels) == len(set(labels)) == 60
    asked = {f.data["question"] for f in facts if f.kind == "question.asked"}
    assert set(labels) <= asked
    # It came back in its new pool, and what it was at was asked again.
    assert [f.data["worker"] for f in facts if f.kind == "worker.joined"].count(
        "oracle.twice-2"
    ) == 2

"""Counts that are ``auto`` while a campaign runs: what may move, and real workers that do."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from campaign_roles import Line
from test_loading import SMALL

from querist.campaign.campaign import Campaign, summary_of
from querist.campaign.counts import resolved
from querist.campaign.restaffing import bounds_of, spare_pools
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
    assert joined[-1] == "oracle.twice-2"
    (moved,) = summary_of(tmp_path / "run")["workers"]["moved"]["table"]
    assert moved["why"] == "it is idle"
    assert "changed their role" in result.report().read_text()
    assert not [fact for fact in facts if fact.kind == "worker.lost"]

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hand_journal import small

from querist.accounting.trace import trace_events, write_trace
from querist.testing.runs import RunFact


def by_phase(events: list[dict[str, Any]], phase: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == phase]


def test_pools_are_processes_and_workers_are_threads() -> None:
    names = [(e["name"], e["args"]["name"]) for e in by_phase(list(trace_events(small())), "M")]
    assert names == [
        ("process_name", "campaign"),
        ("process_name", "oracle"), ("thread_name", "o/0"),
        ("process_name", "explorer"), ("thread_name", "e/0"),
        ("process_name", "trainer"), ("thread_name", "t/0"),
    ]  # fmt: skip


def test_tasks_are_complete_events_in_microseconds() -> None:
    events = list(trace_events(small()))
    tasks = [(e["name"], e["cat"], e["ts"], e["dur"]) for e in by_phase(events, "X")]
    assert tasks == [
        ("xtb", "label", 0, 2e6),
        ("xtb failed", "label", 2e6, 1e6),
        ("xtb", "label", 3e6, 3e6),
        ("xtb", "label", 6e6, 2e6),
        ("xtb failed", "label", 8e6, 1e6),
        ("explore", "explore", 0, 10e6),
        ("fit v1", "fit", 6e6, 4e6),
        ("evaluate", "evaluate", 10e6, 1e6),
    ]
    threads = {(e["pid"], e["tid"]) for e in by_phase(events, "X")}
    assert len(threads) == 3
    first = by_phase(events, "X")[0]["args"]
    assert (first["question"], first["cost"], first["wait_seconds"]) == ("a.xtb.0", 2, 0)


def test_queue_and_labels_are_counters() -> None:
    counters = by_phase(list(trace_events(small())), "C")
    labels = [(e["ts"], e["args"]) for e in counters if e["name"] == "labels"]
    assert labels == [
        (0, {"train": 5}), (2e6, {"train": 6}), (6e6, {"train": 7}),
        (8e6, {"train": 7, "holdout": 1}),
    ]  # fmt: skip
    queue = [e["args"] for e in counters if e["name"] == "queue"]
    assert queue == [{"queued": 4, "outstanding": 1}]


def test_what_happens_to_the_campaign_is_instant() -> None:
    names = [event["name"] for event in by_phase(list(trace_events(small())), "i")]
    assert names == [
        "run.started", "labels.imported", "model.published", "gate.limits", "questions.dropped",
        "model.evaluated", "user.command", "run.ended",
    ]  # fmt: skip


def test_the_file_is_strict_json_and_holds_all_events(tmp_path, made_up: list[RunFact]) -> None:
    path = write_trace(made_up, tmp_path / "trace.json")
    found = json.loads(path.read_text(), parse_constant=lambda name: 1 / 0)
    assert len(found["traceEvents"]) == len(list(trace_events(made_up)))
    starts = {e["tid"]: [] for e in found["traceEvents"] if e["ph"] == "X"}
    for event in by_phase(found["traceEvents"], "X"):
        starts[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in starts.values():  # a worker does one thing at a time
        ordered = sorted(spans)
        assert all(a[1] <= b[0] + 1 for a, b in pairwise(ordered))


def test_an_empty_journal_is_a_valid_trace(tmp_path) -> None:
    path = write_trace([], tmp_path / "trace.json")
    assert [e["ph"] for e in json.loads(path.read_text())["traceEvents"]] == ["M"]


def test_events_are_given_as_the_facts_are_read() -> None:
    read = []

    def reading():
        for fact in small():
            read.append(fact.seq)
            yield fact

    events = trace_events(reading())
    while next(events)["ph"] != "X":
        pass
    assert len(read) < 10

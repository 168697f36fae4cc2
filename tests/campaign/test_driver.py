"""Controller, engine and store together: what counts is on the disk, whatever happens."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from querist.campaign import driver as driving
from querist.campaign.driver import COLLECT_AFTER, Driver, signals
from querist.campaign.labels import LabelReader
from querist.campaign.watching import Silent
from querist.control.controller import CampaignController
from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.rules import Never
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.core.answers import Failure, Label, Reason, question_id
from querist.core.batch import Batch, Sample
from querist.core.events import (
    Durable,
    Event,
    Fact,
    Interrupted,
    Posted,
    StoreBroken,
    Submit,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    WorkerJoined,
)
from querist.core.tasks import Task
from querist.store import segments
from querist.store.errors import StoreFull
from querist.store.run_folder import RunFolder

POOLS = {"explorer.0": 1, "oracle.o": 2}


class FakeEngine:
    """Answers every task at once; the answer to a question is its number squared.

    Attributes:
        hold: Kinds of tasks that never end.
    """

    def __init__(self) -> None:
        self.queue: deque[Event] = deque()
        self.submitted: list[Task] = []
        self.hold: set[str] = set()
        self.woken = threading.Event()
        self.number = 0
        for pool, count in POOLS.items():
            self.queue.extend(WorkerJoined(f"{pool}-{i}", pool) for i in range(count))

    def submit(self, task: Task) -> None:
        self.submitted.append(task)
        if task.kind not in self.hold:
            self.queue.append(TaskStarted(task.id, f"{task.pool}-0"))
            self.queue.append(TaskFinished(task.id, f"{task.pool}-0", self.result(task)))

    def result(self, task: Task) -> dict[str, Any]:
        if task.kind == "label":
            samples = task.payload["samples"]
            outcomes = [Label({"y": sample["x"] ** 2}) for sample in samples]
            return {"outcomes": outcomes, "seconds": [0.5] * len(samples)}
        wanted = task.payload["initial"]
        x = np.arange(self.number, self.number + wanted, dtype=float)[:, None]
        self.number += wanted
        batch = Batch.stack(x=x).with_ids()
        counts = dict.fromkeys(("trusted", "rejected", "filtered"), 0)
        return {
            "candidates": batch,
            "scores": np.full(wanted, np.nan),
            "walkers": np.arange(wanted),
            "probes": Batch({}),
            "probe_scores": np.zeros(0),
            "sketch": QuantileSketch.empty(),
            "steps": 1,
            "proposed": wanted,
            "asked": wanted,
            **counts,
            "version": 0,
            "predict": 0.0,
            "waiting": False,
            "exhausted": False,
        }

    def cancel(self, task: str, why: str, hard: bool = True) -> None:
        held = {t.id for t in self.submitted if t.kind in self.hold}
        if task in held:
            self.queue.append(TaskFailed(task, "", Failure(Reason.CANCELLED, why)))

    def events(self, timeout: float | None) -> list[Event]:
        if not self.queue:
            self.woken.wait(timeout)
        self.woken.clear()
        return [self.queue.popleft()] if self.queue else []

    def wake(self) -> None:
        self.woken.set()

    def now(self) -> float:
        return time.monotonic()

    def share(self, owner: str, weight: float) -> None:
        pass

    def start(self, pools: Sequence[Any]) -> None:
        pass

    def close(self, grace: float = 0.0) -> None:
        pass


def plan(**changes: Any) -> Plan:
    policy = StandardPolicy(EveryLabels(1000), Never())
    fixed = {"oracles": (OraclePlan("o"),), "policy": policy, "trainers": 0, "initial": 12}
    return Plan(**{**fixed, "holdout": 0.0, **changes})


class Watched(CampaignController):
    """A controller that shows its events."""

    seen: list[Event]

    def handle(self, event, now):
        self.seen.append(event)
        return super().handle(event, now)


@pytest.fixture
def make(folder: RunFolder):
    """Makes drivers of one run, one after another."""
    with folder.lock() as lock:

        def build(engine: FakeEngine | None = None, **changes: Any) -> Driver:
            controller = Watched(plan(**changes))
            controller.seen = []
            return Driver(
                folder, controller, engine or FakeEngine(), lock, {"pools": POOLS}, Silent()
            )

        yield build


def kinds(folder: RunFolder) -> list[str]:
    return [record.kind for record in folder.journal_reader().read_new()]


def test_a_run_goes_to_its_end(make, folder) -> None:
    outcome = make().run()
    assert outcome.status == "finished"
    found = kinds(folder)
    assert found[0] == "run.started"
    assert found[-1] == "run.ended"
    assert found.count("answer.label") == found.count("question.asked") == 12
    assert folder.snapshots.latest().seq == len(found)


def test_garbage_is_collected_rarely_while_a_run_goes_on_and_as_before_then(make) -> None:
    before, within = gc.get_threshold(), []

    class Looker(Silent):
        def refresh(self, now: float) -> None:
            within.append(gc.get_threshold()[0])

    driver = make()
    driver.watcher = Looker()
    driver.run()
    assert set(within) == {COLLECT_AFTER}
    assert gc.get_threshold() == before


def test_an_answer_counts_only_once_it_is_on_the_disk(make, folder, monkeypatch) -> None:
    synced: list[int] = []
    plain = segments.SegmentFile.sync

    def slow_sync(segment) -> None:
        time.sleep(0.02)
        plain(segment)
        synced.append(segment.durable_seq)

    monkeypatch.setattr(segments.SegmentFile, "sync", slow_sync)
    driver = make()
    handle = driver.controller.handle
    told, counted = [], []

    def watched(event, now):
        before = driver.controller.state.ledger.labels
        commands = handle(event, now)
        if isinstance(event, Durable):
            assert event.seq <= synced[-1]  # the sync had returned before it was told
            told.append(event.seq)
        counted.append((driver.controller.state.ledger.labels - before, type(event)))
        return commands

    monkeypatch.setattr(driver.controller, "handle", watched)
    driver.run()
    assert told == sorted(told)
    assert {kind for more, kind in counted if more} == {Durable}
    assert sum(more for more, _ in counted) == 12


class Full:
    """Lets a journal's disk run full after some groups of records."""

    def __init__(self, monkeypatch, groups: int) -> None:
        self.left = groups
        self.write = segments.SegmentFile.write
        monkeypatch.setattr(segments.SegmentFile, "write", lambda s, *a: self.count(s, *a))

    def count(self, segment, *arguments) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreFull("There is no space left for writing the journal.")
        self.write(segment, *arguments)


@pytest.mark.parametrize("groups", [0, 1])
def test_a_full_disk_ends_the_run_with_its_sentence(make, folder, monkeypatch, groups) -> None:
    full = Full(monkeypatch, groups)
    driver = make()
    outcome = driver.run()
    assert outcome.status == "failed"
    assert "no space left for writing the journal" in outcome.reason
    broken = [event for event in driver.controller.seen if isinstance(event, StoreBroken)]
    assert len(broken) <= 1
    # What the journal did not take is in the outbox, and nothing else is.
    recorded = set()
    for record in folder.journal_reader().read_new():
        if record.kind == "answer.label":
            recorded.add(record.data["question"])
    rescued = {parcel.task_id for parcel in folder.outbox.pending()}
    assert not recorded & rescued
    returned = sum(
        isinstance(e, TaskFinished) and e.task[:5] == "label" for e in driver.controller.seen
    )
    assert len(recorded | rescued) == returned
    full.left = 10**9
    again = make(FakeEngine())
    assert again.run().status == "finished"


def test_a_signal_ends_the_run_in_order(make, folder) -> None:
    engine = FakeEngine()
    engine.hold = {"explore"}
    driver = make(engine)
    threading.Timer(0.1, driver.interrupt, ("stopped by a test",)).start()
    outcome = driver.run()
    assert (outcome.status, outcome.reason) == ("stopped", "stopped by a test")
    assert [e for e in driver.controller.seen if isinstance(e, Interrupted)]
    assert kinds(folder)[-1] == "run.ended"


def test_what_lies_in_the_outbox_is_used_first(make, folder, monkeypatch) -> None:
    engine = FakeEngine()
    engine.hold = {"label"}
    first = make(engine)
    monkeypatch.setattr(driving, "GRACE_SECONDS", 0.05)
    threading.Timer(0.3, first.interrupt, ("killed",)).start()
    first.run()
    asked = [r for r in folder.journal_reader().read_new() if r.kind == "question.asked"]
    question = asked[0].data["question"]
    folder.outbox.put(
        question, {"level": "hf", "cost": 3.0, "seconds": 4.0}, {"y": np.array([9.0])}
    )
    folder.outbox.put("nobody.asked.0", {}, {"y": np.array([9.0])})
    state = CampaignState(plan())
    for record in folder.journal_reader().read_new():
        state.fold(Fact(record.kind, record.data, record.arrays))
    again = FakeEngine()
    again.number = 100
    driver = make(again)
    last = len(kinds(folder))
    driver.controller = Watched(plan(), state, last)
    driver.controller.seen = []
    driver._durable = driver._told = last
    assert driver.run().status == "finished"
    given = [r for r in folder.journal_reader().read_new() if r.kind == "answer.label"]
    (kept,) = [r for r in given if r.data["question"] == question]
    assert (kept.data["origin"], kept.data["cost"], kept.data["level"]) == ("outbox", 3.0, "hf")
    assert not list(folder.outbox.pending())
    questions = [q.id for t in again.submitted if t.kind == "label" for q in t.payload["questions"]]
    assert question not in questions


def test_an_answer_outlives_the_record_of_its_question(make, folder) -> None:
    # Its controller died before "question.asked" was on the disk.
    sample = Sample.of({"x": np.array([0.25])})
    asked = {"sample": sample.id, "oracle": "o", "replicate": 0, "uri": None}
    data = {"level": "hf", "cost": 3.0, "seconds": 4.0, "asked": asked}
    arrays = {"y": np.array([9.0]), "asked/x": sample["x"]}
    key = question_id(sample.id, "o")
    folder.outbox.put(key, data, arrays)
    folder.outbox.put(
        question_id(sample.id, "gone"), data | {"asked": {**asked, "oracle": "gone"}}, arrays
    )
    assert make(FakeEngine()).run().status == "finished"
    records = list(folder.journal_reader().read_new())
    given = [r for r in records if r.kind == "answer.label" and r.data["question"] == key]
    assert [(r.data["origin"], r.data["cost"]) for r in given] == [("outbox", 3.0)]
    assert list(given[0].arrays) == ["out/y"]
    labels = LabelReader(folder.path / "journal").all()
    assert [0.25] in labels.inputs["x"].tolist()
    assert len(labels) == 12
    assert not list(folder.outbox.pending())


def test_the_outbox_is_looked_at_when_a_worker_is_lost(make, folder) -> None:
    engine = FakeEngine()
    plain = engine.submit

    def submit(task: Task) -> None:
        if task.kind == "label" and not folder.path.joinpath("outbox", "used").exists():
            (question,) = task.payload["questions"]
            folder.outbox.put(question.id, {"seconds": 2.0}, {"y": np.array([7.0])})
            (folder.path / "outbox" / "used").touch()
            lost = Failure(Reason.WORKER_LOST, "killed on its way to the socket")
            engine.queue.append(TaskFailed(task.id, "oracle.o-0", lost))
            return
        plain(task)

    engine.submit = submit  # type: ignore[method-assign]
    driver = make(engine)
    assert driver.run().status == "finished"
    origins = [
        r.data["origin"] for r in folder.journal_reader().read_new() if r.kind == "answer.label"
    ]
    assert origins.count("outbox") == 1
    assert len(origins) == 12
    assert "answer.failure" not in kinds(folder)
    assert not list(folder.outbox.pending())


@pytest.mark.parametrize("delay", [None, 0.1])
def test_posted_commands_are_recorded_before_they_are_removed(
    make, folder, monkeypatch, delay
) -> None:
    monkeypatch.setattr(driving, "INBOX_SECONDS", 0.02)
    removed: list[str] = []
    plain = type(folder.inbox).remove

    def remove(inbox, message) -> None:
        assert "user.command" in kinds(folder)  # on the disk by now
        removed.append(message)
        plain(inbox, message)

    monkeypatch.setattr(type(folder.inbox), "remove", remove)
    engine = FakeEngine()
    engine.hold = {"explore"}
    if delay is None:
        folder.inbox.post("stop", {"why": "enough"})  # while nothing runs
    else:
        threading.Timer(delay, folder.inbox.post, ("stop", {"why": "enough"})).start()
    driver = make(engine)
    outcome = driver.run()
    assert (outcome.status, outcome.reason) == ("stopped", "enough")
    assert len(removed) == kinds(folder).count("user.command") == 1
    assert not folder.inbox.pending()
    seen = [event for event in driver.controller.seen if isinstance(event, Posted)]
    assert bool(seen) == (delay is not None)


def test_a_command_is_removed_by_an_end_right_after_it(make, folder, monkeypatch) -> None:
    """``querist stop``, then Ctrl-C: a resumed run would be stopped once more."""
    monkeypatch.setattr(driving, "INBOX_SECONDS", 0.02)
    plain, seen = driving.Driver._on_durable, list[Any]()
    monkeypatch.setattr(driving.Driver, "_on_durable", lambda *a: None if seen else plain(*a))
    engine = FakeEngine()
    engine.hold = {"explore"}
    driver = make(engine)

    def event(event, _now) -> None:
        if isinstance(event, Posted):
            seen.append(event)
            driver.interrupt("Ctrl-C")

    driver.watcher.event = event
    threading.Timer(0.2, folder.inbox.post, ("stop", {"why": "enough"})).start()
    outcome = driver.run()
    assert (outcome.status, outcome.reason) == ("stopped", "Ctrl-C")
    assert kinds(folder).count("user.command") == 1
    assert not folder.inbox.pending()


def test_an_answer_from_outside_must_be_finite(make, folder) -> None:
    engine = FakeEngine()
    engine.hold = {"label"}
    driver = make(engine)
    said: list[str] = []
    driver.watcher.say = lambda level, text: said.append(text)

    def answer() -> None:
        question = driver.controller.asking.tasks
        identity = next(iter(question.values()))[1][0].question.id
        for value in (np.nan, 4.0):
            folder.inbox.post("answer", {"question": identity}, {"y": np.array([value])})

    threading.Timer(0.2, answer).start()
    threading.Timer(1.5, driver.interrupt, ("enough",)).start()
    driver.run()
    found = [r for r in folder.journal_reader().read_new() if r.kind == "answer.label"]
    assert [r.arrays["out/y"].tolist() for r in found] == [[4.0]]
    assert any("'y' holds values that are not finite" in text for text in said)


def test_snapshots_hold_no_question_without_a_record(make, folder, monkeypatch) -> None:
    monkeypatch.setattr(driving, "SNAPSHOT_SECONDS", 0.0)
    written = []
    plain = type(folder.snapshots).write

    def write(snapshots, seq, state, arrays):
        on_disk = kinds(folder)
        written.append((len(state["open"]) + len(state["closed"]), on_disk.count("question.asked")))
        return plain(snapshots, seq, state, arrays)

    monkeypatch.setattr(type(folder.snapshots), "write", write)
    make().run()
    assert len(written) > 5
    assert all(held <= asked for held, asked in written)


def test_a_snapshot_that_cannot_be_written_ends_the_run(make, folder, monkeypatch) -> None:
    def write(snapshots, seq, state, arrays):
        raise StoreFull("There is no space left for a snapshot.")

    monkeypatch.setattr(driving, "SNAPSHOT_SECONDS", 0.0)
    monkeypatch.setattr(type(folder.snapshots), "write", write)
    outcome = make().run()
    assert (outcome.status, outcome.reason) == ("failed", "There is no space left for a snapshot.")


def test_the_journal_is_closed_when_something_unforeseen_is_raised(make, folder) -> None:
    engine = FakeEngine()

    def broken(task: Task) -> None:
        raise ZeroDivisionError("unforeseen")

    engine.submit = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        make(engine).run()
    assert kinds(folder)[0] == "run.started"
    with folder.journal_writer() as writer:  # the old one is closed: another may write
        writer.append("x", {})


def test_signals_are_handed_over_once_and_handlers_put_back() -> None:
    heard: list[str] = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with signals(heard.append):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert heard == ["stopped by SIGTERM"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_no_handler_is_set() -> None:
    before, entered = signal.getsignal(signal.SIGINT), []

    def run() -> None:
        with signals(entered.append):
            entered.append("in")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == ["in"]
    assert signal.getsignal(signal.SIGINT) is before


def test_tasks_go_to_the_engine_as_they_are(make) -> None:
    engine = FakeEngine()
    make(engine).run()
    assert {task.kind for task in engine.submitted} == {"explore", "label"}
    assert Submit(engine.submitted[0]).task is engine.submitted[0]


def test_nothing_is_submitted_once_the_journal_takes_no_more(make, monkeypatch) -> None:
    engine = FakeEngine()
    driver = make(engine)
    Full(monkeypatch, 1)
    assert driver.run().status == "failed"
    begun = len(engine.submitted)
    driver._carry_out([Submit(Task("late", "label", "oracle.o", {}))])
    assert len(engine.submitted) == begun > 0

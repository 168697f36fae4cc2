"""Drives a controller with an engine and a store: the only place where the three meet.

Events go in, commands are carried out, facts are appended, and what became durable is told back.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from querist.campaign.partial import Partial
from querist.control.desk import Desk
from querist.core.answers import Reason
from querist.core.batch import Array
from querist.core.events import (
    Acknowledge,
    Cancel,
    Command,
    Durable,
    Event,
    Fact,
    Finish,
    Interrupted,
    Move,
    Posted,
    Record,
    Say,
    StoreBroken,
    Submit,
    TaskFailed,
    TaskFinished,
    TaskProgress,
    Tick,
)
from querist.core.roles import Controller, Engine
from querist.engines import SupportsMove, is_virtual
from querist.store.errors import StoreError
from querist.store.lock import WriterLock
from querist.store.run_folder import RunFolder

INBOX_SECONDS = 0.5
HELD_SECONDS = 0.1  # between looks for a command while virtual time stands still
SNAPSHOT_SECONDS = 30.0
GRACE_SECONDS = 3.0
COLLECT_AFTER = 20_000  # new objects between two looks for cycles, of which a run makes hardly any
# Schedulers send the latter two before they kill, as they are told (SLURM: --signal=B:USR1@120).
ORDERLY = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
ENDED_BY_FORCE = (Reason.WORKER_LOST, Reason.CANCELLED)


class Watcher(Protocol):
    """Something that looks on: live progress, or nothing."""

    def event(self, event: Event, now: float) -> None:
        """Something happened."""

    def fact(self, fact: Fact) -> None:
        """Something was recorded."""

    def say(self, level: str, message: str) -> None:
        """The controller says a sentence."""

    def refresh(self, now: float) -> None:
        """Called several times a second."""


class Driven(Controller, Protocol):
    """What a driver drives: a controller whose commands include records of facts."""

    desk: Desk

    @property
    def folded(self) -> int:
        """Up to which record its state has everything."""

    def begin(
        self, now: float, header: Mapping[str, Any], posted: Iterable[Posted] = ()
    ) -> Sequence[Command]:
        """First call; records the start."""

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Its state."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: "finished", "stopped" or "failed", and why."""

    status: str
    reason: str


class Driver:
    """One run of one controller.

    Args:
        folder: The run's folder, whose lock the caller holds.
        controller: Not begun yet.
        engine: Started by the caller, closed by the caller.
        lock: The run's lock, checked now and then (its file system may have lost it).
        header: What "run.started" says of engine, host and pools.
        watcher: Looks on.
    """

    def __init__(
        self,
        folder: RunFolder,
        controller: Driven,
        engine: Engine,
        lock: WriterLock,
        header: Mapping[str, Any],
        watcher: Watcher,
    ) -> None:
        self.folder, self.controller, self.engine = folder, controller, engine
        self.header, self.watcher, self._lock = header, watcher, lock
        self._inbox, self._outbox = folder.inbox, folder.outbox
        self._durable = self._told = controller.desk.seq
        self._failed: StoreError | None = None
        self._signals: list[str] = []
        self._outcome: Outcome | None = None
        self._partial = Partial(folder.path)
        self._virtual = is_virtual(engine)
        self._next_inbox = 0.0
        self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS
        self._moves: list[Move] = []
        self._labels: deque[tuple[int, Fact]] = deque()  # recorded, not yet durable
        self._read: list[str] = []  # messages to be removed once the journal is closed

    # ------------------------------------------------------------------ other threads call these

    def _on_durable(self, seq: int) -> None:
        self._durable = seq
        self.engine.wake()

    def _on_failed(self, error: StoreError) -> None:
        self._failed = error
        self.engine.wake()

    def interrupt(self, message: str) -> None:
        """Ask for an orderly end; callable from a signal handler or another thread."""
        self._signals.append(message)
        self.engine.wake()

    # ------------------------------------------------------------------------------------- loop

    def run(self) -> Outcome:
        """Run to the end.

        Returns:
            How it ended. The journal is durable and closed by then.
        """
        self._writer = self.folder.journal_writer(
            on_durable=self._on_durable, on_failed=self._on_failed
        )
        try:
            with rare_collections():
                posted = (*self._left_in_outbox(), *self._posted())
                self._carry_out(self.controller.begin(self.engine.now(), self.header, posted))
                while self._outcome is None:
                    self._turn()
        finally:
            self._close()
        assert self._outcome is not None
        return self._outcome

    def _turn(self) -> None:
        if self._virtual:
            self._catch_up()
            if self.controller.desk.held:
                time.sleep(HELD_SECONDS)
        for event in self.engine.events(self._timeout()):
            self._handle(event)
        for event in self._own_events():
            self._handle(event)
        if self._moves:  # whoever is to move may only be coming
            self._moves = [one for one in self._moves if not self._moved(one)]
        self._partial.save()
        self._snapshot_when_due()
        self.watcher.refresh(self.engine.now())

    def _catch_up(self) -> None:
        """Virtual time passes only where all that was recorded is durable."""
        try:
            self._writer.flush()
            self._durable = max(self._durable, self._writer.durable_seq)
        except StoreError as error:
            self._failed = error

    def _timeout(self) -> float | None:
        if self._told < self._durable or self._signals or self._failed is not None:
            return 0.0
        deadline = self.controller.next_deadline()
        if self._virtual and self.controller.desk.held:
            return 0.0
        if self._virtual:
            return None if deadline is None else max(0.0, deadline - self.engine.now())
        wait = 0.2 if deadline is None else deadline - self.engine.now()
        return min(0.2, max(0.0, wait))

    def _own_events(self) -> Iterator[Event]:
        if self._told < (durable := self._durable):
            self._told = durable
            yield Durable(durable)
        if self._failed is not None:
            yield StoreBroken(str(self._failed))
        while self._signals:
            yield Interrupted(self._signals.pop(0), GRACE_SECONDS)
        deadline = self.controller.next_deadline()
        if deadline is not None and deadline <= self.engine.now():
            yield Tick()
        yield from self._posted()

    def _handle(self, event: Event) -> None:
        if isinstance(event, TaskFailed) and event.failure.reason in ENDED_BY_FORCE:
            # The worker may have put its answer into the outbox just before it was ended.
            for answer in self._left_in_outbox():
                self._pass_on(answer)
        if isinstance(event, TaskProgress):
            self._partial.progressed(event, self.engine.now())
        elif self._partial.tasks and isinstance(event, (TaskFinished, TaskFailed)):
            self._partial.ended(event)
        if isinstance(event, Durable):
            while self._labels and self._labels[0][0] <= event.seq:
                self._labels.popleft()
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if self._outcome is None:
            now = self.engine.now()
            self.watcher.event(event, now)
            self._carry_out(self.controller.handle(event, now))

    # --------------------------------------------------------------------------------- commands

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            _CARRY_OUT[type(command)](self, command)

    def _submit(self, command: Submit) -> None:
        if self._failed is None:  # else nothing says that it was asked, and the run ends
            self.engine.submit(command.task)

    def _cancel(self, command: Cancel) -> None:
        self.engine.cancel(command.task, command.why, command.hard)

    def _move(self, command: Move) -> None:
        self._moves.append(command)

    def _moved(self, move: Move) -> bool:
        engine: object = self.engine
        return not isinstance(engine, SupportsMove) or engine.move(*move)

    def _record(self, command: Record) -> None:
        fact = command.fact
        self.watcher.fact(fact)
        if fact.kind == "answer.label":
            self._labels.append((command.seq, fact))
        try:
            self._writer.append(fact.kind, fact.data, fact.arrays)
        except StoreError as error:
            self._failed = error

    def _acknowledge(self, command: Acknowledge) -> None:
        if self._outcome is None:
            self._remove(command.id)
        else:  # its record is not durable yet
            self._read.append(command.id)

    def _remove(self, message: str) -> None:
        if message.startswith("outbox:"):
            self._outbox.remove(self.folder.path / "outbox" / message[7:])
        else:
            self._inbox.remove(message)

    def _say(self, command: Say) -> None:
        self.watcher.say(command.level, command.message)

    def _finish(self, command: Finish) -> None:
        self._outcome = Outcome(command.status, command.reason)

    # ---------------------------------------------------------------------- inbox, outbox, disk

    def _posted(self) -> Iterator[Posted]:
        now = time.monotonic()
        if now < self._next_inbox:
            return
        self._next_inbox = now + INBOX_SECONDS
        for message in self._inbox.pending():
            yield Posted(message.id, message.kind, message.data, message.arrays)

    def _left_in_outbox(self) -> Iterator[Posted]:
        """Answers whose controller died before it had recorded them."""
        for parcel in self._outbox.pending():
            data = {**parcel.data, "question": parcel.task_id, "origin": "outbox"}
            yield Posted(f"outbox:{parcel.path.name}", "answer", data, parcel.arrays)

    def _snapshot_when_due(self) -> None:
        if time.monotonic() >= self._next_snapshot and self._failed is None:
            self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS
            self._lock.check()
            try:
                self._snapshot()
            except StoreError as error:
                self._failed = error

    def _snapshot(self) -> None:
        seq = self.controller.folded
        data, arrays = self.controller.snapshot()
        # It may hold questions asked after ``seq``; they must not outlive their records.
        self._writer.flush()
        self.folder.snapshots.write(seq, data, arrays)

    def _close(self) -> None:
        self._partial.close()
        try:
            if self._outcome is not None and self._failed is None:
                self._snapshot()
            self._writer.close()
            for message in self._read if self._failed is None else ():
                self._remove(message)
        except StoreError as error:
            self._failed = error
        if self._failed is not None:
            self._rescue()
            if self._outcome is not None:
                self._outcome = Outcome("failed", str(self._failed))

    def _rescue(self) -> None:
        """Put answers that the journal did not take into the outbox, as far as it takes them."""
        durable = self._writer.durable_seq
        try:
            for seq, fact in self._labels:
                if seq > durable and "outbox" not in fact.data:
                    data = {"level": fact.data["level"], "cost": fact.data["cost"]}
                    outputs = {name[4:]: value for name, value in fact.arrays.items()}
                    self._outbox.put(fact.data["question"], data, outputs)
        except StoreError:
            return  # no space there either: these few are asked again


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector look less often, which takes a sixth of the controller's time."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def signals(interrupt: Callable[[str], None]) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGUSR1 into an orderly end; a second SIGINT interrupts at once.

    Does nothing outside the main thread, where Python allows no signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        interrupt(f"stopped by {name}")

    before = {number: signal.signal(number, on_signal) for number in ORDERLY}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_CARRY_OUT: dict[type, Callable[[Driver, Any], None]] = {
    Submit: Driver._submit,
    Cancel: Driver._cancel,
    Move: Driver._move,
    Record: Driver._record,
    Acknowledge: Driver._acknowledge,
    Say: Driver._say,
    Finish: Driver._finish,
}

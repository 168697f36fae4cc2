"""Drives a controller with an engine and a store: the only place where the three meet.

Events go in, commands are carried out, facts are appended, and what became durable is told back.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from querist.control.controller import CampaignController
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
    Posted,
    Record,
    Say,
    StoreBroken,
    Submit,
    Tick,
)
from querist.core.roles import Engine
from querist.store.errors import StoreError
from querist.store.lock import WriterLock
from querist.store.run_folder import RunFolder

INBOX_SECONDS = 0.5
SNAPSHOT_SECONDS = 30.0
GRACE_SECONDS = 3.0


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
        controller: CampaignController,
        engine: Engine,
        lock: WriterLock,
        header: Mapping[str, Any],
        watcher: Watcher,
    ) -> None:
        self.folder, self.controller, self.engine = folder, controller, engine
        self.header, self.watcher, self._lock = header, watcher, lock
        self._writer = folder.journal_writer(on_durable=self._on_durable, on_failed=self._on_failed)
        self._inbox, self._outbox = folder.inbox, folder.outbox
        self._durable = self._writer.durable_seq
        self._told = self._durable
        self._failed: StoreError | None = None
        self._signals: list[str] = []
        self._outcome: Outcome | None = None
        self._next_inbox = 0.0
        self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS
        self._unsaved: list[Fact] = []
        self._version = controller.state.model.version

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
        try:
            self._carry_out(self.controller.begin(self.engine.now(), self.header))
            for event in self._left_in_outbox():
                self._handle(event)
            while self._outcome is None:
                self._turn()
        finally:
            self._close()
        assert self._outcome is not None
        return self._outcome

    def _turn(self) -> None:
        for event in self.engine.events(self._timeout()):
            self._handle(event)
        for event in self._own_events():
            self._handle(event)
        self._snapshot_when_due()
        self.watcher.refresh(self.engine.now())

    def _timeout(self) -> float:
        if self._told < self._durable or self._signals:
            return 0.0
        deadline = self.controller.next_deadline()
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
        if self._outcome is None:
            now = self.engine.now()
            self.watcher.event(event, now)
            self._carry_out(self.controller.handle(event, now))

    # --------------------------------------------------------------------------------- commands

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            _CARRY_OUT[type(command)](self, command)

    def _submit(self, command: Submit) -> None:
        self.engine.submit(command.task)

    def _cancel(self, command: Cancel) -> None:
        self.engine.cancel(command.task, command.why, command.hard)

    def _record(self, command: Record) -> None:
        self.watcher.fact(command.fact)
        try:
            self._writer.append(command.fact.kind, command.fact.data, command.fact.arrays)
        except StoreError as error:
            self._failed = error
            self._unsaved.append(command.fact)

    def _acknowledge(self, command: Acknowledge) -> None:
        if command.id.startswith("outbox:"):
            self._outbox.remove(self.folder.path / "outbox" / command.id[7:])
        else:
            self._inbox.remove(command.id)

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
        if time.monotonic() >= self._next_snapshot:
            self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS
            self._lock.check()
            self._snapshot()

    def _snapshot(self) -> None:
        seq = self.controller.folded
        if self._failed is None and seq <= self._durable:
            data, arrays = self.controller.snapshot()
            self.folder.snapshots.write(seq, data, arrays)

    def _close(self) -> None:
        try:
            self._writer.close()
            if self._outcome is not None:
                self._durable = max(self._durable, self._writer.durable_seq)
                self._snapshot()
        except StoreError as error:
            self._failed = error
        if self._failed is not None and self._outcome is not None:
            self._outcome = Outcome("failed", str(self._failed))

    @property
    def unsaved(self) -> Mapping[str, Mapping[str, Array]]:
        """Label arrays by question that could not be written."""
        labels = (fact for fact in self._unsaved if fact.kind == "answer.label")
        return {fact.data["question"]: fact.arrays for fact in labels}


@contextmanager
def signals(interrupt: Callable[[str], None]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into an orderly end; a second SIGINT raises KeyboardInterrupt.

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

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_CARRY_OUT: dict[type, Callable[[Driver, Any], None]] = {
    Submit: Driver._submit,
    Cancel: Driver._cancel,
    Record: Driver._record,
    Acknowledge: Driver._acknowledge,
    Say: Driver._say,
    Finish: Driver._finish,
}

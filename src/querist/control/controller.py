"""The campaign's controller: events in, commands out. No thread, clock, socket or file.

Facts are its only durable effect. An answer counts (for training, stopping, feedback) once the
driver says that its record is durable; everything else takes effect at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from querist.control.asking import Asking, Workers
from querist.control.desk import Desk
from querist.control.exploring import Exploring
from querist.control.plan import Plan
from querist.control.queue import Candidate
from querist.control.rules import View
from querist.control.state import CampaignState, OpenQuestion
from querist.control.training import POOL as TRAINER
from querist.control.training import Training
from querist.core.answers import Abstention, Label
from querist.core.batch import Array, Sample
from querist.core.events import (
    Command,
    Durable,
    Event,
    Fact,
    Interrupted,
    Posted,
    RoleChanged,
    StoreBroken,
    TaskFailed,
    TaskFinished,
    TaskProgress,
    TaskStarted,
    Tick,
    WorkerJoined,
    WorkerLost,
)
from querist.core.prediction import AnsweredSample


class CampaignController:
    """Decides what to ask, when to retrain and when to stop.

    Phases: "running", then "draining" (nothing new is asked, what is in flight is awaited),
    "closing" (last fit and evaluation) and "done"; or "interrupted" (what is in flight is awaited
    until a deadline) and "done".

    Args:
        plan: The campaign's fixed part.
        state: The fold of an earlier run's facts; None for a new run.
        seq: Sequence number of the last record in the journal.
        owner: Its name in engines that serve several controllers.
    """

    def __init__(
        self, plan: Plan, state: CampaignState | None = None, seq: int = 0, owner: str = ""
    ) -> None:
        self.plan = plan
        self.state = state if state is not None else CampaignState(plan)
        self.desk = Desk(seq, self.state.epoch + 1, owner)
        self.workers = Workers()
        self.asking = Asking(self.state, self.desk, self.workers, self._record_later)
        self.exploring = Exploring(self.state, self.desk, self.workers, self.asking)
        self.training = Training(
            self.state, self.desk, self.workers, self.asking, self._record_later
        )
        self.phase = "running"
        self._ending: tuple[str, str] = ("", "")
        self._until = math.inf
        self._pending: deque[tuple[int, Fact]] = deque()
        self._acknowledge: list[tuple[int, str]] = []
        self._posted: set[str] = set()

    # ------------------------------------------------------------------------------- protocol

    def begin(self, now: float, header: Mapping[str, Any]) -> Sequence[Command]:
        """First call: records the start, and plans to ask again what an earlier run left open.

        Args:
            now: Seconds of campaign time.
            header: What "run.started" shall say of engine, host and pools.
        """
        self.desk.now = now
        data = {**header, "epoch": self.desk.epoch}
        self.state.fold(self.desk.record("run.started", data)[1])
        for question in list(self.state.open.values()):
            if not self.asking.oracles[question.question.oracle].outside:
                self.asking.again(question, now)
        self._advance()
        return self.desk.take()

    def handle(self, event: Event, now: float) -> Sequence[Command]:
        """React to one event."""
        if self.phase == "done":
            return []
        self.desk.now = now
        _HANDLERS[type(event)](self, event)
        self._advance()
        return self.desk.take()

    def next_deadline(self) -> float | None:
        """When a tick is due at the latest."""
        return self.desk.next_deadline()

    def view(self) -> View:
        """What its policy sees now."""
        return self.state.view(
            self.desk.now,
            self.asking.queued,
            self.training.idle,
            self.exploring.current_scores(),
        )

    # --------------------------------------------------------------------------------- events

    def _tick(self, event: Tick) -> None:
        pass  # _advance looks at the time

    def _started(self, event: TaskStarted) -> None:
        self.asking.started(event.task, self.desk.now)

    def _progressed(self, event: TaskProgress) -> None:
        self.asking.progressed(event.task, event.data, self.desk.now)

    def _finished(self, event: TaskFinished) -> None:
        worker, spans = event.worker, event.spans
        if event.task in self.asking.tasks:
            self.asking.finished(event.task, event.result, worker, spans)
        elif self.exploring.owns(event.task):
            self.exploring.finished(event.task, event.result, worker, spans, self.view())
        elif self.training.owns(event.task):
            self.training.finished(event.task, event.result, worker, spans, self.view())

    def _failed(self, event: TaskFailed) -> None:
        worker, spans = event.worker, event.spans
        if event.task in self.asking.tasks:
            self.asking.failed(event.task, event.failure, worker, spans)
        elif self.exploring.owns(event.task):
            self.exploring.failed(event.task, event.failure, worker, spans)
        elif self.training.owns(event.task):
            self.training.failed(event.task, event.failure, worker, spans)

    def _joined(self, event: WorkerJoined) -> None:
        self.workers.join(event.worker, event.pool)
        self.desk.record("worker.joined", {"worker": event.worker, "pool": event.pool})

    def _lost(self, event: WorkerLost) -> None:
        self.workers.leave(event.worker, event.pool, event.message, final=event.final)
        data = {"worker": event.worker, "pool": event.pool, "message": event.message}
        self.desk.record("worker.lost", {**data, "final": event.final})
        level = "error" if event.final else "warning"
        self.desk.say(level, f"worker {event.worker} was lost: {event.message}")

    def _role_changed(self, event: RoleChanged) -> None:
        for pool, joined in self.workers.joined.items():
            if event.worker in joined:
                self.workers.leave(event.worker, pool, "changed its role", final=False)
        self.workers.join(event.worker, event.pool)
        self.desk.record("worker.joined", {"worker": event.worker, "pool": event.pool})

    def _durable(self, event: Durable) -> None:
        while self._pending and self._pending[0][0] <= event.seq:
            self._take_in(self._pending.popleft()[1])
        while self._acknowledge and self._acknowledge[0][0] <= event.seq:
            self.desk.acknowledge(self._acknowledge.pop(0)[1])

    def _take_in(self, fact: Fact) -> None:
        question = self.state.open.get(str(fact.data.get("question")))
        self.state.fold(fact)
        if fact.kind == "model.published":
            self.training.published(fact)
        elif question is not None:
            self.asking.durable(fact)
            self._tell(question, fact)

    def _tell(self, question: OpenQuestion, fact: Fact) -> None:
        """A durable final answer goes back to the walker that asked."""
        if question.question.id in self.state.open:
            return
        outputs = None
        if fact.kind == "answer.label":
            outputs = {k[4:]: v for k, v in fact.arrays.items() if k[:4] == "out/"}
        answer = AnsweredSample(question.walker, question.sample, outputs)
        self.exploring.tell(question.slot, answer)

    def _broken(self, event: StoreBroken) -> None:
        self._stop_exploring("the run's record cannot be written")
        self._done("failed", event.message)

    def _interrupted(self, event: Interrupted) -> None:
        if self.phase == "interrupted":
            self._done("stopped", event.message)
            return
        self.phase, self._ending = "interrupted", ("stopped", event.message)
        self._until = self.desk.now + event.grace
        self.desk.wake_at(self._until)
        self._stop_exploring(event.message)
        self.training.abandon(event.message)

    def _stop_exploring(self, why: str) -> None:
        self.exploring.stop(why)

    # --------------------------------------------------------------------------------- inbox

    def _posted_message(self, event: Posted) -> None:
        if event.id in self._posted:
            return
        self._posted.add(event.id)
        if event.kind in ("answer", "abstain"):
            self._answered_outside(event)
        elif event.kind == "stop":
            self._command(event)
            self._interrupted(Interrupted(str(event.data.get("why", "a user stopped the run"))))
        elif event.kind in ("pause", "resume", "set", "lease"):
            self._command(event)
        else:
            self.desk.say("warning", f"a posted message of unknown kind {event.kind!r} was ignored")
            self.desk.acknowledge(event.id)

    def _command(self, event: Posted) -> None:
        data = {"kind": event.kind, "data": dict(event.data)}
        seq, fact = self.desk.record("user.command", data)
        self.state.fold(fact)
        self._acknowledge.append((seq, event.id))

    def _answered_outside(self, event: Posted) -> None:
        question = self.state.open.get(str(event.data.get("question")))
        if question is None or question.recording:
            self.desk.acknowledge(event.id)  # answered in the meantime: nothing to do
            return
        task = question.task
        outcome = (
            Label(event.arrays, str(event.data.get("level", "")), event.data.get("cost"))
            if event.kind == "answer"
            else Abstention(str(event.data.get("message", "")))
        )
        origin = str(event.data.get("origin", "outside"))
        facts = {"worker": str(event.data.get("worker", origin)), "origin": origin}
        spans = event.data.get("spans") or dict.fromkeys(
            ("submitted", "started", "finished", "received"), self.desk.now
        ) | {"cpu": 0.0}
        cost = float(event.data.get("seconds", 0.0))
        self.asking.answer(question, outcome, {**facts, "spans": spans, "cost": cost})
        self._acknowledge.append((self.desk.seq, event.id))
        if task is not None and all(q.task != task for q in self.asking.tasks[task][1]):
            self.desk.cancel(task, "it was answered from outside")

    # -------------------------------------------------------------------------------- advance

    def _record_later(
        self, kind: str, data: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> None:
        seq, fact = self.desk.record(kind, data, arrays)
        self._pending.append((seq, fact))
        if "outbox" in data:
            self._acknowledge.append((seq, data["outbox"]))

    def _advance(self) -> None:
        """Everything that may follow from any event."""
        now = self.desk.now
        self.asking.expire(now)
        if self.phase == "running":
            self._run(now)
        elif self.phase == "draining":
            self._drain()
        elif self.phase == "closing":
            self._close()
        elif self.phase == "interrupted" and (now >= self._until or not self._in_flight()):
            self._done(*self._ending)
        self.exploring.dismiss_dropped()

    def _run(self, now: float) -> None:
        if not self.state.paused:
            self.asking.fill(now)
            self.training.consider(self.view())
            self.exploring.fill(now)
        self._consider_stop()

    def _consider_stop(self) -> None:
        view = self.view()
        reason = self.plan.policy.should_stop(view) or self._spent() or self._out_of_time()
        if reason is not None:
            self._drain_for("finished", reason)
        elif (failure := self._hopeless()) is not None:
            self._drain_for("failed", failure)
        elif self.state.ledger.exhausted and not self.training.busy:
            self._drain_for("finished", "the budget has no room for another question")
        elif self._nothing_left(view):
            self._drain_for("finished", "nothing is left to ask: all generators are exhausted")

    def _spent(self) -> str | None:
        ledger = self.state.ledger
        if ledger.labels >= ledger.label_limit:
            return f"{ledger.labels} labels (of {ledger.label_limit:g})"
        if ledger.cost >= ledger.cost_limit:
            return f"the cost reached {ledger.cost:.4g} (of {ledger.cost_limit:g})"
        return None

    def _out_of_time(self) -> str | None:
        limit = self.state.seconds
        if limit is None:
            return None
        if self.desk.now < limit:
            self.desk.wake_at(limit)
            return None
        return f"the wall time reached {self.desk.now:.0f} s (of {limit:g} s)"

    def _hopeless(self) -> str | None:
        state, give_up = self.state, self.plan.retry.give_up
        if state.quarantined >= give_up and not state.ledger.labels:
            last = self.asking.last_failure
            return f"all of the first {state.quarantined} questions failed, the last one: {last}"
        if self.training.failure:
            return self.training.failure
        for pool, message in self.workers.lost.items():
            if self._is_needed(pool):
                return f"no worker is left in the pool {pool!r}: {message}"
        slots = self.exploring.slots
        if self.exploring.dead == len(slots) > 0 and not self.asking.queued and not state.open:
            return f"all explorers failed, the last one: {slots[-1].dead}"
        return None

    def _is_needed(self, pool: str) -> bool:
        if pool.startswith("explorer."):
            return all(f"explorer.{i}" in self.workers.lost for i in range(self.plan.explorers))
        return pool == TRAINER or any(oracle.pool == pool for oracle in self.plan.oracles)

    def _nothing_left(self, view: View) -> bool:
        if view.queued or view.outstanding or self._pending or self.training.busy:
            return False
        if view.version == 0 and view.train_labels and self.plan.trainers:
            return False
        return self.exploring.exhausted

    # --------------------------------------------------------------------------------- ending

    def _drain_for(self, status: str, reason: str) -> None:
        self.phase, self._ending = "draining", (status, reason)
        self._stop_exploring(reason)
        self._drain()

    def _drain(self) -> None:
        if self._in_flight():
            return
        wants_fit = self.plan.final_fit and self.plan.trainers and self._ending[0] == "finished"
        if wants_fit and self.state.fresh > 0 and self.training.idle and not self.training.failure:
            self.training.begin("the campaign ends")
        self.phase = "closing"
        self._close()

    def _close(self) -> None:
        if not self.training.busy and not self._pending:
            self._done(*self._ending)

    def _in_flight(self) -> bool:
        """Whether answers, slices, or records that must be durable are on the way."""
        running = any(question.task is not None for question in self.state.open.values())
        fitting = self.phase == "draining" and self.training.busy
        return running or fitting or bool(self._pending) or self.exploring.busy

    def _done(self, status: str, reason: str) -> None:
        if self.phase == "done":
            return
        self.phase = "done"
        self.desk.record("run.ended", {"status": status, "reason": reason})
        self.desk.finish(status, reason)

    # ------------------------------------------------------------------------------- snapshot

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The folded state and what waits in queues; valid for the records folded so far."""
        data, arrays = self.state.snapshot()
        waiting = self.asking.waiting()
        for index, candidate in enumerate(waiting):
            arrays |= {f"queue/{index}/{k}": v for k, v in candidate.sample.arrays.items()}
        data["queue"] = [_candidate_json(candidate) for candidate in waiting]
        return data, arrays

    @property
    def folded(self) -> int:
        """Sequence number up to which a snapshot taken now is complete."""
        return self._pending[0][0] - 1 if self._pending else self.desk.seq

    def requeue(self, data: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Put back the candidates of a snapshot; call it after ``begin``'s state was folded."""
        view = self.view()
        for index, item in enumerate(data.get("queue", ())):
            prefix = f"queue/{index}/"
            held = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
            self.asking.admit(_candidate_from(item, held), view)


def _candidate_json(candidate: Candidate) -> list[Any]:
    score = candidate.score if math.isfinite(candidate.score) else None
    sample = candidate.sample
    return [sample.id, sample.uri, score, candidate.why, candidate.version]


def _candidate_from(item: Sequence[Any], arrays: Mapping[str, Array]) -> Candidate:
    # Walkers of an earlier process no longer wait, so slot and walker are not kept.
    sample = Sample(arrays, item[1], item[0])
    score = math.nan if item[2] is None else item[2]
    return Candidate(sample, score, item[3], -1, -1, item[4])


_HANDLERS: dict[type, Callable[[CampaignController, Any], None]] = {
    Tick: CampaignController._tick,
    TaskStarted: CampaignController._started,
    TaskProgress: CampaignController._progressed,
    TaskFinished: CampaignController._finished,
    TaskFailed: CampaignController._failed,
    WorkerJoined: CampaignController._joined,
    WorkerLost: CampaignController._lost,
    RoleChanged: CampaignController._role_changed,
    Durable: CampaignController._durable,
    StoreBroken: CampaignController._broken,
    Posted: CampaignController._posted_message,
    Interrupted: CampaignController._interrupted,
}

"""The campaign's controller: events in, commands out. No thread, clock, socket or file.

Facts are its only durable effect. An answer counts (for training, stopping, feedback) once the
driver says that its record is durable; everything else takes effect at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from querist.control import posted
from querist.control.asking import Asking
from querist.control.desk import Desk, without_prefix
from querist.control.exploring import Exploring
from querist.control.plan import Plan
from querist.control.queue import Candidate
from querist.control.rules import Rule, View
from querist.control.staffing import Staffing
from querist.control.state import CampaignState, OpenQuestion
from querist.control.training import POOL as TRAINER
from querist.control.training import Training
from querist.control.workers import Workers
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
        self.staffing = Staffing(self.desk, self.workers, self.exploring)
        self.phase = "running"
        self._ending: tuple[str, str] = ("", "")
        self._until = math.inf
        self._wakes = math.nan
        self._pending: deque[tuple[int, Fact]] = deque()
        self._acknowledge: deque[tuple[int, str]] = deque()
        self._posted: set[str] = set()
        self._held: dict[str, list[Posted]] = {}
        self._quarantined_before = self.state.quarantined

    # ------------------------------------------------------------------------------- protocol

    def begin(
        self, now: float, header: Mapping[str, Any], posted: Iterable[Posted] = ()
    ) -> Sequence[Command]:
        """First call: records the start, and plans to ask again what an earlier run left open.

        Args:
            now: Seconds of campaign time.
            header: What "run.started" shall say of engine, host and pools.
            posted: Messages from before; they count before any rule is looked at, so that a
                larger budget continues a finished run.
        """
        self.desk.now = now
        data = {**header, "epoch": self.desk.epoch}
        self.state.fold(self.desk.record("run.started", data)[1])
        self.workers.expect(header.get("pools", {}))
        self.staffing.expect(header)
        for when in _deadlines(self.plan.policy):
            self.desk.wake_at(when)
        for message in posted:
            self._posted_message(message)
        self.training.evaluate_newest()
        for question in list(self.state.open.values()):
            if not self.asking.oracles[question.question.oracle].outside:
                self.asking.again(question, now)
        self._advance()
        return self._taken()

    def handle(self, event: Event, now: float) -> Sequence[Command]:
        """React to one event."""
        if self.phase == "done":
            return []
        self.desk.now = now
        news = _HANDLERS[type(event)](self, event)
        if news is None or self.phase != "running":
            self._advance()
        elif news and not self.state.paused:
            self.asking.fill(now)
        return self._taken()

    def _taken(self) -> Sequence[Command]:
        rests = self.state.paused and self.phase == "running"
        self.desk.held = rests and not (self._in_flight() or self.training.busy)
        return self.desk.take()

    def next_deadline(self) -> float | None:
        """When a tick is due at the latest; always later than the last event."""
        return None if self.phase == "done" else self.desk.next_deadline()

    def view(self) -> View:
        """What its policy sees now."""
        return self.state.view(
            self.desk.now,
            self.asking.queued,
            self.training.idle,
            self.exploring.current_scores(),
        )

    # --------------------------------------------------------------------------------- events
    # Most handlers return None: anything may follow. Answers count only once they are durable, so
    # until then their arrival changes nothing but who has room: True. False says that nothing does.

    def _tick(self, event: Tick) -> None:
        pass  # _advance looks at the time

    def _started(self, event: TaskStarted) -> bool:
        self.asking.started(event.task, self.desk.now)
        return False

    def _progressed(self, event: TaskProgress) -> bool:
        self.asking.progressed(event.task, event.data, self.desk.now)
        return True

    def _finished(self, event: TaskFinished) -> bool | None:
        worker, spans = event.worker, event.spans
        if event.task in self.asking.tasks:
            self.asking.finished(event.task, event.result, worker, spans)
            return True if self._pending else None
        if self.exploring.owns(event.task):
            self.exploring.finished(event.task, event.result, worker, spans, self.view())
        elif self.training.owns(event.task):
            self.training.finished(event.task, event.result, worker, spans, self.view())
        return None

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
        self.exploring.joined(event.pool)
        self.desk.record("worker.joined", {"worker": event.worker, "pool": event.pool})

    def _lost(self, event: WorkerLost) -> None:
        # The story of a role that could not be opened is its traceback: people are told its end.
        lines = [line.strip() for line in event.message.splitlines() if line.strip()]
        gist = lines[-1] if lines else "no reason is known"
        self.workers.leave(event.worker, event.pool, gist, final=event.final)
        if event.pool in self.workers.lost:
            self.exploring.lost(event.pool, gist)
        data = {"worker": event.worker, "pool": event.pool, "message": event.message}
        self.desk.record("worker.lost", {**data, "final": event.final})
        level = "error" if event.final else "warning"
        self.desk.say(level, f"worker {event.worker} was lost: {gist}")

    def _role_changed(self, event: RoleChanged) -> None:
        self.staffing.left(event.worker, event.pool)

    def _durable(self, event: Durable) -> bool | None:
        pending, upto = self._pending, event.seq
        news = None if pending and pending[0][0] <= upto else False
        while pending and pending[0][0] <= upto:
            self._take_in(pending.popleft()[1])
        while self._acknowledge and self._acknowledge[0][0] <= upto:
            self.desk.acknowledge(self._acknowledge.popleft()[1])
        return news

    def _take_in(self, fact: Fact) -> None:
        question = self.state.open.get(fact.data.get("question", ""))
        self.state.fold(fact)
        if fact.kind == "model.published":
            self.training.published(fact)
        elif question is not None:
            self.asking.durable(fact)
            self._tell(question, fact)
            if question.id in self._held:
                for event in self._held.pop(question.id):
                    self._answered_outside(event)

    def _tell(self, question: OpenQuestion, fact: Fact) -> None:
        """A durable final answer goes back to the walkers that wait for it."""
        if question.id in self.state.open:
            return
        outputs = None
        if fact.kind == "answer.label":
            outputs = without_prefix("out/", fact.arrays)
        self.exploring.resolve(question.sample, outputs, (question.slot, question.walker))

    def _broken(self, event: StoreBroken) -> None:
        self.exploring.stop("the run's record cannot be written")
        self.phase = "done"  # no last record: there is nothing to write it to
        self.desk.finish("failed", event.message)

    def _interrupted(self, event: Interrupted) -> None:
        if self.phase == "interrupted":
            self._done("stopped", event.message)
            return
        self.phase, self._ending = "interrupted", ("stopped", event.message)
        self._until = self.desk.now + event.grace
        self.desk.wake_at(self._until)
        self.exploring.stop(event.message)
        self.training.abandon(event.message)

    # --------------------------------------------------------------------------------- inbox

    def _posted_message(self, event: Posted) -> None:
        if event.id in self._posted:
            return
        self._posted.add(event.id)
        problem = posted.problem(event)
        if problem is not None:
            self.desk.say("warning", f"the posted message {event.id!r} was ignored: {problem}")
            self.desk.acknowledge(event.id)
        elif event.kind == "staff":
            is_early = self.phase == "running"
            self._acknowledge.append((self.staffing.move(event.data, is_early), event.id))
        elif event.kind in posted.OUTCOMES:
            self._answered_outside(event)
        else:
            self._command(event)

    def _command(self, event: Posted) -> None:
        data = {"kind": event.kind, "data": dict(event.data)}
        seq, fact = self.desk.record("user.command", data)
        self.state.fold(fact)
        self._acknowledge.append((seq, event.id))
        # Again it ends nothing sooner: it would stay in the inbox, and end each resumed run, too.
        if event.kind == "stop" and self.phase != "interrupted":
            self._interrupted(Interrupted(str(event.data.get("why", "a user stopped the run"))))
        elif event.kind == "set":
            self.exploring.set_limits()
        elif event.kind == "lease":
            self.asking.outside.lend(event.data)

    def _answered_outside(self, event: Posted) -> None:
        question = self.state.open.get(event.data["question"]) or self._asked_before(event)
        if question is None:
            self.desk.acknowledge(event.id)
            known = event.data["question"] in self.state.closed
            why = "was answered or withdrawn before" if known else "was never asked"
            self.desk.say("warning", f"a posted {event.kind} came to nothing: its question {why}")
            return
        if question.recording:
            # What is being recorded may be a failure that is to be tried again.
            self._held.setdefault(question.id, []).append(event)
            return
        task = question.task
        self.asking.answer(question, posted.outcome(event), posted.facts(event, self.desk.now))
        self._acknowledge.append((self.desk.seq, event.id))
        if task is not None and all(q.task != task for q in self.asking.tasks[task][1]):
            self.desk.cancel(task, "it was answered from outside, or withdrawn")

    def _asked_before(self, event: Posted) -> OpenQuestion | None:
        """The question of an answer that outlived its controller, though no record of it did."""
        data, sample = posted.asked(event)
        if data.get("oracle") not in self.asking.oracles or self.state.knows(data["question"]):
            return None
        data["estimate"] = self.state.costs.estimate(data["oracle"])
        if not self.state.ledger.allows(data["estimate"]):
            return None
        self.asking.forget(data["sample"])
        return self.asking.record(data, sample)

    # -------------------------------------------------------------------------------- advance

    def _record_later(self, kind: str, data: dict[str, Any], arrays: Mapping[str, Array]) -> None:
        seq, fact = self.desk.record(kind, data, arrays)
        self._pending.append((seq, fact))
        if "outbox" in data:
            self._acknowledge.append((seq, data["outbox"]))

    def _advance(self) -> None:
        """Everything that may follow from any event."""
        now = self.desk.now
        self.asking.expire(now)
        self.exploring.dismiss_dropped()
        if self.phase == "running":
            self._run(now)
        elif self.phase == "draining":
            self._drain()
        elif self.phase == "closing":
            self._close()
        elif self.phase == "interrupted" and (now >= self._until or not self._in_flight()):
            self._done(*self._ending)

    def _run(self, now: float) -> None:
        if self.state.paused:
            self._consider_stop(self.view())
            return
        exhausted = self.exploring.exhausted
        if exhausted:
            self.asking.release(self.view())
        self.asking.fill(now)
        view = self.view()
        idle = view.version == 0 and not view.queued and not view.outstanding
        last = idle and (exhausted or self.exploring.repeats)
        self.training.consider(view, last=last, exhausted=exhausted)
        self.exploring.fill(now)
        self._consider_stop(view)

    def _consider_stop(self, view: View) -> None:
        reason = self.plan.policy.should_stop(view) or self._spent() or self._out_of_time()
        if reason is not None:
            self._drain_for("finished", reason)
        elif (failure := self._hopeless()) is not None:
            self._drain_for("failed", failure)
        elif not (view.outstanding and self.asking.tasks) and not self._is_busy():
            self._consider_end(view)

    def _consider_end(self, view: View) -> None:
        """Whether it must end, now that nothing is on the way but exploring."""
        if self.asking.exhausted or self.exploring.beyond_means:
            self._drain_for("finished", "the budget has no room for another question")
        elif view.outstanding:
            return
        elif view.version == 0 and self.asking.initial_left <= 0 and not self.plan.trainers:
            self._drain_for("finished", "all initial questions are answered; nothing is trained")
        elif view.version == 0 and self.asking.initial_left <= 0 and not view.train_labels:
            self._drain_for("failed", "there is no label to train a first model on")
        elif not view.queued and not self._awaits_first_fit(view) and self.exploring.exhausted:
            why = self.exploring.ended or "all generators are exhausted"
            self._drain_for("finished", f"nothing is left to ask: {why}")
        elif not view.queued and (why := self.exploring.blind):
            self._drain_for("failed", why)

    def _awaits_first_fit(self, view: View) -> bool:
        return view.version == 0 and view.train_labels > 0 and self.plan.trainers > 0

    def _is_busy(self) -> bool:
        return bool(self._pending) or self.training.busy

    def _spent(self) -> str | None:
        ledger = self.state.ledger
        if ledger.labels >= ledger.label_limit:
            return f"{ledger.labels} labels (of {ledger.label_limit:g})"
        if ledger.cost >= ledger.cost_limit:
            return f"the cost reached {ledger.cost:.4g} (of {ledger.cost_limit:g})"
        return None

    def _out_of_time(self) -> str | None:
        if (limit := self.state.seconds) is None:
            return None
        if self.desk.now < limit:
            if self._wakes != limit:
                self._wakes = limit
                self.desk.wake_at(limit)
            return None
        return f"the wall time reached {self.desk.now:.0f} s (of {limit:g} s)"

    def _hopeless(self) -> str | None:
        state, exploring = self.state, self.exploring
        failed = 0 if state.ledger.labels else state.quarantined - self._quarantined_before
        if why := self.plan.retry.hopeless(failed, self.asking.failed_in_a_row):
            return f"{why}, the last one: {state.last_failure}"
        for pool, message in self.workers.lost.items():
            if pool == TRAINER or any(oracle.pool == pool for oracle in self.plan.oracles):
                return f"no worker is left in the pool {pool!r}: {message}"
        if self.training.failure:
            return self.training.failure
        is_done = not self.asking.queued and not state.open
        if exploring.dead == len(exploring.slots) > 0 and is_done:
            return f"all explorers failed, the last one: {exploring.last_death}"
        return None

    # --------------------------------------------------------------------------------- ending

    def _drain_for(self, status: str, reason: str) -> None:
        self.phase, self._ending = "draining", (status, reason)
        self.exploring.stop(reason)
        self.training.rescores = False
        self._drain()

    def _drain(self) -> None:
        if self._in_flight() or self.training.busy:
            return
        if self._wants_last_fit():
            if not self.training.idle:
                return  # a trainer is starting or coming back
            self.training.begin("the campaign ends")
        self.phase = "closing"
        self._close()

    def _wants_last_fit(self) -> bool:
        wanted = self.plan.final_fit and self.plan.trainers and self._ending[0] == "finished"
        can = not self.training.failure and TRAINER not in self.workers.lost
        return bool(wanted and can and self.state.fresh > 0)

    def _close(self) -> None:
        if self.training.busy or self._in_flight():
            return
        if self.training.failure and self._ending[0] == "finished":
            self._ending = ("failed", self.training.failure)
        self._done(*self._ending)

    def _in_flight(self) -> bool:
        """Whether answers, slices, or records that must be durable are on the way."""
        return bool(self.asking.tasks or self._pending or self._acknowledge or self.exploring.busy)

    def _done(self, status: str, reason: str) -> None:
        self.phase = "done"
        self.desk.record("run.ended", {"status": status, "reason": reason})
        self.desk.finish(status, reason, (message for _, message in self._acknowledge))

    # ------------------------------------------------------------------------------- snapshot

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The folded state and what waits in queues; valid for the records folded so far."""
        data, arrays = self.state.snapshot()
        data["now"] = max(self.state.now, self.desk.now)  # not all facts are folded while it runs
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
        """Put back the candidates of a snapshot, before or after ``begin``."""
        view = self.view()
        for index, item in enumerate(data.get("queue", ())):
            prefix = f"queue/{index}/"
            self.asking.admit(_candidate_from(item, without_prefix(prefix, arrays)), view)


def _candidate_json(candidate: Candidate) -> list[Any]:
    score = candidate.score if math.isfinite(candidate.score) else None
    sample = candidate.sample
    return [sample.id, sample.uri, score, candidate.why, candidate.version]


def _candidate_from(item: Sequence[Any], arrays: Mapping[str, Array]) -> Candidate:
    # Walkers of an earlier process no longer wait, so slot and walker are not kept.
    sample = Sample(arrays, item[1], item[0])
    score = math.nan if item[2] is None else item[2]
    return Candidate(sample, score, item[3], -1, -1, item[4])


def _deadlines(policy: Any) -> list[float]:
    """When the policy's rules may begin to hold though nothing happens."""
    rules = (getattr(policy, name, None) for name in ("retrain", "stop"))
    return [when for rule in rules if isinstance(rule, Rule) for when in rule.deadlines()]


_HANDLERS: dict[type, Callable[[CampaignController, Any], bool | None]] = {
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

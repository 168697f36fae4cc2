"""What to ask next and of whom: queues, purposes, reservations, retries, time limits."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from querist.control.desk import Desk, spans_json
from querist.control.plan import OraclePlan
from querist.control.queue import Candidate, CandidateQueue
from querist.control.rules import View
from querist.control.state import CampaignState, OpenQuestion
from querist.core.answers import Abstention, Failure, Label, Outcome, Purpose, Question, Reason
from querist.core.batch import Array
from querist.core.events import Fact
from querist.core.tasks import Spans

RecordLater = Callable[[str, Mapping[str, Any], Mapping[str, Array]], None]
"""Records a fact that is folded only once it is durable."""


class Workers:
    """How many workers each pool has now, and how many of its tasks are on the way."""

    def __init__(self) -> None:
        self.joined: dict[str, set[str]] = {}
        self.lost: dict[str, str] = {}
        self.busy: dict[str, int] = {}

    def join(self, worker: str, pool: str) -> None:
        """A worker is ready."""
        self.joined.setdefault(pool, set()).add(worker)
        self.lost.pop(pool, None)

    def leave(self, worker: str, pool: str, message: str, *, final: bool) -> None:
        """A worker is gone, for good or to be replaced."""
        self.joined.setdefault(pool, set()).discard(worker)
        if final and not self.joined[pool]:
            self.lost[pool] = message

    def count(self, pool: str) -> int:
        """Workers that are ready."""
        return len(self.joined.get(pool, ()))

    def take(self, pool: str) -> None:
        """One more task of the pool is on the way."""
        self.busy[pool] = self.busy.get(pool, 0) + 1

    def free(self, pool: str) -> None:
        """A task of the pool came back."""
        self.busy[pool] = self.busy.get(pool, 0) - 1

    def room(self, pool: str, ahead: int = 0) -> int:
        """Tasks that the pool could take now, with ``ahead`` waiting for each worker."""
        return self.count(pool) * (1 + ahead) - self.busy.get(pool, 0)


class Asking:
    """Turns candidates into questions and questions into tasks.

    Args:
        state: The campaign's state, changed only through facts.
        desk: Where commands go.
        workers: Shared count of workers.
        record_later: Records facts that count only once durable.
    """

    def __init__(
        self, state: CampaignState, desk: Desk, workers: Workers, record_later: RecordLater
    ) -> None:
        self.state, self.desk, self.workers = state, desk, workers
        self.record_later = record_later
        plan = state.plan
        self.oracles = {oracle.name: oracle for oracle in plan.oracles}
        self.queues = {name: CandidateQueue(plan.max_queue) for name in self.oracles}
        self.probes: deque[Candidate] = deque(maxlen=64)
        self.tasks: dict[str, tuple[OraclePlan, list[OpenQuestion]]] = {}
        self.timed_out: set[str] = set()
        self.dropped: list[Candidate] = []
        self.seconds: dict[str, float] = {}
        self.last_failure = ""
        self._again: list[tuple[float, str]] = []
        self._expiry: list[tuple[float, str]] = []

    # ------------------------------------------------------------------------------ admitting

    @property
    def queued(self) -> int:
        """Candidates that wait."""
        return sum(len(queue) for queue in self.queues.values())

    def admit(self, candidate: Candidate, view: View) -> bool:
        """Queue a candidate unless it is known already or its policy drops it."""
        policy = self.state.plan.policy
        oracle = policy.route(candidate.score) or self.state.plan.oracles[0].name
        queue = self.queues[oracle]
        if self.state.knows(Question(candidate.sample.id, oracle).id):
            return False
        priority = 0.0
        if candidate.version:
            chosen = policy.priority(candidate.score, view)
            if chosen is None or math.isnan(chosen):
                return False
            priority = chosen
        known = candidate.sample.id in queue
        evicted = queue.push(candidate, priority)
        if evicted is not None:
            self.dropped.append(evicted)
        return not known and evicted is not candidate

    def rescore(self, samples: Sequence[str], scores: Sequence[float], view: View) -> int:
        """Give waiting candidates their new uncertainty; returns how many became stale."""
        limits, stale = self.state.limits, 0
        for queue in self.queues.values():
            for sample, score in zip(samples, scores, strict=True):
                old = queue.remove(sample)
                if old is None:
                    continue
                fresh = Candidate(
                    old.sample, score, "uncertain", old.slot, old.walker, view.version
                )
                asked = limits is None or limits.ask < score <= limits.reject
                if not asked or not self.admit(fresh, view):
                    self.dropped.append(fresh)
                    stale += 1
        return stale

    def waiting(self) -> list[Candidate]:
        """All candidates that wait, best first within each oracle."""
        return [candidate for queue in self.queues.values() for _, candidate in queue]

    # --------------------------------------------------------------------------------- asking

    def fill(self, now: float) -> None:
        """Hand out questions while oracles have room and the budget allows."""
        for oracle in self.state.plan.oracles:
            while self._room(oracle) > 0:
                if not self._hand_out(oracle, now):
                    break

    def _room(self, oracle: OraclePlan) -> int:
        if oracle.outside:
            held = sum(q.question.oracle == oracle.name for q in self.state.open.values())
            return oracle.outside - held
        # A task waits in a worker only where answers are quick: long ones are better chosen late.
        ahead = 1 if self.seconds.get(oracle.name, math.inf) < 1.0 else 0
        return self.workers.room(oracle.pool, ahead)

    def _hand_out(self, oracle: OraclePlan, now: float) -> bool:
        questions: list[OpenQuestion] = []
        while len(questions) < oracle.batch:
            question = self._retry(oracle.name, now) or self._new(oracle.name)
            if question is None:
                break
            questions.append(question)
        if questions and not oracle.outside:
            self._send(oracle, questions)
        return bool(questions)

    def _retry(self, oracle: str, now: float) -> OpenQuestion | None:
        put_back = []
        found = None
        while self._again and self._again[0][0] <= now and found is None:
            entry = heapq.heappop(self._again)
            question = self.state.open.get(entry[1])
            if question is None or question.task is not None or question.recording:
                continue
            if question.question.oracle == oracle:
                found = question
            else:
                put_back.append(entry)
        for entry in put_back:
            heapq.heappush(self._again, entry)
        return found

    def again(self, question: OpenQuestion, when: float) -> None:
        """Ask a question again at ``when``."""
        heapq.heappush(self._again, (when, question.question.id))
        self.desk.wake_at(when)

    def _new(self, oracle: str) -> OpenQuestion | None:
        state = self.state
        estimate = state.costs.estimate(oracle)
        if not state.ledger.allows(estimate):
            return None
        chosen = self._choose(oracle)
        if chosen is None:
            return None
        candidate, purpose, why = chosen
        question = Question(candidate.sample.id, oracle)
        score = candidate.score if math.isfinite(candidate.score) else None
        data = {
            "question": question.id,
            "sample": question.sample,
            "oracle": oracle,
            "replicate": question.replicate,
            "uri": candidate.sample.uri,
            "purpose": purpose.value,
            "priority": score,
            "score": score,
            "why": why,
            "slot": candidate.slot,
            "walker": candidate.walker,
            "estimate": estimate,
            "version": candidate.version,
        }
        arrays = {f"in/{name}": value for name, value in candidate.sample.arrays.items()}
        self.state.fold(self.desk.record("question.asked", data, arrays)[1])
        return self.state.open[question.id]

    def _choose(self, oracle: str) -> tuple[Candidate, Purpose, str] | None:
        """The next candidate, what its label is for, and why it is asked."""
        state, plan = self.state, self.state.plan
        first = oracle == plan.oracles[0].name
        initial = state.model.version == 0
        if initial and self.asked_initially >= plan.initial:
            return None
        wanted = self._random_purpose() if first else None
        if wanted is not None:
            probe = self._take(self.queues[oracle].pop) if initial else self._take_probe(oracle)
            if probe is not None:
                return probe, wanted, "initial" if initial else wanted.value
        ahead = state.fresh + state.open_by_purpose[Purpose.TRAIN]
        if not initial and plan.max_fresh is not None and ahead >= plan.max_fresh:
            return None
        candidate = self._take(self.queues[oracle].pop)
        return None if candidate is None else (candidate, Purpose.TRAIN, candidate.why)

    @property
    def asked_initially(self) -> int:
        """Questions that count towards the initial ones (quarantined ones are replaced)."""
        return self.state.asked - self.state.quarantined

    def _random_purpose(self) -> Purpose | None:
        state, plan = self.state, self.state.plan
        total = self.asked_initially + 1
        shares = ((Purpose.HOLDOUT, plan.holdout), (Purpose.CALIBRATION, plan.calibration))
        for purpose, share in shares:
            have = state.open_by_purpose[purpose] + state.answered[purpose]
            if have + 1 <= share * total + 1e-9:
                return purpose
        return None

    def _take_probe(self, oracle: str) -> Candidate | None:
        while self.probes:
            probe = self.probes.popleft()
            if not self.state.knows(Question(probe.sample.id, oracle).id):
                self.queues[oracle].remove(probe.sample.id)
                return probe
        return None

    def _take(self, pop: Callable[[], Candidate | None]) -> Candidate | None:
        candidate = pop()
        if candidate is not None:
            self._forget_probe(candidate.sample.id)
        return candidate

    def _forget_probe(self, sample: str) -> None:
        if any(probe.sample.id == sample for probe in self.probes):
            kept = [probe for probe in self.probes if probe.sample.id != sample]
            self.probes = deque(kept, maxlen=self.probes.maxlen)

    def _send(self, oracle: OraclePlan, questions: list[OpenQuestion]) -> None:
        timeout = None if oracle.timeout is None else oracle.timeout * len(questions)
        payload = {
            "questions": tuple(q.question for q in questions),
            "samples": tuple(q.sample for q in questions),
        }
        attempt = max(q.attempt for q in questions) + 1
        task = self.desk.submit(
            "label", oracle.pool, payload, timeout=timeout, attempt=attempt, items=len(questions)
        )
        self.workers.take(oracle.pool)
        self.tasks[task.id] = (oracle, questions)
        for question in questions:
            question.task = task.id

    # ---------------------------------------------------------------------------- time limits

    def started(self, task: str, now: float) -> None:
        """A worker began a task: its time limit counts from now."""
        held = self.tasks.get(task)
        if held is not None and held[0].timeout is not None:
            when = now + held[0].timeout * len(held[1])
            heapq.heappush(self._expiry, (when, task))
            self.desk.wake_at(when)

    def expire(self, now: float) -> None:
        """Cancel the tasks that exceeded their time limit."""
        while self._expiry and self._expiry[0][0] <= now:
            _, task = heapq.heappop(self._expiry)
            if task in self.tasks:
                self.timed_out.add(task)
                limit = self.tasks[task][0].timeout
                self.desk.cancel(task, f"exceeded its time limit of {limit:g} s")

    # -------------------------------------------------------------------------------- answers

    def finished(self, task: str, result: Mapping[str, Any], worker: str, spans: Spans) -> None:
        """A label task returned: one outcome a question."""
        held = self._returned(task)
        if held is None:
            return
        oracle, questions = held
        self._learn_seconds(oracle.name, spans.seconds / max(1, len(questions)))
        outcomes, seconds = result["outcomes"], result["seconds"]
        outbox = result.get("outbox") or [None] * len(questions)
        for index, question in enumerate(questions):
            if question.task != task:
                continue  # answered from outside, or streamed, in the meantime
            facts = {"worker": worker, "spans": spans_json(spans), "cost": seconds[index]}
            if outbox[index]:
                facts["outbox"] = outbox[index]
            self.answer(question, outcomes[index], facts)

    def progressed(self, task: str, data: Mapping[str, Any], now: float) -> None:
        """A label task that goes on streamed the outcome of one of its questions."""
        held = self.tasks.get(task)
        if held is None or "outcome" not in data:
            return
        question = held[1][data["index"]]
        if question.task == task:
            spans = spans_json(Spans(now, now, now, now))
            facts = {"worker": data.get("worker", ""), "spans": spans, "cost": data["seconds"]}
            self.answer(question, data["outcome"], facts)

    def failed(self, task: str, failure: Failure, worker: str, spans: Spans) -> None:
        """A label task gave nothing: each of its open questions failed."""
        held = self._returned(task)
        if held is None:
            return
        if task in self.timed_out:
            self.timed_out.discard(task)
            limit = f"the oracle exceeded its time limit of {held[0].timeout:g} s"
            failure = Failure(Reason.TIMEOUT, limit, failure.traceback)
        for question in held[1]:
            if question.task == task:
                cost = max(0.0, spans.seconds) / len(held[1])
                facts = {"worker": worker, "spans": spans_json(spans), "cost": cost}
                self.answer(question, failure, facts)

    def _returned(self, task: str) -> tuple[OraclePlan, list[OpenQuestion]] | None:
        held = self.tasks.pop(task, None)
        if held is not None:
            self.workers.free(held[0].pool)
        return held

    def _learn_seconds(self, oracle: str, seconds: float) -> None:
        old = self.seconds.get(oracle)
        self.seconds[oracle] = seconds if old is None else 0.9 * old + 0.1 * seconds

    def answer(self, question: OpenQuestion, outcome: Outcome, facts: Mapping[str, Any]) -> None:
        """Record the outcome of a question; it counts once it is durable."""
        question.task, question.recording = None, True
        identity = question.question
        data = {
            "question": identity.id,
            "sample": identity.sample,
            "oracle": identity.oracle,
            "purpose": question.purpose.value,
            "attempt": question.attempt + 1,
            "estimate": question.estimate,
            **facts,
        }
        if isinstance(outcome, Label):
            cost = data["cost"] if outcome.cost is None else outcome.cost
            more = {"level": outcome.level, "cost": cost, "origin": facts.get("origin", "oracle")}
            arrays = {f"out/{name}": value for name, value in outcome.outputs.items()}
            self.record_later("answer.label", {**data, **more}, arrays)
        elif isinstance(outcome, Abstention):
            self.record_later("answer.abstention", {**data, "message": outcome.message}, {})
        else:
            self._answer_failure(question, outcome, data)

    def _answer_failure(
        self, question: OpenQuestion, failure: Failure, data: Mapping[str, Any]
    ) -> None:
        last = question.attempt + 1 >= self.state.plan.retry.attempts
        final = last or not failure.transient
        self.last_failure = f"{failure.reason.value}: {failure.message}"
        more = {
            "reason": failure.reason.value,
            "message": failure.message,
            "traceback": failure.traceback,
            "final": final,
        }
        self.record_later("answer.failure", {**data, **more}, {})

    def durable(self, fact: Fact) -> None:
        """An answer became durable and was folded: plan the next try where one is due."""
        question = self.state.open.get(fact.data["question"])
        if question is not None and fact.kind == "answer.failure":
            self.again(question, question.not_before)

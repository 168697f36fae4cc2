"""What to ask next and of whom: queues, purposes, reservations, retries, time limits."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from querist.control.desk import Desk, prefixed, spans_json
from querist.control.ordering import Ordering
from querist.control.people import Outside
from querist.control.plan import OraclePlan
from querist.control.queue import Candidate, CandidateQueue
from querist.control.reserve import Reserve
from querist.control.rules import View
from querist.control.state import CampaignState, OpenQuestion
from querist.control.workers import Workers
from querist.core.answers import (
    Abstention,
    Failure,
    Label,
    Outcome,
    Purpose,
    Reason,
    question_id,
)
from querist.core.batch import Array
from querist.core.events import Fact
from querist.core.tasks import Spans

PROBES = 64
# A model stays most uncertain where its oracle always fails. After so many questions in a row that
# failed for good, the next one is drawn at random from what was explored.
FAILED_IN_A_ROW = 3
BRIDGE_SECONDS, BRIDGE_FACTOR = 0.1, 4

RecordLater = Callable[[str, dict[str, Any], Mapping[str, Array]], None]
"""Records a fact that is folded only once it is durable."""


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
        rule = plan.ordering
        self.ordering = None if rule is None else Ordering(state, desk, rule, self.queues)
        # Labels drawn at random are those of the first oracle.
        self.reserve = Reserve(rule.reserve if rule else 0.0, plan.seed, plan.max_queue)
        self.tasks: dict[str, tuple[OraclePlan, list[OpenQuestion]]] = {}
        self.dropped: list[Candidate] = []
        self._probes: dict[str, Candidate] = {}
        self._seconds: dict[str, float] = {}
        self.failed_in_a_row = 0
        self._timed_out: set[str] = set()
        shares = ((Purpose.HOLDOUT, plan.holdout), (Purpose.CALIBRATION, plan.calibration))
        self._shares = tuple((purpose, share) for purpose, share in shares if share > 0)
        self._again: dict[str, list[tuple[float, str]]] = {name: [] for name in self.oracles}
        self._expiry: list[tuple[float, str]] = []
        self.outside = Outside(state, desk, self.answer)

    # ------------------------------------------------------------------------------ admitting

    @property
    def queued(self) -> int:
        """Candidates that wait."""
        return sum(len(queue) for queue in self.queues.values()) + len(self.reserve)

    @property
    def _held(self) -> tuple[CandidateQueue | Reserve, ...]:
        return (*self.queues.values(), self.reserve)

    def admit(self, candidate: Candidate, view: View) -> bool:
        """Queue a candidate unless it is known already or its policy drops it."""
        policy = self.state.plan.policy
        oracle = policy.route(candidate.score) or self.state.plan.oracles[0].name
        queue = self.queues[oracle]
        sample = candidate.sample.id
        if self.state.knows(question_id(sample, oracle)):
            return False
        priority = 0.0
        if candidate.version:
            chosen = policy.priority(candidate.score, view)
            if chosen is None or math.isnan(chosen):
                return False
            priority = chosen
        known = sample in queue or sample in self.reserve
        is_aside = oracle == self.state.plan.oracles[0].name and self.reserve.takes(candidate)
        evicted = self.reserve.push(candidate) if is_aside else queue.push(candidate, priority)
        if evicted is not None:
            self.dropped.append(evicted)
        return not known and evicted is not candidate

    def offer_probe(self, probe: Candidate) -> None:
        """Keep a sample that was drawn at random, for labels that must be; the newest are kept."""
        self._probes.pop(probe.sample.id, None)
        self._probes[probe.sample.id] = probe
        if len(self._probes) > PROBES:
            del self._probes[next(iter(self._probes))]

    def rescore(self, samples: Sequence[str], scores: Sequence[float], view: View) -> int:
        """Give waiting candidates their new uncertainty; returns how many became stale."""
        limits = self.state.limits
        stale: list[Candidate] = []
        for sample, score in zip(samples, scores, strict=True):
            asked = limits is None or limits.ask < score <= limits.reject
            old = self.forget(sample)
            if old is None:
                if not asked:
                    self.outside.withdraw(sample)
                continue
            fresh = Candidate(old.sample, score, "uncertain", old.slot, old.walker, view.version)
            if not asked or not self.admit(fresh, view):
                stale.append(fresh)
        self.dropped += stale
        return len(stale)

    def forget(self, sample: str) -> Candidate | None:
        """Take a candidate that waits out of its queue, if it is there."""
        removed = [held.remove(sample) for held in self._held]
        return next((candidate for candidate in removed if candidate is not None), None)

    def is_pending(self, sample: str) -> bool:
        """Whether this sample waits to be asked or to be answered."""
        asked = any(question_id(sample, name) in self.state.open for name in self.oracles)
        return asked or any(sample in held for held in self._held)

    def unordered(self, *, exhausted: bool) -> str | None:
        """An oracle whose candidates a strategy should look at now, if there is one."""
        if self.ordering is None or not self.may_run_ahead:
            return None
        if not any(self.state.ledger.allows(self.state.costs.estimate(o)) for o in self.oracles):
            return None
        for name, oracle in self.oracles.items():
            low = 1 if oracle.outside else max(1, self.workers.count(oracle.pool))
            if self.ordering.due(name, low, exhausted=exhausted):
                return name
        return None

    def waiting(self) -> list[Candidate]:
        """All candidates that wait, best first within each oracle."""
        waiting = [candidate for queue in self.queues.values() for _, candidate in queue]
        return waiting + self.reserve.waiting()

    def release(self, view: View) -> None:
        """Nothing more will be found: once all else was asked, what was set aside may be too."""
        if len(self.reserve) and not self.queues[self.state.plan.oracles[0].name]:
            for candidate in self.reserve.release():
                self.admit(candidate, view)

    # --------------------------------------------------------------------------------- asking

    def fill(self, now: float) -> None:
        """Hand out questions while oracles have room and the budget allows."""
        for oracle in self.state.plan.oracles:
            room = self._room(oracle)
            while room > 0 and self._has_work(oracle.name):
                sent = self._hand_out(oracle, now)
                if not sent:
                    break
                room -= sent if oracle.outside else 1

    def _has_work(self, oracle: str) -> bool:
        if self.queues[oracle] or self._again[oracle]:
            return True
        return bool(self._probes or len(self.reserve)) and self._random_purpose() is not None

    def _room(self, oracle: OraclePlan) -> int:
        if oracle.outside:
            return oracle.outside - self.state.open_by_oracle[oracle.name]
        # A task waits in a worker only where answers are quick: long ones are better chosen late.
        ahead = 1 if self._seconds.get(oracle.name, math.inf) < 1.0 else 0
        return self.workers.room(oracle.pool, ahead)

    @property
    def exhausted(self) -> bool:
        """Whether the budget has no room for any question, nor for another try of an open one."""
        state, ledger = self.state, self.state.ledger
        if self.tasks or any(state.open_by_oracle[o.name] for o in state.plan.oracles if o.outside):
            return False
        if state.open and ledger.affords(0.0):
            return False
        return not any(ledger.allows(state.costs.estimate(name)) for name in self.oracles)

    def _hand_out(self, oracle: OraclePlan, now: float) -> int:
        """Ask up to a batch of questions; how many."""
        questions: list[OpenQuestion] = []
        again = self._again[oracle.name]
        while len(questions) < oracle.batch:
            question = self._retry(again, now) if again else None
            question = question or self._new(oracle.name)
            if question is None:
                break
            questions.append(question)
        if questions and not oracle.outside:
            self._send(oracle, questions)
        return len(questions)

    def _retry(self, waiting: list[tuple[float, str]], now: float) -> OpenQuestion | None:
        # Its reservation is kept, but earlier tries may have cost what was meant for this one.
        while waiting and waiting[0][0] <= now and self.state.ledger.affords(0.0):
            question = self.state.open.get(heapq.heappop(waiting)[1])
            if question is not None and question.task is None and not question.recording:
                return question
        return None

    def again(self, question: OpenQuestion, when: float) -> None:
        """Ask a question again at ``when``."""
        heapq.heappush(self._again[question.question.oracle], (when, question.id))
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
        sample = candidate.sample
        key = question_id(sample.id, oracle)
        score = candidate.score if math.isfinite(candidate.score) else None
        data = {
            "question": key,
            "sample": sample.id,
            "oracle": oracle,
            "replicate": 0,
            "uri": sample.uri,
            "purpose": purpose._value_,
            "priority": score,
            "score": score,
            "why": why,
            "slot": candidate.slot,
            "walker": candidate.walker,
            "estimate": estimate,
            "version": candidate.version,
        }
        pick = state.picks(oracle).get(sample.id)
        if pick is not None and why == pick.strategy:
            data["strategy_score"], data["selection"] = pick.score, pick.selection
        return self.record(data, sample.arrays)

    def record(self, data: dict[str, Any], sample: Mapping[str, Array]) -> OpenQuestion:
        """Record that a question was asked."""
        self.state.fold(self.desk.record("question.asked", data, prefixed("in/", sample))[1])
        return self.state.open[data["question"]]

    def _choose(self, oracle: str) -> tuple[Candidate, Purpose, str] | None:
        """The next candidate, what its label is for, and why it is asked."""
        state, plan = self.state, self.state.plan
        first = oracle == plan.oracles[0].name
        initial = state.model.version == 0
        if initial and self.initial_left <= 0 and not self.may_bridge(oracle):
            return None
        wanted = self._random_purpose() if first else None
        if wanted is not None:
            probe = self._take(oracle) if initial else self._take_probe(oracle)
            if probe is not None:
                return probe, wanted, "initial" if initial else wanted.value
        if not initial and not self.may_run_ahead:
            return None
        if not initial and self.failed_in_a_row >= FAILED_IN_A_ROW:
            probe = self._take_probe(oracle)
            if probe is not None:
                return probe, Purpose.TRAIN, "random after failures"
        candidate = self._take(oracle) if initial else self._take_next(oracle)
        return None if candidate is None else (candidate, Purpose.TRAIN, candidate.why)

    @property
    def may_run_ahead(self) -> bool:
        """Whether more training questions may be asked beyond the last fit."""
        state, limit = self.state, self.state.plan.max_fresh
        return limit is None or state.fresh + state.open_by_purpose[Purpose.TRAIN] < limit

    def may_bridge(self, oracle: str) -> bool:
        """Whether an oracle goes on at random while the first model is still being made.

        Where answers are slow, idle workers waste more than a random question does; where they
        are quick, questions are better chosen by the model that is about to come. At most half of
        the labels beyond the initial ones are spent so.
        """
        plan, extra = self.state.plan, -self.initial_left
        limit = min(
            BRIDGE_FACTOR * plan.initial,
            (self.state.ledger.label_limit - plan.initial) / 2,
            math.inf if plan.max_fresh is None else plan.max_fresh,
        )
        slow = self._seconds.get(oracle, 0.0) >= BRIDGE_SECONDS
        trains = plan.trainers > 0 and self.state.train_labels > 0
        return slow and trains and 0 <= extra < limit

    @property
    def bridging(self) -> int:
        """Random questions that slow oracles could take now, beyond the initial ones."""
        if self.state.model.version or self.initial_left > 0:
            return 0
        slow = (oracle for oracle in self.state.plan.oracles if self.may_bridge(oracle.name))
        return sum(2 * self.workers.count(oracle.pool) for oracle in slow)

    @property
    def initial_left(self) -> int:
        """Questions still to be asked before the first model (quarantined ones are replaced)."""
        state = self.state
        asked = state.asked - state.quarantined
        return state.plan.initial - state.imported[Purpose.TRAIN] - asked

    def _random_purpose(self) -> Purpose | None:
        state = self.state
        total = len(state.open) + len(state.closed) - state.quarantined + 1
        for purpose, share in self._shares:
            have = state.open_by_purpose[purpose] + state.answered[purpose]
            if have + 1 <= share * total + 1e-9:
                return purpose
        return None

    def _take_probe(self, oracle: str) -> Candidate | None:
        while oracle == self.state.plan.oracles[0].name and len(self.reserve):
            aside = self.reserve.draw()
            if aside is not None and not self.state.knows(question_id(aside.sample.id, oracle)):
                return self._taken(aside)
        while self._probes:
            probe = self._probes.pop(next(iter(self._probes)))
            if not self.state.knows(question_id(probe.sample.id, oracle)):
                self.queues[oracle].remove(probe.sample.id)
                return probe
        # What is explored may be at its end; what is drawn at random then comes from what waits.
        return None if self.ordering is None else self.queues[oracle].draw(self.state.plan.seed)

    def _take(self, oracle: str) -> Candidate | None:
        return self._taken(self.queues[oracle].pop())

    def _take_next(self, oracle: str) -> Candidate | None:
        """The next one in the strategy's order, or, where there is no strategy, by priority."""
        return self._taken(self.ordering.next(oracle)) if self.ordering else self._take(oracle)

    def _taken(self, candidate: Candidate | None) -> Candidate | None:
        if candidate is not None:
            self._probes.pop(candidate.sample.id, None)
        return candidate

    def _send(self, oracle: OraclePlan, questions: list[OpenQuestion]) -> None:
        items = len(questions)
        timeout = None if oracle.timeout is None else oracle.timeout * items
        asked, samples, attempt = [], [], 0
        for question in questions:
            asked.append(question.question)
            samples.append(question.sample)
            attempt = max(attempt, question.attempt)
        payload = {"questions": tuple(asked), "samples": tuple(samples)}
        task = self.desk.submit("label", oracle.pool, payload, timeout, attempt + 1, items).id
        self.workers.take(oracle.pool)
        self.tasks[task] = (oracle, questions)
        for question in questions:
            question.task = task

    # ---------------------------------------------------------------------------- time limits

    def started(self, task: str, now: float) -> None:
        """A worker began a task: its time limit counts from now."""
        held = self.tasks.get(task)
        if held is not None and held[0].timeout is not None:
            when = now + self._limit(task)
            heapq.heappush(self._expiry, (when, task))
            if self._expiry[0][1] == task:
                self.desk.wake_at(when)

    def expire(self, now: float) -> None:
        """Cancel the tasks that exceeded their time limit; wake up for the next that may."""
        expiry, tasks = self._expiry, self.tasks
        first = expiry[0] if expiry else None
        while expiry and (expiry[0][0] <= now or expiry[0][1] not in tasks):
            _, task = heapq.heappop(expiry)
            if task in tasks and task not in self._timed_out:
                self._timed_out.add(task)
                self.desk.cancel(task, f"exceeded its time limit of {self._limit(task):g} s")
        if expiry and expiry[0] is not first:
            self.desk.wake_at(expiry[0][0])

    def _limit(self, task: str) -> float:
        oracle, questions = self.tasks[task]
        return (oracle.timeout or math.inf) * len(questions)

    # -------------------------------------------------------------------------------- answers

    def finished(self, task: str, result: Mapping[str, Any], worker: str, spans: Spans) -> None:
        """A label task returned: one outcome a question."""
        outcomes = [self._late(task, outcome) for outcome in result["outcomes"]]
        oracle, questions = self._returned(task)
        self._learn_seconds(oracle.name, spans.seconds / len(questions))
        seconds, outbox = result["seconds"], result.get("outbox")
        for index, question in enumerate(questions):
            if question.task != task:
                continue  # answered from outside, or streamed, in the meantime
            facts = {"worker": worker, "spans": spans_json(spans), "cost": seconds[index]}
            if outbox and outbox[index]:
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
            seconds = data["seconds"]
            facts = {"worker": data.get("worker", ""), "spans": spans}
            self.answer(question, data["outcome"], facts | {"cost": seconds, "seconds": seconds})

    def failed(self, task: str, failure: Failure, worker: str, spans: Spans) -> None:
        """A label task gave nothing: each of its open questions failed."""
        outcome = self._late(task, failure, failure.reason)
        _, questions = self._returned(task)
        for question in questions:
            if question.task == task:
                cost = max(0.0, spans.seconds) / len(questions)
                facts = {"worker": worker, "spans": spans_json(spans), "cost": cost}
                self.answer(question, outcome, facts)

    def _late(self, task: str, outcome: Outcome, reason: Reason = Reason.CANCELLED) -> Outcome:
        """What failed as its time was over: an oracle may also end by itself when told to."""
        if task not in self._timed_out or not isinstance(outcome, Failure):
            return outcome
        late = self.state.plan.retry.late(self._limit(task), outcome.traceback)
        return late if outcome.reason is reason else outcome

    def _returned(self, task: str) -> tuple[OraclePlan, list[OpenQuestion]]:
        held = self.tasks.pop(task)
        self._timed_out.discard(task)
        self.workers.free(held[0].pool)
        return held

    def _learn_seconds(self, oracle: str, seconds: float) -> None:
        old = self._seconds.get(oracle)
        self._seconds[oracle] = seconds if old is None else 0.9 * old + 0.1 * seconds

    def answer(self, question: OpenQuestion, outcome: Outcome, facts: Mapping[str, Any]) -> None:
        """Record the outcome of a question; it counts once it is durable."""
        question.task, question.recording = None, True
        identity = question.question
        data = {
            "question": question.id,
            "sample": identity.sample,
            "oracle": identity.oracle,
            "purpose": question.purpose._value_,
            "attempt": question.attempt + 1,
            "estimate": question.estimate,
            **facts,
        }
        if isinstance(outcome, Label):
            data["level"] = outcome.level
            data.setdefault("origin", "oracle")
            if outcome.cost is not None:
                data["cost"] = outcome.cost
            self.record_later("answer.label", data, prefixed("out/", outcome.outputs))
        elif isinstance(outcome, Abstention):
            self.record_later("answer.abstention", {**data, "message": outcome.message}, {})
        else:
            self._answer_failure(question, outcome, data)

    def _answer_failure(
        self, question: OpenQuestion, failure: Failure, data: Mapping[str, Any]
    ) -> None:
        last = question.attempt + 1 >= self.state.plan.retry.attempts
        final = last or not failure.transient
        more = {
            "reason": failure.reason.value,
            "message": failure.message,
            "traceback": failure.traceback,
            "final": final,
        }
        self.record_later("answer.failure", {**data, **more}, {})

    def durable(self, fact: Fact) -> None:
        """An answer became durable and was folded: plan the next try where one is due."""
        if fact.kind == "answer.label":
            self.failed_in_a_row = 0
            self.state.levels.look(fact.data, self.desk.say)
        elif fact.data.get("final"):
            self.failed_in_a_row += 1
        question = self.state.open.get(fact.data["question"])
        if question is not None and fact.kind == "answer.failure":
            self.again(question, question.not_before)

"""Keeps explorers busy: slices of exploring, new weights between them, answers on the way back."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.control.asking import Asking
from querist.control.desk import Desk, spans_json
from querist.control.fruitless import Fruitless
from querist.control.queue import Candidate
from querist.control.rules import View
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.control.workers import Workers
from querist.core.answers import Failure
from querist.core.batch import Array, Batch, Sample
from querist.core.prediction import AnsweredSample
from querist.core.roles import Limits
from querist.core.tasks import Spans

ATTEMPTS = 3
BLIND = (
    "nothing that explorers propose gets a number from the model of version {}, nor is anything on "
    "the way that could change it: look at its labels and its fit, and at what is proposed."
)
HOPELESS = 20  # slices without a number, after which a walker that only went astray is back
STALE_REST = 1.0  # seconds, after initial samples none of which may be asked
REPEATED = 5  # slices without anything new, after which a first model learns from what there is
PATIENCE = 20  # slices in which candidates for an oracle that is cheap enough may still be found


@dataclass(slots=True, eq=False)
class Slot:
    """One explorer: its task under way, and the answers that it has not been told yet.

    Before ``not_before`` it rests; when it is ``waiting``, news end its rest. The worker of one
    that is ``away`` serves another pool. Its last ``undefined`` slices had no number.
    """

    index: int
    task: str | None = None
    initial: int = 0
    told: list[AnsweredSample] = field(default_factory=list)
    telling: list[AnsweredSample] = field(default_factory=list)
    waiting: bool = False
    exhausted: bool = False
    ended: str = ""
    version: int = -1
    failures: int = 0
    undefined: int = 0
    not_before: float = 0.0
    dead: str = ""
    away: bool = False

    @property
    def pool(self) -> str:
        """Name of its pool."""
        return f"explorer.{self.index}"


class Exploring:
    """Submits slices and takes in what they found.

    Args:
        state: The campaign's state.
        desk: Where commands go.
        workers: Shared count of workers.
        asking: Where candidates go.
    """

    def __init__(self, state: CampaignState, desk: Desk, workers: Workers, asking: Asking) -> None:
        self.state, self.desk, self.workers, self.asking = state, desk, workers, asking
        self.slots = [Slot(index) for index in range(state.plan.explorers)]
        self.scores = QuantileSketch.empty()
        self._fruitless = Fruitless()
        self.dead = 0
        self.last_death = ""
        self._scores_version = self._version = 0
        self._tasks: dict[str, Slot] = {}
        self._by_pool = {slot.pool: slot for slot in self.slots}
        # Where it is split, an explorer without generators has nothing to do either.
        self._by_pool |= {f"generator.{slot.index}": slot for slot in self.slots}
        self._waiters: dict[str, dict[tuple[int, int], None]] = {}
        # Slots that may have something to do. Whatever changes that puts them back, so that no
        # event looks at all explorers.
        self._to_look_at = dict.fromkeys(range(len(self.slots)))
        self._resting: list[tuple[float, int]] = []
        self._initial = 0  # asked of slices under way

    @property
    def busy(self) -> bool:
        """Whether an explorer is at work."""
        return bool(self._tasks)

    @property
    def exhausted(self) -> bool:
        """Whether no explorer will ever find anything more."""
        ended = (slot.dead or (slot.exhausted and not slot.told) for slot in self.slots)
        return not self.busy and all(ended)

    @property
    def repeats(self) -> bool:
        """Whether generators offer, slice after slice, nothing that was not offered before.

        As where there are fewer candidates than the first model is to learn from.
        """
        return self._fruitless.still >= REPEATED

    @property
    def blind(self) -> str:
        """That no explorer gets a number of the newest model, again and again; else ""."""
        version, living = self.state.model.version, self.living
        lost = (slot.undefined >= HOPELESS and slot.version == version for slot in living)
        return BLIND.format(version) if living and version and all(lost) else ""

    @property
    def ended(self) -> str:
        """Why, in the words of generators; "" where they say nothing of it."""
        return "; ".join(dict.fromkeys(filter(None, (slot.ended for slot in self.slots))))

    @property
    def beyond_means(self) -> bool:
        """Whether all that waits is too dear for the rest of the budget, and nothing else comes."""
        waiting = [name for name, queue in self.asking.queues.items() if queue]
        if not waiting or self.state.open:
            return False
        allows, estimate = self.state.ledger.allows, self.state.costs.estimate
        nothing_else = self.exhausted or self._fruitless.still >= PATIENCE
        return nothing_else and not any(allows(estimate(name)) for name in waiting)

    def owns(self, task: str) -> bool:
        """Whether this is an explorer's task."""
        return task in self._tasks

    # --------------------------------------------------------------------------------- slices

    def fill(self, now: float) -> None:
        """Give every explorer that has something to do its next slice."""
        self._wake(now)
        left = self._initial_left()
        if left is not None and left <= 0:
            return
        missing = 0 if left is None else left + self._initial
        share = math.ceil(missing / max(1, len(self.slots) - self.dead))
        for index in list(self._to_look_at):
            if left is not None and left <= 0:
                return
            del self._to_look_at[index]
            slot = self.slots[index]
            if self._is_ready(slot, now):
                wanted = min(share, left or 0)
                self._send(slot, wanted)
                left = None if left is None else left - wanted

    def _wake(self, now: float) -> None:
        if self._version != self.state.model.version:
            self._version = self.state.model.version
            for slot in self.slots:
                slot.undefined = 0
            self._to_look_at = {slot.index: None for slot in self.slots if slot.task is None}
        while self._resting and self._resting[0][0] <= now:
            self._to_look_at[heapq.heappop(self._resting)[1]] = None

    def _is_ready(self, slot: Slot, now: float) -> bool:
        if slot.task is not None or slot.dead or not self.workers.count(slot.pool):
            return False
        is_news = bool(slot.told) or slot.version != self.state.model.version
        if now < slot.not_before and not (slot.waiting and is_news):
            return False
        return not slot.exhausted or bool(slot.told)

    def _initial_left(self) -> int | None:
        """Candidates still wanted for the first model; None once there is one."""
        if self.state.model.version:
            return None
        wanted = max(self.asking.initial_left, self.asking.bridging)
        return wanted - self.asking.queued - self._initial

    def _send(self, slot: Slot, initial: int) -> None:
        plan = self.state.plan
        slot.telling, slot.told = slot.told, []
        payload = {
            "slot": slot.index,
            "model": self.state.model,
            "limits": self.state.limits or Limits(plan.limits.ask, plan.limits.reject),
            "steps": plan.slice_steps,
            "seconds": plan.slice_seconds,
            "answers": tuple(slot.telling),
            "initial": initial,
        }
        slot.task = self.desk.submit("explore", slot.pool, payload).id
        slot.version, slot.initial = self.state.model.version, initial
        self._initial += initial
        self.workers.take(slot.pool)
        self._tasks[slot.task] = slot

    def tell(self, slot: int, answer: AnsweredSample) -> None:
        """An answer (or its absence) for a walker of an explorer."""
        if 0 <= slot < len(self.slots):
            self.slots[slot].told.append(answer)
            self._to_look_at[slot] = None

    def resolve(
        self, sample: Sample, outputs: Mapping[str, Array] | None, asker: tuple[int, int]
    ) -> None:
        """Tell ``asker`` and all walkers that wait for a sample what became of it.

        Args:
            sample: The sample.
            outputs: Its label; None when there is none and none will come.
            asker: Slot and walker that its question names.
        """
        waiters = self._waiters.pop(sample.id, {})
        waiters.pop(asker, None)
        for slot, walker in (asker, *waiters):
            self.tell(slot, AnsweredSample(walker, sample, outputs))

    def joined(self, pool: str) -> None:
        """A worker joined this pool, which may be that of one explorer more."""
        role, _, number = pool.partition(".")
        while pool not in self._by_pool and role == "explorer" and number.isdecimal():
            slot = Slot(len(self.slots))
            self.slots.append(slot)
            self._by_pool[slot.pool] = slot
            self.retire(slot)
        found = self._by_pool.get(pool)
        if found is None:
            return
        if found.away:
            found.away, found.dead = False, ""
            self.dead -= 1
        self._to_look_at[found.index] = None

    def retire(self, slot: Slot) -> None:
        """Its worker is to serve another pool: end its slice early, and begin no other."""
        if not slot.dead:
            slot.away, slot.dead = True, "its worker serves another pool"
            self.dead += 1
        if slot.task is not None:
            self.desk.cancel(slot.task, slot.dead, hard=False)

    def moved(self, pool: str) -> None:
        """A worker has left this pool for another one."""
        slot = self._by_pool.get(pool)
        if slot is not None and not self.workers.expected(pool):
            self.retire(slot)

    @property
    def living(self) -> list[Slot]:
        """Explorers that may still find something."""
        return [slot for slot in self.slots if not slot.dead]

    def lost(self, pool: str, message: str) -> None:
        """This pool will have no worker any more."""
        slot = self._by_pool.get(pool)
        if slot is not None:
            self._bury(slot, message)

    def _bury(self, slot: Slot, message: str) -> None:
        self.dead += not slot.dead
        slot.dead = self.last_death = message or "no reason was given"

    def stop(self, why: str) -> None:
        """End all slices early; what they found so far still arrives."""
        for task in self._tasks:
            self.desk.cancel(task, why, hard=False)

    # -------------------------------------------------------------------------------- results

    def finished(
        self, task: str, result: Mapping[str, Any], worker: str, spans: Spans, view: View
    ) -> None:
        """Take in what a slice found."""
        slot = self._returned(task)
        slot.telling, slot.failures = [], 0
        slot.not_before = 0.0  # news may have ended an earlier rest before its time
        slot.exhausted, slot.ended = result["exhausted"], result.get("ended", "")
        is_undefined = 0 < result["proposed"] == result.get("undefined", 0)
        slot.undefined = slot.undefined + 1 if is_undefined else 0
        slot.waiting = result["waiting"] or not (result["steps"] or len(result["candidates"]))
        self._merge_scores(result)
        if (still := self._fruitless.explored(result, view)) is not None:
            self.desk.say("warning", still)
        evicted = len(self.asking.dropped)
        admitted = self._admit(slot, result, view)
        if slot.waiting:
            self._rest(slot, self.state.plan.rest)
        elif not (admitted or result["version"]):
            self._rest(slot, STALE_REST)
        self.set_limits()
        names = ("steps", "proposed", "trusted", "asked", "rejected", "filtered", "predict")
        sketch: QuantileSketch = result["sketch"]
        quantiles = {f"p{q}": _finite(sketch.quantile(q / 100)) for q in (50, 95)}
        limits = self.state.limits
        data = {
            "slot": slot.index,
            "worker": worker,
            **{name: result[name] for name in names},
            "candidates": len(result["candidates"]),
            "version": result["version"],
            "limit": None if limits is None else limits.ask,
            "queued": view.queued,
            "outstanding": view.outstanding,
            **quantiles,
            "spans": spans_json(spans),
        }
        if result.get("apart"):
            data["apart"] = result["apart"]
        self.desk.record("explored", data)
        gone = len(self.asking.dropped) - evicted
        if gone > 0:
            self.desk.record("questions.dropped", {"count": gone, "why": "the queue was full"})

    def _merge_scores(self, result: Mapping[str, Any]) -> None:
        if result["version"] != self.state.model.version:
            return
        if self._scores_version != result["version"]:
            self.scores, self._scores_version = QuantileSketch.empty(), result["version"]
        self.scores = self.scores.merge(result["sketch"])

    def current_scores(self) -> QuantileSketch:
        """Uncertainties met with the newest model."""
        is_current = self._scores_version == self.state.model.version
        return self.scores if is_current else QuantileSketch.empty()

    def _admit(self, slot: Slot, result: Mapping[str, Any], view: View) -> int:
        """Take in what is to be asked; how many of it may be."""
        version, admitted = result["version"], 0
        why = "uncertain" if version else "initial"
        candidates: Batch = result["candidates"]
        walkers, scores = np.asarray(result["walkers"]), np.asarray(result["scores"], np.float64)
        found = zip(candidates.samples(), walkers.tolist(), scores.tolist(), strict=True)
        for sample, walker, score in found:
            if walker >= 0:
                self._waiters.setdefault(sample.id, {})[slot.index, walker] = None
            candidate = Candidate(sample, score, why, slot.index, walker, version)
            if self.asking.admit(candidate, view):
                admitted += 1
            else:
                self._dismiss(candidate)
        probes: Batch = result["probes"]
        for index, sample in enumerate(probes.samples()):
            score = float(result["probe_scores"][index])
            self.asking.offer_probe(Candidate(sample, score, "probe", -1, -1, version))
        return admitted

    def _dismiss(self, candidate: Candidate) -> None:
        """Walkers may wait for a candidate that will not be asked now: let them go on."""
        sample = candidate.sample
        if sample.id in self._waiters and not self.asking.is_pending(sample.id):
            self.resolve(sample, None, (-1, -1))

    def dismiss_dropped(self) -> None:
        """Tell walkers about candidates that left the queue unasked."""
        dropped, self.asking.dropped = self.asking.dropped, []
        for candidate in dropped:
            self._dismiss(candidate)

    def set_limits(self) -> None:
        """Follow the scores, or the user's threshold where there is one."""
        state, old, rule = self.state, self.state.limits, self.state.plan.limits
        new = rule.limits(self.current_scores(), old)
        if state.threshold is not None:
            new = Limits(state.threshold, new.reject)
        # A running quantile trembles; each change costs a record.
        slack = 0.02 if state.threshold is None and rule.quantile is not None else 0.0
        if old is not None and abs(new.ask - old.ask) <= slack * abs(old.ask):
            return
        reject = new.reject if math.isfinite(new.reject) else None
        data = {"ask": new.ask, "reject": reject, "version": state.model.version}
        state.fold(self.desk.record("gate.limits", data)[1])

    def failed(self, task: str, failure: Failure, worker: str, spans: Spans) -> None:
        """A slice failed: its answers are told again, then the explorer is given up."""
        slot = self._returned(task)
        slot.told = slot.telling + slot.told
        slot.failures += 1
        slot.waiting = False
        ended = {"kind": "explore", "pool": slot.pool, "worker": worker}
        why = {"reason": failure.reason.value, "message": failure.message}
        more = {"traceback": failure.traceback, "spans": spans_json(spans)}
        self.desk.record("task.failed", {**ended, **why, **more})
        self._rest(slot, 0.5 * 2**slot.failures)
        if slot.failures >= ATTEMPTS:
            self._bury(slot, failure.message)
            message = f"explorer {slot.index} was given up after {ATTEMPTS} failures in a row: "
            self.desk.say("error", message + failure.message)

    def _returned(self, task: str) -> Slot:
        slot = self._tasks.pop(task)
        slot.task = None
        self._initial -= slot.initial
        self._to_look_at[slot.index] = None
        self.workers.free(slot.pool)
        return slot

    def _rest(self, slot: Slot, seconds: float) -> None:
        slot.not_before = self.desk.now + seconds
        if seconds == math.inf:
            return
        heapq.heappush(self._resting, (slot.not_before, slot.index))
        self.desk.wake_at(slot.not_before)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

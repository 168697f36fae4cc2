"""Keeps explorers busy: slices of exploring, new weights between them, answers on the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from querist.control.asking import Asking, Workers
from querist.control.desk import Desk, spans_json
from querist.control.queue import Candidate
from querist.control.rules import View
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.core.answers import Failure
from querist.core.batch import Batch
from querist.core.prediction import AnsweredSample
from querist.core.roles import Limits
from querist.core.tasks import Spans

ATTEMPTS = 3
WAIT_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Slot:
    """One explorer: its task under way, and the answers that it has not been told yet."""

    index: int
    task: str | None = None
    told: list[AnsweredSample] = field(default_factory=list)
    telling: list[AnsweredSample] = field(default_factory=list)
    waiting: bool = False
    exhausted: bool = False
    version: int = -1
    failures: int = 0
    not_before: float = 0.0
    dead: str = ""

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
        self._scores_version = 0
        self._tasks: dict[str, Slot] = {}
        self._idle = set(range(len(self.slots)))
        self.dead = 0

    @property
    def busy(self) -> bool:
        """Whether an explorer is at work."""
        return bool(self._tasks)

    @property
    def exhausted(self) -> bool:
        """Whether no explorer will ever find anything more."""
        return all(slot.exhausted or slot.dead for slot in self.slots) and not self.busy

    def owns(self, task: str) -> bool:
        """Whether this is an explorer's task."""
        return task in self._tasks

    # --------------------------------------------------------------------------------- slices

    def fill(self, now: float) -> None:
        """Give every explorer that has something to do its next slice."""
        wanted = self._initial_wanted()
        if self.state.model.version == 0 and wanted <= 0:
            return
        for slot in [self.slots[index] for index in sorted(self._idle)]:
            if self._is_ready(slot, now):
                self._send(slot, wanted)

    def _is_ready(self, slot: Slot, now: float) -> bool:
        if slot.task is not None or slot.dead or not self.workers.count(slot.pool):
            return False
        if now < slot.not_before and not (slot.waiting and (slot.told or self._is_news(slot))):
            return False
        if self.state.model.version == 0:
            return not slot.exhausted
        return not slot.exhausted or bool(slot.told)

    def _is_news(self, slot: Slot) -> bool:
        return slot.version != self.state.model.version

    def _initial_wanted(self) -> int:
        if self.state.model.version:
            return 0
        missing = self.state.plan.initial - self.asking.asked_initially - self.asking.queued
        return math.ceil(missing / max(1, len(self.slots)))

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
        slot.version = self.state.model.version
        self.workers.take(slot.pool)
        self._tasks[slot.task] = slot
        self._idle.discard(slot.index)

    def tell(self, slot: int, answer: AnsweredSample) -> None:
        """An answer (or its absence) for a walker of an explorer."""
        if 0 <= slot < len(self.slots):
            self.slots[slot].told.append(answer)

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
        slot.waiting, slot.exhausted = result["waiting"], result["exhausted"]
        if slot.waiting or not result["steps"]:
            slot.not_before = self.desk.now + WAIT_SECONDS
            self.desk.wake_at(slot.not_before)
        self._merge_scores(result)
        evicted = len(self.asking.dropped)
        self._admit(slot, result, view)
        self._set_limits()
        names = ("steps", "proposed", "trusted", "asked", "rejected", "filtered", "predict")
        sketch: QuantileSketch = result["sketch"]
        quantiles = {f"p{q}": _finite(sketch.quantile(q / 100)) for q in (50, 95)}
        limits = self.state.limits
        data = {
            "slot": slot.index,
            "worker": worker,
            **{name: result[name] for name in names},
            "version": result["version"],
            "limit": None if limits is None else limits.ask,
            "queued": view.queued,
            "outstanding": view.outstanding,
            **quantiles,
            "spans": spans_json(spans),
        }
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

    def _admit(self, slot: Slot, result: Mapping[str, Any], view: View) -> None:
        version = result["version"]
        why = "uncertain" if version else "initial"
        candidates: Batch = result["candidates"]
        walkers, scores = result["walkers"], result["scores"]
        for index, sample in enumerate(candidates.samples()):
            walker, score = int(walkers[index]), float(scores[index])
            candidate = Candidate(sample, score, why, slot.index, walker, version)
            if not self.asking.admit(candidate, view):
                self._dismiss(candidate)
        probes: Batch = result["probes"]
        for index, sample in enumerate(probes.samples()):
            score = float(result["probe_scores"][index])
            self.asking.probes.append(Candidate(sample, score, "probe", -1, -1, version))

    def _dismiss(self, candidate: Candidate) -> None:
        """A walker may wait for a candidate that will not be asked now: let it go on."""
        if candidate.walker >= 0 and not self._is_pending(candidate):
            self.tell(candidate.slot, AnsweredSample(candidate.walker, candidate.sample, None))

    def _is_pending(self, candidate: Candidate) -> bool:
        prefix = candidate.sample.id
        asked = any(f"{prefix}.{name}.0" in self.state.open for name in self.asking.oracles)
        return asked or any(prefix in queue for queue in self.asking.queues.values())

    def dismiss_dropped(self) -> None:
        """Tell walkers about candidates that left the queue unasked."""
        dropped, self.asking.dropped = self.asking.dropped, []
        for candidate in dropped:
            self._dismiss(candidate)

    def _set_limits(self) -> None:
        plan, state = self.state.plan, self.state
        new = plan.limits.limits(self.current_scores(), state.limits)
        old = state.limits
        if old is not None and abs(new.ask - old.ask) <= 0.02 * abs(old.ask):
            return
        reject = new.reject if math.isfinite(new.reject) else None
        data = {"ask": new.ask, "reject": reject, "version": state.model.version}
        state.fold(self.desk.record("gate.limits", data)[1])

    def failed(self, task: str, failure: Failure, worker: str, spans: Spans) -> None:
        """A slice failed: its answers are told again, then the explorer is given up."""
        slot = self._returned(task)
        slot.told = slot.telling + slot.told
        slot.telling = []
        slot.failures += 1
        ended = {"kind": "explore", "pool": slot.pool, "worker": worker}
        why = {"reason": failure.reason.value, "message": failure.message}
        more = {"traceback": failure.traceback, "spans": spans_json(spans)}
        self.desk.record("task.failed", {**ended, **why, **more})
        slot.not_before = self.desk.now + 0.5 * 2**slot.failures
        self.desk.wake_at(slot.not_before)
        if slot.failures >= ATTEMPTS:
            slot.dead = failure.message
            self.dead += 1
            self._idle.discard(slot.index)
            message = f"explorer {slot.index} was given up after {ATTEMPTS} failures in a row: "
            self.desk.say("error", message + failure.message)

    def _returned(self, task: str) -> Slot:
        slot = self._tasks.pop(task)
        slot.task = None
        if not slot.dead:
            self._idle.add(slot.index)
        self.workers.free(slot.pool)
        return slot


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

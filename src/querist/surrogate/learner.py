"""What the one writer does: judges models by audits, sets the gate, watches for drift, fits anew.

A model is published with the fact up to which it may have seen labels. Only audits behind that fact
judge it, so that the guarantee of :mod:`querist.surrogate.gate` holds for each model by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.core.tasks import ModelRef
from querist.models.failing import FEWEST_FAILURES
from querist.surrogate.gate import GRID, Alarm, Promise, Trial, first_threshold
from querist.surrogate.record import Entry
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.shelf import FAILING
from querist.surrogate.state import (
    Answered,
    Gate,
    Published,
    State,
    alike,
    form_of,
    form_of_batch,
    labelled,
    tried,
)
from querist.surrogate.trials import trial_of
from querist.surrogate.voices import Lesson, Voice

# Tested for refusals, as 1 - P(fails): from where all neighbours failed to where most of them did.
REFUSALS = range(GRID.index(0.125), GRID.index(0.5) + 1)
KEEPS = 0.95  # of the share that the best model trusts, for a newer one to take its place
SELDOM = 1.1  # growth of the audits between two records of how models on trial fare
PROVEN = 500  # audits before a fit that choose which threshold is tested first


@dataclass(frozen=True, slots=True, eq=False)
class Homework:
    """A fit that is due.

    Attributes:
        lesson: What it is given.
        version: Of the model to be.
        cutoff: Fact up to which labels were seen.
        since: Fact from which on they were.
        rows: Labels that there were, those that could not be learned from included.
    """

    lesson: Lesson
    version: int
    cutoff: int
    since: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What a fit gave, and what it took."""

    model: str
    fails: bool
    metrics: dict[str, float]
    spans: dict[str, float]
    worker: str


@dataclass(slots=True)
class Candidate:
    """A model on trial.

    Attributes:
        published: Its fact.
        voice: Loaded.
        trusts: Whether it may answer.
        refuses: Whether it may refuse.
        seen: Fact up to which audits were counted.
        alarms: How many alarms it has lived through.
        errors: Of the audits since the last one, in units of the tolerance.
    """

    published: Published
    voice: Voice
    trusts: Trial
    refuses: Trial | None
    seen: int
    alarms: int
    errors: list[float] = field(default_factory=list)

    def count(self, state: State) -> None:
        """Count new audits, in their order, alarms between them."""
        fresh = state.judges(self.seen)
        self.seen = state.seq
        scores, errors, fails = judge(self.voice, fresh)
        for one, score, error, p in zip(fresh, scores, errors, fails, strict=True):
            self._pass_alarms(state, one.seq)
            self.trusts.add(float(score), bool(error > 1.0))
            self.errors.append(float(error))
            if self.refuses is not None:
                self.refuses.add(1.0 - float(p), one.outputs is not None)
        self._pass_alarms(state, state.seq + 1)

    @property
    def told(self) -> dict[str, Any]:
        """What the audits say of it."""
        errors = np.array(self.errors)
        return trial_of(self.published.ref.version, self.published.rows, self.trusts, errors)

    @property
    def refusal(self) -> float | None:
        """Least P(fails) that it may refuse; None for nothing."""
        if self.refuses is None or self.refuses.threshold is None:
            return None
        return 1.0 - self.refuses.threshold

    def _pass_alarms(self, state: State, until: int) -> None:
        seqs = state.alarm_seqs
        while self.alarms < len(seqs) and seqs[self.alarms] < until:
            self.alarms += 1
            if seqs[self.alarms - 1] > self.published.cutoff:
                self.trusts.forget()
                self.errors.clear()
                if self.refuses is not None:
                    self.refuses.forget()


Judged = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def judge(voice: Voice, judges: list[Answered]) -> Judged:
    """Scores, errors (beyond 1 they are wrong, as failures are), P(fails); ``(n,)`` each."""
    count = len(judges)
    scores, errors, fails = np.full(count, np.inf), np.full(count, np.inf), np.zeros(count)
    groups: dict[Any, list[int]] = {}
    for number, one in enumerate(judges):
        groups.setdefault((form_of(one.inputs), form_of(one.outputs)), []).append(number)
    for rows in groups.values():
        scores[rows], errors[rows], fails[rows] = _judged(voice, [judges[i] for i in rows])
    return scores, errors, fails


def _judged(voice: Voice, judges: list[Answered]) -> Judged:
    """The same of some that can be one batch."""
    said = voice.say(Batch.of([one.inputs for one in judges]))
    errors = np.full(len(judges), np.inf)
    labels = [one.outputs for one in judges if one.outputs is not None]
    if labels and said.mean is not None:
        errors = voice.tolerance.errors(said.mean, Batch.of(labels))
    return said.score, np.where(np.isfinite(said.score), errors, np.inf), said.fails


@dataclass(slots=True)
class Learner:
    """Judges, gates and says what to fit.

    Attributes:
        settings: Of the surrogate.
        load: Gives the voice of a published model.
        now: Seconds of the surrogate's time.
    """

    settings: SurrogateSettings
    load: Callable[[Published], Voice]
    now: Callable[[], float]
    candidates: dict[int, Candidate] = field(default_factory=dict)
    alarm: Alarm = field(init=False)
    _heard: tuple[int, int] = (0, 0)  # alarms, and audits since the last one

    def __post_init__(self) -> None:
        self.alarm = Alarm(1.0 - self.settings.coverage, self.settings.patience)

    # -- drift ----------------------------------------------------------------------------------

    def drifted(self, state: State) -> list[Entry]:
        """An alarm, where the audits speak against the gate."""
        alarms, heard = self._heard
        if alarms != len(state.alarms):
            self.alarm.reset()
            heard = 0
        fresh = state.audited[heard:]
        self._heard = len(state.alarms), len(state.audited)
        raised = False
        for audit in fresh:
            raised = self.alarm.add(audit.wrong) or raised
        return [self._alarm_entry(state)] if raised else []

    def _alarm_entry(self, state: State) -> Entry:
        count = self.alarm.since
        recent = state.audited[-count:]
        # It may have begun right after the last good audit.
        begun, last = state.audited[-count - 1 :][0], recent[-1]
        wrong, trusted = sum(audit.wrong for audit in recent), last.trusted - begun.trusted
        data = {
            "t": self.now(),
            "version": state.gate.version,
            "since": begun.seq,
            "audits": len(recent),
            "wrong": wrong,
            "calls": last.calls - begun.calls,
            "trusted": trusted,
            # Nobody knows which; by the share of the audits, so many.
            "false_accepts": round(trusted * wrong / len(recent)),
        }
        return Entry("surrogate.alarm", data)

    # -- the gate -------------------------------------------------------------------------------

    def decide(self, state: State) -> list[Entry]:
        """A new gate, where the audits want one."""
        self._catch_up(state)
        gate = self._gate(state)
        if gate == state.gate:
            return self._trials(state)
        told = {name: getattr(gate, name) for name in gate.__slots__}
        entries = [Entry("surrogate.gate", {"t": self.now(), **told})]
        trusted = state.published[gate.version] if gate.threshold is not None else None
        if trusted is not None and state.since and trusted.cutoff < state.forgotten:
            # What was learned before the alarm holds, so that nothing need be left out any more.
            entries.append(Entry("surrogate.relearned", {"t": self.now(), "since": 0}))
        return entries

    def _trials(self, state: State) -> list[Entry]:
        """How models on trial fare, now and then while none is trusted: why is not seen else."""
        judged, last = len(state.judging), state.trials
        told = [one["version"] for one in last.get("trials", ())]
        due = last.get("judged", 0) * SELDOM
        if state.gate.threshold is not None or not self.candidates:
            return []
        if told == sorted(self.candidates) and judged <= due:
            return []
        trials = [self.candidates[version].told for version in sorted(self.candidates)]
        return [Entry("surrogate.trials", {"t": self.now(), "judged": judged, "trials": trials})]

    def _catch_up(self, state: State) -> None:
        """Count the audits that are new to each live model."""
        newest = sorted(state.published)[-self.settings.models :]
        live = set(newest) | ({state.gate.version} & set(state.published))
        self.candidates = {v: c for v, c in self.candidates.items() if v in live}
        for version in sorted(live):
            if version not in self.candidates:
                self.candidates[version] = self._candidate(state.published[version])
            self.candidates[version].count(state)

    def _candidate(self, published: Published) -> Candidate:
        told = self.settings
        refuses = None
        if told.refuse is not None and published.fails:
            refuses = Trial(Promise(told.refuse, told.confidence), REFUSALS)
        promise = Promise(told.coverage, told.confidence)
        trusts = Trial(promise, range(published.start, len(GRID)))
        trusts.take_over(published.threshold)
        if refuses is not None and published.refusal is not None:
            refuses.take_over(1.0 - published.refusal)
        return Candidate(published, self.load(published), trusts, refuses, published.cutoff, 0)

    def _gate(self, state: State) -> Gate:
        """The gate that audits allow: the newest model's that trusts about as much as the best."""
        held = {v: c for v, c in self.candidates.items() if c.trusts.threshold is not None}
        if not held:
            refusing = [v for v, c in self.candidates.items() if c.refusal is not None]
            version = max(refusing, default=state.gate.version)
            last = self.candidates.get(version)
            watched = None if last is None else last.trusts.watched
            return Gate(version, None, last.refusal if last else None, watched=watched)
        share = {version: c.trusts.trusted_share() for version, c in held.items()}
        best = max(share.values())
        version = max(v for v in held if share[v] >= KEEPS * best)
        chosen = held[version]
        # The share is for people and changes with each audit: it is that of the last look.
        in_force = state.gate
        now = in_force.version, in_force.threshold, in_force.refusal, in_force.watched
        watched = chosen.trusts.watched
        if now == (version, chosen.trusts.threshold, chosen.refusal, watched):
            return in_force
        share_told, rests = round(share[version], 4), len(chosen.trusts.scores)
        return Gate(version, chosen.trusts.threshold, chosen.refusal, share_told, rests, watched)

    # -- fitting --------------------------------------------------------------------------------

    def homework(self, state: State) -> Homework | None:
        """A fit, where there is enough new to learn from."""
        rows, told = state.rows, self.settings
        before, since = state.fitted
        if since != state.since:  # after an alarm labels are gathered anew
            before = 0
        given = 0 if state.since else state.given  # the surrogate's own labels say when
        own, grown = (rows - given, before - given) if before else (rows, 0)
        if own < max(told.first, int(grown * told.growth)):
            return None
        learned = alike(state.training(told.most_rows))
        if sum(one.outputs is not None for one in learned) < told.first:
            return None
        failed = sum(one.outputs is None for one in learned)
        known = tried(learned) if failed >= FEWEST_FAILURES else None
        version = max(state.published, default=0) + 1
        lesson = Lesson(labelled(learned), known, told.seed + version)
        return Homework(lesson, version, state.seq, state.since, rows)

    def published(self, work: Homework, fitted: Fitted, ref: ModelRef, state: State) -> Entry:
        """The fact of a fit whose states were saved."""
        form = form_of_batch(work.lesson.dataset.inputs)
        told = Published(ref, work.cutoff, fitted.model, 0, fitted.fails, 0, form=form)
        voice = self.load(told)
        after = state.alarm_seqs[-1] if state.alarm_seqs else 0
        before = [one for one in state.judges(after) if one.seq <= work.cutoff][-PROVEN:]
        scores, errors, _ = judge(voice, before)
        wrong = errors > 1.0
        data = {
            "t": self.now(),
            "version": ref.version,
            "files": list(ref.files),
            "digest": ref.digest,
            "dataset": len(state.learned) + len(state.judging),
            "train": len(work.lesson.dataset),
            "rows": work.rows,
            "cutoff": work.cutoff,
            "since": work.since,
            "start": first_threshold(scores, wrong, 1.0 - self.settings.coverage),
            "model": fitted.model,
            "fails": fitted.fails,
            "form": form,
            "metrics": fitted.metrics,
            "spans": [fitted.spans],
            "workers": [fitted.worker],
            "why": "more labels",
        }
        return Entry("model.published", data)

    def adopted(self, about: Mapping[str, Any], ref: ModelRef, state: State) -> list[Entry]:
        """The facts of a model that was imported with its gate."""
        gate = about["gate"]
        data = {
            "t": self.now(),
            "version": ref.version,
            "files": list(ref.files),
            "digest": ref.digest,
            "dataset": 0,
            "train": 0,
            "cutoff": state.seq,
            "since": state.since,
            "start": GRID.index(gate["threshold"] or 0.5),
            "model": about["model"],
            "fails": any(FAILING in name for name in ref.files),
            "metrics": {},
            "spans": [],
            "workers": [],
            "why": "imported",
            "threshold": gate["threshold"],
            "refusal": gate["refusal"],
            "form": about.get("form"),
        }
        told = {name: gate[name] for name in ("threshold", "refusal", "share", "audits")}
        opened = {"t": self.now(), "version": ref.version, **told}
        return [Entry("model.published", data), Entry("surrogate.gate", opened)]

    def unlearned(self, work: Homework, message: str) -> Entry:
        """The fact of a fit that failed."""
        rows = {"train": len(work.lesson.dataset), "rows": work.rows}
        data = {"t": self.now(), **rows, "since": work.since, "message": message}
        return Entry("surrogate.unlearned", data)

"""What the facts of a surrogate add up to, the same in every process that follows them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch
from querist.core.events import unpack_batch
from querist.core.tasks import ModelRef
from querist.surrogate.earlier import fitting
from querist.surrogate.record import Known

POINTS = 4000
Form = tuple[tuple[str, int, bool], ...]
TEXT = "US"
TOLD = ("calls", "trusted", "refused", "predict", "late")
"""Of the counts: what processes tell now and then."""
JUDGES = (Purpose.CALIBRATION.value, Purpose.AUDIT.value)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A simulation that ended.

    Attributes:
        seq: Of its fact.
        inputs: Named arrays.
        outputs: Named arrays, None where it failed.
        purpose: Whether it is learned from ("train") or judges.
    """

    seq: int
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array] | None
    purpose: str


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate in force.

    Attributes:
        version: Of the model; 0 for none.
        threshold: Largest score, in units of the tolerance, that is trusted; None to trust nothing.
        refusal: Least P(simulation fails), by this version, that is refused; None for nothing.
        share: Of the audits that it would have trusted.
        audits: On which it rests.
        watched: Largest score that was ever proven. Where more were wrong since, ``threshold`` is
            smaller, and what lies between tells whether that was chance or drift.
    """

    version: int = 0
    threshold: float | None = None
    refusal: float | None = None
    share: float = 0.0
    audits: int = 0
    watched: float | None = None


@dataclass(slots=True)
class Counts:
    """Calls, and what became of them."""

    calls: int = 0
    trusted: int = 0
    refused: int = 0
    predict: float = 0.0
    audits: int = 0
    within: int = 0
    failures: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """A fitted model.

    Attributes:
        ref: Its weights.
        cutoff: Fact up to which it may have seen labels; later audits judge it.
        model: Which kind it is.
        rows: Labels that it learned from.
        fails: Whether it knows where the simulation fails.
        start: Index of the threshold that is tested first.
        threshold, refusal: What audits had proven where it was imported from.
        form: Of the inputs that it learned from (:func:`form_of`); None if not known.
    """

    ref: ModelRef
    cutoff: int
    model: str
    rows: int
    fails: bool
    start: int
    threshold: float | None = None
    refusal: float | None = None
    form: Form | None = None


class Audit(NamedTuple):
    """A call that is, or was once, trusted, and was simulated anyway; all calls until then."""

    seq: int
    wrong: bool
    calls: int
    trusted: int


class Point(NamedTuple):
    """A moment: simulations and trusted answers until then, audits, and those within."""

    t: float
    simulated: int
    trusted: int
    audits: int
    within: int


@dataclass(slots=True)
class State:
    """Folds facts.

    Attributes:
        learned: Simulations that may be learned from, in the order of their facts.
        judging: Those that judge models instead, likewise.
        published: Models by version.
        gate: In force.
        counts: Of calls.
        audited: Audits since the last alarm.
        alarms: Data of the alarms.
        alarm_seqs: The facts that they are.
        fitted: Labels that there were at the last fit or attempt, and ``since`` then.
        unlearned: Why the last fit failed; empty if it did not.
        since: Fact from which on labels are learned from; moved by an alarm of drift.
        forgotten: Fact up to which audits say nothing any more.
        rows: Labels that may be learned from now.
        given: Of all labels, those that it began with.
        unfit: Labels that it was to begin with, but that are of another kind than the simulation's.
        seq: Of the last fact.
        t: Largest time of a fact.
        wall: When the last fact was recorded, in seconds since 1970.
        open: Sessions that were opened and not closed: host and process id by name.
        sessions: How many there were.
        trials: How models on trial fared while none was trusted: ``judged`` (audits in all) and
            ``trials``; empty if not known.
        curve: Points of what happened, now and then.
    """

    learned: list[Answered] = field(default_factory=list)
    judging: list[Answered] = field(default_factory=list)
    published: dict[int, Published] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    counts: Counts = field(default_factory=Counts)
    audited: list[Audit] = field(default_factory=list)
    alarms: list[Mapping[str, Any]] = field(default_factory=list)
    alarm_seqs: list[int] = field(default_factory=list)
    fitted: tuple[int, int] = (0, 0)
    unlearned: str = ""
    since: int = 0
    forgotten: int = 0
    seq: int = 0
    t: float = 0.0
    wall: float = 0.0
    open: dict[str, tuple[str, int]] = field(default_factory=dict)
    sessions: int = 0
    trials: Mapping[str, Any] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)
    rows: int = 0
    given: int = 0
    unfit: int = 0
    _imported: dict[str, tuple[int, Batch, Batch]] = field(default_factory=dict)
    _asked: dict[str, Mapping[str, Array]] = field(default_factory=dict)

    def take(self, fact: Known) -> None:
        """Fold one fact; kinds that are not known are passed over."""
        self.seq = fact.seq
        self.t, self.wall = max(self.t, float(fact.data.get("t", 0.0))), fact.at
        fold = _FOLDS.get(fact.kind)
        if fold is not None:
            fold(self, fact)

    def _question(self, fact: Known) -> None:
        arrays = {k[3:]: v for k, v in fact.arrays.items() if k.startswith("in/")}
        self._asked[fact.data["question"]] = arrays

    def _label(self, fact: Known) -> None:
        self._answered(fact, {k[4:]: v for k, v in fact.arrays.items() if k.startswith("out/")})

    def _failure(self, fact: Known) -> None:
        self.counts.failures += 1
        self._answered(fact, None)

    def _answered(self, fact: Known, outputs: Mapping[str, Array] | None) -> None:
        inputs = self._asked.pop(fact.data["question"], None)
        if inputs is None:
            return
        if outputs is not None and self._imported:
            self._begin(inputs, outputs)
        purpose = fact.data["purpose"]
        judges = purpose in JUDGES
        one = Answered(fact.seq, inputs, outputs, purpose)
        (self.judging if judges else self.learned).append(one)
        self.rows += outputs is not None and not judges
        self._point()

    def _given(self, fact: Known) -> None:
        """Labels to begin with; what the simulation gives will say how they are to be read."""
        parts = unpack_batch(fact.arrays, "in/"), unpack_batch(fact.arrays, "out/")
        self._imported.setdefault(str(fact.data), (fact.seq, *parts))  # two may begin at once

    def _begin(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        found = []
        for seq, *parts in self._imported.values():
            own = [
                Answered(seq, arrays, label, Purpose.TRAIN.value)
                for arrays, label in fitting((parts[0], parts[1]), inputs, outputs)
            ]
            self.unfit += len(parts[0]) - len(own)
            found += own
        self._imported.clear()
        self.learned[:0] = found
        self.given += len(found)
        self.rows += sum(one.seq > self.since for one in found)

    def _published(self, fact: Known) -> None:
        data = fact.data
        ref = ModelRef(data["version"], tuple(data["files"]), data["digest"])
        told = {k: data[k] for k in ("cutoff", "model", "fails", "start")}
        told |= {k: data.get(k) for k in ("threshold", "refusal")}
        form = data.get("form")
        told["form"] = (
            None if form is None else tuple((n, int(k), bool(text)) for n, k, text in form)
        )
        self.published[ref.version] = Published(ref, rows=data["train"], **told)
        self.fitted, self.unlearned = (data.get("rows", data["train"]), data["since"]), ""

    def _unlearned(self, fact: Known) -> None:
        self.fitted = fact.data.get("rows", fact.data["train"]), fact.data["since"]
        self.unlearned = fact.data["message"]

    def _gate(self, fact: Known) -> None:
        told = {k: fact.data[k] for k in ("version", "threshold", "refusal", "share", "audits")}
        self.gate = Gate(**told, watched=fact.data.get("watched", fact.data["threshold"]))

    def _trials(self, fact: Known) -> None:
        self.trials = fact.data

    def _calls(self, fact: Known) -> None:
        for name in TOLD:
            told = fact.data.get(name, 0)  # folders of earlier versions have no "late"
            setattr(self.counts, name, getattr(self.counts, name) + told)
        self._point()

    def _audited(self, fact: Known) -> None:
        within = bool(fact.data["within"])
        if fact.data.get("trusted", True):
            self.counts.audits += 1
            self.counts.within += within
        c = self.counts
        self.audited.append(Audit(fact.seq, not within, c.calls, c.trusted))
        self._point()

    def _point(self) -> None:
        c, simulated = self.counts, len(self.learned) + len(self.judging) - self.given
        self.curve.append(Point(self.t, simulated, c.trusted, c.audits, c.within))
        if len(self.curve) > POINTS:
            del self.curve[1:-1:2]

    def _alarm(self, fact: Known) -> None:
        self.alarms.append(fact.data)
        self.alarm_seqs.append(fact.seq)
        self.audited.clear()
        self.forgotten = fact.seq
        self._learn_from(int(fact.data["since"]))
        self.gate = Gate(self.gate.version)
        self.trials = {}

    def _opened(self, fact: Known) -> None:
        self.sessions += 1
        self.open[fact.data["session"]] = (fact.data["host"], int(fact.data["pid"]))

    def _closed(self, fact: Known) -> None:
        self.open.pop(fact.data["session"], None)

    def _relearned(self, fact: Known) -> None:
        self._learn_from(int(fact.data["since"]))

    def _learn_from(self, since: int) -> None:
        self.since = since
        self.rows = sum(a.outputs is not None and a.seq > since for a in self.learned)

    # -- what is learned from, and what judges --------------------------------------------------

    def training(self, most: int) -> list[Answered]:
        """The newest simulations that may be learned from, failed ones included."""
        return [one for one in self.learned if one.seq > self.since][-most:]

    def judges(self, after: int) -> list[Answered]:
        """Audits in the facts behind ``after``."""
        return self.judging[bisect_right(self.judging, after, key=attrgetter("seq")) :]


def form_of(arrays: Mapping[str, Array] | None) -> Form | None:
    """What has to be alike for samples to be one batch: names, numbers of axes, text or not."""
    if arrays is None:
        return None
    held = ((name, np.asarray(a)) for name, a in arrays.items())
    return tuple(sorted((name, a.ndim, a.dtype.kind in TEXT) for name, a in held))


def form_of_batch(batch: Batch) -> Form:
    """As :func:`form_of`, of all samples of a batch."""
    held = batch.columns.items()
    return tuple(sorted((n, int(c.shapes.shape[1]), c.data.dtype.kind in TEXT) for n, c in held))


def alike(answers: list[Answered]) -> list[Answered]:
    """Those that can be learned from together: of the form that most have, and of finite inputs.

    One call with a field more, or a NaN that the simulation could make sense of, is answered and
    kept like any other, but must not keep the model from learning from all the rest.
    """
    finite = [one for one in answers if _finite(one.inputs)]
    forms = Counter(form_of(one.inputs) for one in finite)
    labels = Counter(form_of(one.outputs) for one in finite if one.outputs is not None)
    if not forms:
        return []
    form, label = forms.most_common(1)[0][0], (labels.most_common(1) or [(None, 0)])[0][0]
    return [
        one
        for one in finite
        if form_of(one.inputs) == form and form_of(one.outputs) in (label, None)
    ]


def _finite(arrays: Mapping[str, Array]) -> bool:
    return all(
        a.dtype.kind not in "fc" or np.isfinite(a).all() for a in map(np.asarray, arrays.values())
    )


def labelled(answers: list[Answered]) -> Dataset:
    """Those that gave labels, as a dataset to learn from."""
    good = [a for a in answers if a.outputs is not None]
    return Dataset(Batch.of([a.inputs for a in good]), Batch.of([a.outputs or {} for a in good]))


def tried(answers: list[Answered]) -> tuple[Batch, NDArray[np.bool_]]:
    """All inputs, and ``(n,)`` whether each failed."""
    failed = np.array([one.outputs is None for one in answers], np.bool_)
    return Batch.of([one.inputs for one in answers]), failed


_FOLDS = {
    "question.asked": State._question,
    "answer.label": State._label,
    "labels.imported": State._given,
    "answer.failure": State._failure,
    "model.published": State._published,
    "surrogate.gate": State._gate,
    "surrogate.trials": State._trials,
    "surrogate.calls": State._calls,
    "surrogate.audited": State._audited,
    "surrogate.alarm": State._alarm,
    "surrogate.opened": State._opened,
    "surrogate.closed": State._closed,
    "surrogate.relearned": State._relearned,
    "surrogate.unlearned": State._unlearned,
}

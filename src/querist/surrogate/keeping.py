"""One process's hold of a surrogate: its facts, the model that answers, and who learns."""

from __future__ import annotations

import math
import os
import secrets
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Failure, Label, Outcome, Purpose, question_id
from querist.core.batch import Array, Batch
from querist.core.errors import QueristError, RunError
from querist.core.roles import ModelState
from querist.core.tasks import Factory
from querist.models.failing import Failing
from querist.store.run_folder import RunFolder
from querist.surrogate import earlier
from querist.surrogate.clock import Clock, someone
from querist.surrogate.earlier import Labels
from querist.surrogate.errors import DriftWarning
from querist.surrogate.export import Exported
from querist.surrogate.fixed import Fixed
from querist.surrogate.learner import Fitted, Homework, Learner
from querist.surrogate.record import CLOSED, Disk, Entry, Log, Memory
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.shelf import FAILING, FIXED, MODEL, FolderShelf, MemoryShelf, Shelf
from querist.surrogate.state import TOLD, Counts, Gate, Published, State
from querist.surrogate.telling import status_of
from querist.surrogate.voices import Said, Tolerance, Voice, make
from querist.surrogate.working import Done, EngineLike, Workshop, fits

SIMULATION = "simulation"
REFRESH_S = 0.5  # between two looks for what other processes recorded
IDLE_S = 2.0  # after which others may write
LATELY = 30.0  # calls, over which it is looked at whether a gate that is open lets anything through
ASLEEP = 0.1  # of them; below, it is as good as closed
TELL_S = 10.0  # between two records of how many calls there were

OnAlarm = Callable[[Mapping[str, Any]], None]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What is to become of ``n`` inputs.

    Attributes:
        said: By the model.
        by_model, refused, judging: ``(n,)``; neither of the first two means to be simulated, and
            ``judging`` that it is not learned from.
        trusted: ``(n,)`` whether the gate trusts the model, audited or not.
        watched: ``(n,)`` whether it does or once did: what audits look for drift among.
        version: Of the model.
    """

    said: Said
    by_model: Flags
    refused: Flags
    judging: Flags
    trusted: Flags
    watched: Flags
    version: int


class Keeper:
    """Follows and records facts, and does the writer's work where this process is the writer.

    Args:
        settings: Of the surrogate.
        model: Makes the model; None for the default.
        folder: None to keep everything in memory.
        engine: Where fits run.
        on_alarm: Called with the data of each alarm that is recorded from now on.
        labels: What a new surrogate begins with; one that exists has begun already.
    """

    def __init__(
        self,
        settings: SurrogateSettings,
        model: Factory | None,
        folder: RunFolder | None,
        engine: EngineLike,
        on_alarm: OnAlarm | None = None,
        labels: Labels | None = None,
    ) -> None:
        self.settings, self._model, self._on_alarm = settings, model, on_alarm
        self._engine = engine
        self._fits: Workshop | None = None
        self._pid = None if folder is None else os.getpid()
        self._log: Log = Memory() if folder is None else Disk(folder)
        self._shelf: Shelf = MemoryShelf() if folder is None else FolderShelf(folder)
        self._tolerance = Tolerance(settings.tolerance)
        self._voices: dict[int, Voice] = {}
        self._lock, self._learning = threading.RLock(), threading.Lock()
        self._wake, self._shut = threading.Event(), threading.Event()
        self._pending, self._told, self._looked, self._used = Counts(), 0.0, 0.0, 0.0
        self._lately, self._lately_of = 1.0, 0
        self._alarms: list[Mapping[str, Any]] = []
        self.state = State()
        self._follow()
        self._alarms.clear()  # those before now
        self.clock = Clock(self.state.t, self._passed())
        self._learner = Learner(settings, self._load, self.clock)
        self.session = uuid.uuid4().hex
        self._open(folder, labels)

    def _passed(self) -> float:
        """Seconds since the last fact, where another process is at work."""
        if not someone(self.state.open):
            return 0.0
        return time.time() - self.state.wall

    def _open(self, folder: RunFolder | None, labels: Labels | None) -> None:
        who = {"host": socket.gethostname(), "pid": os.getpid()}
        about = {"t": self.clock(), "wall": time.time(), **who}
        entries = [Entry("surrogate.opened", {"session": self.session, **about})]
        if not self.state.sessions:
            run = "" if folder is None else folder.run_id
            told = {"epoch": 1, "run": run, "engine": "surrogate", "cores": os.cpu_count()}
            entries.insert(0, Entry("run.started", {**told, **about}))
            entries += [] if labels is None else earlier.entries(labels)
        self.stream = (self.state.sessions, 0 if folder is None else os.getpid())
        self._record(entries)
        background = self.settings.learn == "background"
        self._thread: threading.Thread | None = None
        if folder is not None or background:
            self._thread = threading.Thread(target=self._attend, name="surrogate", daemon=True)
            self._thread.start()

    # -- facts ----------------------------------------------------------------------------------

    def _record(self, entries: Iterable[Entry]) -> None:
        self._used = time.monotonic()
        self._log.record(entries)
        self._follow()

    def _follow(self) -> None:
        self._looked = time.monotonic()
        for fact in self._log.follow():
            self.state.take(fact)
            if fact.kind == "surrogate.alarm":
                self._alarms.append(fact.data)

    def refresh(self) -> None:
        """Take in what other processes recorded, where the last look was a while ago."""
        if time.monotonic() - self._looked > REFRESH_S:
            self._follow()

    def _tell_calls(self) -> list[Entry]:
        told, self._pending, self._told = self._pending, Counts(), time.monotonic()
        if not (told.calls or told.refused or told.late):
            return []
        data = {name: getattr(told, name) for name in TOLD}
        return [Entry("surrogate.calls", {"t": self.clock(), **data})]

    # -- calls ----------------------------------------------------------------------------------

    def verdict(self, batch: Batch, rng: np.random.Generator | None) -> Verdict:
        """Say what is to become of ``n`` inputs; without randomness there are no audits."""
        self._require_open()
        with self._lock:
            self.refresh()
            gate, count = self.state.gate, len(batch)
            trusts = gate.threshold is not None
            nobody = np.zeros(count, np.bool_)
            share = self.settings.audit if trusts and self._awake(gate) else self.settings.holdout
            judging = nobody if rng is None else rng.random(count) < share
            if gate.watched is None and gate.refusal is None:
                said = Said(None, np.full(count, np.inf), np.zeros(count))
                return Verdict(said, nobody, nobody, judging, nobody, nobody, gate.version)
            begun = time.perf_counter()
            said = self._voice(gate.version).say(batch)
            trusted = said.score <= gate.threshold if gate.threshold is not None else nobody
            if count:
                weight = -math.expm1(-count / LATELY)
                self._lately += weight * (float(trusted.mean()) - self._lately)
            watched = said.score <= gate.watched if gate.watched is not None else nobody
            limit = np.inf if gate.refusal is None else gate.refusal
            refused = (said.fails >= limit) & ~judging
            by_model = trusted & ~judging & ~refused
            self._count(count, int(by_model.sum()), int(refused.sum()), begun)
            return Verdict(said, by_model, refused, judging, trusted, watched, gate.version)

    def late(self, verdict: Verdict, asked: NDArray[np.int64]) -> None:
        """Count calls that were asked of the simulation, and got no answer of it in time."""
        with self._lock:
            trusted = int(verdict.trusted[asked].sum())  # by the model after all
            self._pending.trusted += trusted
            self._pending.late += len(asked) - trusted

    def _awake(self, gate: Gate) -> bool:
        """Whether the gate lets calls through.

        Where they have gone elsewhere, models are judged by as many audits as if it was closed.
        Only earlier calls say so, so that the coin knows nothing of the input.
        """
        if self._lately_of != gate.version:
            self._lately, self._lately_of = 1.0, gate.version
        return self._lately >= ASLEEP

    def _require_open(self) -> None:
        """A forked process has neither the journal's lock nor the threads that belong to it."""
        if self._shut.is_set():
            raise RunError(CLOSED)
        if self._pid is not None and self._pid != os.getpid():
            raise RunError(
                "this surrogate was opened before the process was forked; open its folder again in "
                "each process, which then share it."
            )

    def _count(self, calls: int, trusted: int, refused: int, begun: float) -> None:
        told, now = self._pending, time.perf_counter()
        told.calls += calls
        told.trusted += trusted
        told.refused += refused
        told.predict += now - begun
        if time.monotonic() - self._told > TELL_S:
            self._record(self._tell_calls())

    def answered(
        self, inputs: Mapping[str, Array], index: int, verdict: Verdict, done: tuple[Outcome, Done]
    ) -> None:
        """Record what the simulation gave for input ``index``; it is durable on return."""
        outcome, ended = done
        judging, trusted = bool(verdict.judging[index]), bool(verdict.trusted[index])
        purpose = Purpose.TRAIN
        if judging:
            purpose = Purpose.AUDIT if trusted else Purpose.CALIBRATION
        with self._lock:
            entries = self._tell_calls()
            entries += self._answer_entries(inputs, purpose, outcome, ended)
            if judging and verdict.watched[index]:
                entries.append(self._audit_entry(index, verdict, outcome))
            self._record(entries)

    def _answer_entries(
        self, inputs: Mapping[str, Array], purpose: Purpose, outcome: Outcome, ended: Done
    ) -> list[Entry]:
        sample = Batch.of([inputs]).ids[0]
        # Two processes may ask for one input at once: each is a replicate of its own.
        question = question_id(sample, SIMULATION, secrets.randbits(48))
        now = self.clock()
        shift = now - ended.age - ended.spans.finished
        spans = {
            "submitted": ended.spans.submitted + shift,
            "started": ended.spans.started + shift,
            "finished": ended.spans.finished + shift,
            "received": now,
            "cpu": ended.spans.cpu,
        }
        about = {"question": question, "sample": sample, "oracle": SIMULATION, "t": now}
        data = {
            **about,
            "purpose": purpose.value,
            "attempt": 1,
            "origin": "oracle",
            "spans": spans,
            "worker": ended.worker,
            "pool": SIMULATION if ended.worker else "",
            "cost": ended.spans.seconds,
        }
        asked = Entry(
            "question.asked",
            {**about, "purpose": purpose.value, "why": "gate"},
            {f"in/{name}": value for name, value in inputs.items()},
        )
        return [asked, _answer(outcome, data)]

    def _audit_entry(self, index: int, verdict: Verdict, outcome: Outcome) -> Entry:
        error = None
        if isinstance(outcome, Label) and verdict.said.mean is not None:
            said = verdict.said.mean.take([index])
            found = float(self._tolerance.errors(said, Batch.of([outcome.outputs]))[0])
            error = found if np.isfinite(found) else None
        data = {
            "t": self.clock(),
            "version": verdict.version,
            "within": error is not None and error <= 1.0,
            "trusted": bool(verdict.trusted[index]),
            "error": error,
            "score": float(verdict.said.score[index]),
        }
        return Entry("surrogate.audited", data)

    # -- models ---------------------------------------------------------------------------------

    def _voice(self, version: int) -> Voice:
        return self._load(self.state.published[version])

    def _load(self, published: Published) -> Voice:
        version = published.ref.version
        if version not in self._voices:
            states = self._shelf.load(published.ref)
            model = make(published.model, self._model)
            model.load(states[MODEL])
            failing = Failing(states[FAILING]) if FAILING in states else None
            fixed = Fixed(states[FIXED]) if FIXED in states else None
            self._voices[version] = Voice(model, failing, self._tolerance, published.form, fixed)
        return self._voices[version]

    def voice(self) -> Voice | None:
        """What answers now, or did last; None while none was ever trusted."""
        with self._lock:
            return self._voice(self.state.gate.version) if self.state.gate.version else None

    # -- learning -------------------------------------------------------------------------------

    def learn(self) -> None:
        """Learn from what is new: now, or in the background, as the settings say."""
        if self.settings.learn == "background":
            self._judge()  # here: the thread may be in a long fit, and drift does not wait for it
            self._wake.set()
        else:
            self.upkeep()
        alarms, self._alarms = self._alarms, []
        for data in alarms:
            self._raise_alarm(data)

    def _raise_alarm(self, data: Mapping[str, Any]) -> None:
        if self._on_alarm is not None:
            self._on_alarm(data)
            return
        warnings.warn(
            f"drift: {data['wrong']} of {data['audits']} audits of trusted answers were beyond the "
            "tolerance; the gate is closed until new audits allow it again.",
            DriftWarning,
            stacklevel=5,
        )

    def upkeep(self) -> None:
        """Do what the writer does, where no other process or thread is at it."""
        self._judge()
        if not self._learning.acquire(blocking=False):
            return
        try:
            while (work := self._due()) is not None:
                self._fit(work)
                self._judge()
        finally:
            self._learning.release()

    def _judge(self) -> None:
        """Look for drift and set the gate, also while another thread fits."""
        with self._lock:
            if not self._log.writes():
                return
            self._follow()
            for step in (self._learner.drifted, self._learner.decide):
                entries = step(self.state)
                if entries:
                    self._record(entries)
            live = {*self._learner.candidates, self.state.gate.version}
            self._voices = {v: voice for v, voice in self._voices.items() if v in live}

    def _due(self) -> Homework | None:
        with self._lock:
            return self._learner.homework(self.state) if self._log.writes() else None

    def _fit(self, work: Homework) -> None:
        if self._fits is None:
            self._fits = fits(self._engine, self._model)
        begun = self.clock()
        ((_, done),) = self._fits.run("fit", [{"lesson": work.lesson}])
        with self._lock:
            if isinstance(done.result, Failure):
                self._record([self._learner.unlearned(work, done.result.message)])
                warnings.warn(f"a surrogate could not learn: {done.result.message}", stacklevel=2)
                return
            result = done.result
            parts: dict[str, ModelState] = {MODEL: result["state"]}
            parts |= {k: result[k] for k in (FAILING, FIXED) if result[k] is not None}
            ref = self._shelf.save(work.version, parts)
            spans = {"started": begun, "finished": self.clock()}
            fitted = Fitted(
                result["model"],
                result["failing"] is not None,
                result["metrics"],
                spans,
                done.worker,
            )
            self._record([self._learner.published(work, fitted, ref, self.state)])

    # -- files ----------------------------------------------------------------------------------

    def exported(self) -> Exported:
        """The model in force with its gate.

        Raises:
            RunError: If there is none.
        """
        with self._lock:
            self._follow()
            gate = self.state.gate
            if not gate.version:
                raise RunError("no model has passed its audits yet, so there is nothing to export.")
            published = self.state.published[gate.version]
            about = {"model": published.model, "gate": asdict(gate), "form": published.form}
            return Exported(about, self._shelf.load(published.ref))

    def adopt(self, exported: Exported) -> None:
        """Answer by an imported model with its gate."""
        with self._lock:
            version = max(self.state.published, default=0) + 1
            ref = self._shelf.save(version, exported.states)
            self._record(self._learner.adopted(exported.about, ref, self.state))

    def status(self) -> dict[str, Any]:
        """What is known, JSON-able."""
        with self._lock:
            if not self._shut.is_set():
                self._record(self._tell_calls())
            return status_of(self.state, self.settings)

    def _attend(self) -> None:
        while not self._shut.is_set():
            if self._wake.wait(REFRESH_S):
                self._wake.clear()
                if self.settings.learn == "background":
                    self._upkeep_here()
            elif time.monotonic() - self._used > IDLE_S and self._learning.acquire(blocking=False):
                try:
                    with self._lock:
                        self._log.release()
                finally:
                    self._learning.release()

    def _upkeep_here(self) -> None:
        """In the thread, whose end would end all learning."""
        try:
            self.upkeep()
        except QueristError as error:
            warnings.warn(f"a surrogate could not learn: {error}", stacklevel=2)

    def close(self) -> None:
        """Record what is pending, end workers, and let others write."""
        if self._shut.is_set() or self._pid not in (None, os.getpid()):
            return
        self._shut.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._fits is not None:
            self._fits.close()
        with self._lock:
            closed = Entry("surrogate.closed", {"t": self.clock(), "session": self.session})
            self._record([*self._tell_calls(), closed])
            self._log.close()


def _answer(outcome: Outcome, data: Mapping[str, Any]) -> Entry:
    if isinstance(outcome, Label):
        arrays = {f"out/{name}": value for name, value in outcome.outputs.items()}
        return Entry("answer.label", {**data, "level": outcome.level}, arrays)
    told = {"reason": "", "message": outcome.message, "traceback": "", "final": True}
    if isinstance(outcome, Failure):
        told |= {"reason": outcome.reason.value, "traceback": outcome.traceback}
    return Entry("answer.failure", {**data, **told})

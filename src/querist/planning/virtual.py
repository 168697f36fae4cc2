"""A campaign in simulated time: its own controller, and a world that answers by distributions."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.control.controller import CampaignController
from querist.control.plan import Plan
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.events import (
    Cancel,
    Command,
    Durable,
    Fact,
    Finish,
    Record,
    Say,
    Submit,
    Tick,
)
from querist.core.tasks import Factory, PoolSpec, Task
from querist.engines.durations import Constant, Stream, Uniform
from querist.engines.simulated import Kind, Simulated
from querist.planning.behaviour import Behaviour

SCORES = 512  # different uncertainties that are drawn again and again
_FAILED = Failure(Reason.RAISED, "simulated failure")
_NO_BATCH = Batch({}, ())
_NOBODY = np.full(0, -1, np.int64)


class World:
    """What tasks return and how long they take.

    Samples have an id and no content: nothing here looks inside.

    Args:
        plan: Of the campaign.
        behaviour: Of its tasks.
        rng: Of all draws.
    """

    def __init__(self, plan: Plan, behaviour: Behaviour, rng: np.random.Generator) -> None:
        self._plan, self._behaviour, self._rng = plan, behaviour, rng
        self._found = Stream(behaviour.found, rng)
        self._noise = Stream(behaviour.fits.noise, rng)
        self._label = Label({})
        self._failures = {o.pool: behaviour.failures.get(o.name, 0.0) for o in plan.oracles}
        self._chances = Stream(Uniform(0.0, 1.0), rng)
        self._seconds = {o.pool: Stream(behaviour.of_label(o.name), rng) for o in plan.oracles}
        self._samples = 0
        self._scores = rng.gamma(2.0, 1.0, SCORES)
        self._sketch = QuantileSketch.of(self._scores)
        self._train, self._hop = 0, behaviour.hop
        self.train_labels: Callable[[], int] | None = None  # of the fit that begins
        self._last = 0.0  # seconds of the label task that is being begun

    def kinds(self) -> dict[str, Kind]:
        """For the engine."""
        known = self._behaviour
        return {
            "label": Kind(self._label_seconds, self._answers),
            "explore": Kind(known.slices, lambda task, _: self._slice(task)),
            "fit": Kind(lambda task, _: self._fit_seconds(task), lambda task, _: self._fit(task)),
            "score": Kind(known.scoring, lambda task, _: self._scored(task)),
            "evaluate": Kind(known.evaluating, lambda task, _: self._evaluated(task)),
            "*": Kind(Constant(0.0), lambda _, __: {}),
        }

    def _label_seconds(self, task: Task, rng: np.random.Generator) -> float:
        del rng
        stream, items = self._seconds[task.pool], task.items
        self._last = stream.next() if items == 1 else sum(stream.next() for _ in range(items))
        return self._last + self._hop

    def _answers(self, task: Task, rng: np.random.Generator) -> Mapping[str, Any]:
        del rng
        rate, items = self._failures[task.pool], task.items
        good: Label | Failure = self._label
        outcomes = [good] * items
        if rate > 0:
            chances = self._chances
            outcomes = [_FAILED if chances.next() < rate else good for _ in range(items)]
        return {"outcomes": outcomes, "seconds": [self._last / items] * items}

    def _slice(self, task: Task) -> Mapping[str, Any]:
        version = task.payload["model"].version
        count = round(self._found.next()) if version else task.payload["initial"]
        proposed = max(count, round(self._behaviour.proposed))
        trusted = min(proposed - count, round(self._behaviour.trusted * proposed))
        scores = self._drawn(count) + self._plan.limits.ask if version else np.full(count, np.nan)
        probes = self._batch(1) if version else _NO_BATCH
        return {
            "candidates": self._batch(count),
            "scores": scores,
            "walkers": np.full(count, -1, np.int64),
            "probes": probes,
            "probe_scores": self._drawn(len(probes)),
            "sketch": self._sketch if version else QuantileSketch.empty(),
            "steps": 1,
            "proposed": proposed,
            "trusted": trusted if version else 0,
            "asked": count,
            "rejected": 0,
            "filtered": 0,
            "version": version,
            "predict": 0.0,
            "waiting": False,
            "exhausted": False,
        }

    def _batch(self, count: int) -> Batch:
        first, self._samples = self._samples, self._samples + count
        return Batch({}, tuple(map("s{:x}".format, range(first, first + count))))

    def _drawn(self, count: int) -> Any:
        return self._rng.choice(self._scores, count)

    def _fit_seconds(self, task: Task) -> float:
        members = task.payload["members"]
        labels = task.payload["dataset"].version
        known = self._behaviour.fits.seconds(labels, None if members is None else len(members))
        return known * self._noise.next()

    def _fit(self, task: Task) -> Mapping[str, Any]:
        count = self.train_labels
        self._train = task.payload["dataset"].version if count is None else count()
        return {"file": f"v{task.payload['version']}", "digest": "", "metrics": {}}

    def _scored(self, task: Task) -> Mapping[str, Any]:
        names = [sample.id for sample in task.payload["samples"]]
        scores = self._drawn(len(names)) + self._plan.limits.ask
        return {"version": task.payload["model"].version, "samples": names, "scores": scores}

    def _evaluated(self, task: Task) -> Mapping[str, Any]:
        error = self._behaviour.learning.error(self._train)
        metrics = {self._plan.error_metric: error} if math.isfinite(error) else {}
        told = {"version": task.payload["model"].version, "on": task.payload["on"], "n": 1}
        return {**told, "metrics": metrics, "score": np.zeros(1), "error": np.zeros(1)}


def begun(plan: Plan, behaviour: Behaviour) -> CampaignState | None:
    """The state of a campaign that has labels and a model already; None for a new one."""
    if not behaviour.begun:
        return None
    state, count = CampaignState(plan), behaviour.begun
    state.fold(Fact("labels.imported", {"t": 0.0, "purpose": "train", "count": count}))
    told = {"version": 1, "files": [], "digest": "", "dataset": count, "train": count}
    state.fold(Fact("model.published", {"t": 0.0, **told}))
    return state


@dataclass(slots=True)
class Ended:
    """A simulated campaign that ended.

    Attributes:
        status, reason: As of a real one.
        seconds: Campaign time at the end.
        controller: In its last state.
        tasks: Tasks that ended, all kinds.
        handled: Events that the controller was given.
        said: Its warnings and errors.
    """

    status: str
    reason: str
    seconds: float
    controller: CampaignController
    tasks: int = 0
    handled: int = 0
    said: list[str] = field(default_factory=list)


class Virtual:
    """Drives a controller in simulated time, as a campaign's driver does in real time.

    Records become durable in groups: one sync at a time, each taking ``behaviour.sync`` seconds.

    Args:
        plan: Of the campaign.
        counts: Workers by pool.
        behaviour: Of its tasks.
        seed: The same seed gives the same events.
        on_fact: Called with every fact; None for nobody.
    """

    def __init__(
        self,
        plan: Plan,
        counts: Mapping[str, int],
        behaviour: Behaviour,
        seed: int = 0,
        on_fact: Callable[[Fact], None] | None = None,
    ) -> None:
        self._counts, self._behaviour, self._on_fact = dict(counts), behaviour, on_fact
        self.world = World(plan, behaviour, np.random.default_rng([seed, 7]))
        state = begun(plan, behaviour)
        self.controller = CampaignController(plan, state)
        self.world.train_labels = lambda: self.controller.state.begun_train
        self.engine = Simulated(self.world.kinds(), seed=seed, losses=behaviour.losses)
        self.engine.joining = self._joins
        self._joined = 0
        self._seq = self._syncing = 0
        self._sync_ends = math.inf
        self._ended: Finish | None = None
        self._tasks = self._handled = 0
        self._said: list[str] = []

    def _joins(self, pool: str) -> float:
        del pool
        self._joined += 1
        return self._behaviour.first + self._behaviour.between * (self._joined - 1)

    def run(self, limit: float = 1e9) -> Ended:
        """To the end, or to so many seconds of campaign time."""
        engine, controller = self.engine, self.controller
        with engine, no_collections():
            engine.start(pool_specs(self._counts))
            self._carry_out(controller.begin(0.0, {"pools": self._counts, "wall": 0.0}))
            while self._ended is None and engine.now() < limit:
                self._turn()
        found = self._ended or Finish("unfinished", f"it goes on after {limit:g} s")
        numbers = self._tasks, self._handled
        return Ended(found.status, found.reason, engine.now(), controller, *numbers, self._said)

    def _turn(self) -> None:
        engine, controller = self.engine, self.controller
        now = engine.now()
        deadline = controller.next_deadline()
        until = min(self._sync_ends, math.inf if deadline is None else deadline)
        events = engine.events(None if until == math.inf else max(0.0, until - now))
        now, handle, carry_out = engine.now(), controller.handle, self._carry_out
        self._handled += len(events)
        for event in events:
            if self._ended is None:
                carry_out(handle(event, now))
        if now >= self._sync_ends and self._ended is None:
            self._synced(now)
        if deadline is not None and deadline <= now and self._ended is None:
            self._handled += 1
            carry_out(handle(Tick(), now))

    def _synced(self, now: float) -> None:
        self._sync_ends, durable = math.inf, self._syncing
        self._handled += 1
        self._carry_out(self.controller.handle(Durable(durable), now))
        self._sync(now)

    def _sync(self, now: float) -> None:
        if self._sync_ends == math.inf and self._seq > self._syncing:
            self._syncing, self._sync_ends = self._seq, now + self._behaviour.sync

    def _carry_out(self, commands: Sequence[Command]) -> None:
        submit, on_fact = self.engine.submit, self._on_fact
        for command in commands:
            if isinstance(command, Submit):
                self._tasks += 1
                submit(command.task)
            elif isinstance(command, Record):
                self._seq = command.seq
                if on_fact is not None:
                    on_fact(command.fact)
            else:
                self._seldom(command)
        if self._sync_ends == math.inf and self._seq > self._syncing:
            self._sync(self.engine.now())

    def _seldom(self, command: Command) -> None:
        if isinstance(command, Cancel):
            self.engine.cancel(command.task, command.why, command.hard)
        elif isinstance(command, Say):
            if command.level != "info":
                self._said.append(command.message)
        elif isinstance(command, Finish):
            self._ended = command


@contextmanager
def no_collections() -> Iterator[None]:
    """Look for no garbage in cycles: there is hardly any, and looking takes a sixth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def pool_specs(counts: Mapping[str, int]) -> list[PoolSpec]:
    """Pools of workers that do nothing themselves."""
    nothing = Factory(live=None)
    return [PoolSpec(name, nothing, count) for name, count in counts.items() if count]

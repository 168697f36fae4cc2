"""What the workers of a made-up world do: how long tasks take, how they end, what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.control.desk import prefixed
from querist.control.plan import Plan
from querist.control.posted import ASKED
from querist.control.sketch import QuantileSketch
from querist.core.answers import Abstention, Failure, Label, Outcome, Question, Reason
from querist.core.batch import Batch, Sample
from querist.core.events import Posted, TaskProgress
from querist.core.tasks import Spans, Task


@dataclass(frozen=True, slots=True)
class World:
    """How a made-up world behaves; times are means of exponential distributions, in seconds.

    Attributes:
        oracle_workers: Workers in each oracle's pool.
        label_seconds, slice_seconds, fit_seconds: Of one label, one slice, one task of training.
        sync_seconds: Until a record is durable.
        refusals: Share of questions that fail, one in three of them for good.
        abstentions: Share of questions that the oracle declines.
        failures: Share of label tasks and slices that fail as a whole.
        fit_failures: Share of the trainer's tasks that fail.
        deaths: Share of tasks whose worker dies.
        hangs: Share of label tasks with a time limit that never end by themselves.
        streams: Share of label tasks that stream their outcomes before they end.
        noise: Chance after an event that something comes twice, late, or for no known task.
        crash: Chance after an event that the controller's process dies.
        snapshots: Chance after an event that a snapshot is written.
        outbox: Whether answers are left in the outbox before they are sent.
        universe: How many different samples there are.
        walkers: Walkers of each explorer; each waits for the answer to its candidate.
        slices: Slices after which an explorer is exhausted; None for never.
        cost: What an answer costs; None leaves it to the seconds that it took.
    """

    oracle_workers: int = 2
    label_seconds: float = 0.3
    slice_seconds: float = 0.2
    fit_seconds: float = 0.5
    sync_seconds: float = 0.02
    refusals: float = 0.0
    abstentions: float = 0.0
    failures: float = 0.0
    fit_failures: float = 0.0
    deaths: float = 0.0
    hangs: float = 0.0
    streams: float = 0.0
    noise: float = 0.0
    crash: float = 0.0
    snapshots: float = 0.02
    outbox: bool = False
    universe: int = 100_000
    walkers: int = 3
    slices: int | None = None
    cost: float | None = None


class Work:
    """Ends and results of tasks.

    Attributes:
        waiting: Sample id by slot and walker, for walkers that wait for an answer.
    """

    def __init__(self, plan: Plan, world: World, rng: np.random.Generator) -> None:
        self.plan, self.world, self.rng = plan, world, rng
        self.waiting: dict[tuple[int, int], str] = {}
        self._slices: dict[int, int] = {}
        self._samples: dict[int, Sample] = {}

    def restart(self) -> None:
        """Explorers begin anew: nobody waits."""
        self.waiting.clear()

    def fate(self, task: Task) -> str:
        """How a task will end: "finishes", "streams", "fails", "dies" or "hangs"."""
        world, is_label = self.world, task.kind == "label"
        failures = world.failures if task.kind in ("label", "explore") else world.fit_failures
        shares = {
            "fails": failures,
            "dies": world.deaths,
            "hangs": world.hangs if is_label and task.timeout is not None else 0.0,
            "streams": world.streams if is_label else 0.0,
        }
        draw = self.rng.random()
        for fate, share in shares.items():
            draw -= share
            if draw < 0:
                return fate
        return "finishes"

    def seconds(self, task: Task) -> float:
        """Mean duration of a task."""
        if task.kind == "label":
            return self.world.label_seconds * task.items
        return self.world.slice_seconds if task.kind == "explore" else self.world.fit_seconds

    def spans(self, started: float, now: float) -> Spans:
        """Of a task that ends now."""
        return Spans(started, started, now, now)

    def result(self, task: Task) -> dict[str, Any]:
        """What a task returns that ends well."""
        kinds = {"label": self._label, "explore": self._explore, "fit": self._fit}
        kinds |= {"score": self._score, "evaluate": self._evaluate, "select": self._select}
        return kinds[task.kind](task)

    # ---------------------------------------------------------------------------------- labels

    def outcome(self, question: Question) -> Outcome:
        """One answer."""
        draw = self.rng.random()
        if draw < self.world.refusals:
            return Failure(Reason.NOT_FINITE, "a NaN", transient=draw > self.world.refusals / 3)
        if draw < self.world.refusals + self.world.abstentions:
            return Abstention("not sure")
        return Label({"y": np.array([int(question.sample[:8], 16)])}, "level", self.world.cost)

    def part(self, task: Task, index: int) -> TaskProgress:
        """One outcome, streamed."""
        outcome = self.outcome(task.payload["questions"][index])
        return TaskProgress(task.id, {"index": index, "outcome": outcome, "seconds": 0.1})

    def _label(self, task: Task) -> dict[str, Any]:
        outcomes = [self.outcome(question) for question in task.payload["questions"]]
        result: dict[str, Any] = {"outcomes": outcomes, "seconds": [0.1] * len(outcomes)}
        if self.world.outbox:
            pairs = zip(task.payload["questions"], outcomes, strict=True)
            result["outbox"] = [f"outbox:{task.id}.{q.id}" if _good(o) else None for q, o in pairs]
        return result

    def parcels(self, task: Task, result: Mapping[str, Any]) -> dict[str, Posted]:
        """What a label task leaves in the outbox."""
        parcels = {}
        asked = zip(task.payload["questions"], task.payload["samples"], strict=True)
        for (question, sample), outcome, key in zip(
            asked, result["outcomes"], result["outbox"], strict=True
        ):
            if isinstance(outcome, Label):
                data = {"question": question.id, "origin": "outbox", "level": outcome.level}
                data["asked"] = {**question._asdict(), "uri": sample.uri}
                arrays = {**outcome.outputs, **prefixed(ASKED, sample.arrays)}
                parcels[key] = Posted(key, "answer", data, arrays)
        return parcels

    # ----------------------------------------------------------------------------- exploration

    def sample(self) -> Sample:
        """One of the world's samples."""
        key = int(self.rng.integers(self.world.universe))
        if key not in self._samples:
            self._samples[key] = Sample.of({"x": np.array([key])})
        return self._samples[key]

    def _explore(self, task: Task) -> dict[str, Any]:
        payload, slot, rng = task.payload, task.payload["slot"], self.rng
        for answer in payload["answers"]:
            if self.waiting.get((slot, answer.walker)) == answer.sample.id:
                del self.waiting[slot, answer.walker]
        count = self._slices[slot] = self._slices.get(slot, 0) + 1
        exhausted = self.world.slices is not None and count >= self.world.slices
        version = payload["model"].version
        wanted = payload["initial"] if version == 0 else self.world.walkers
        ready = [w for w in range(self.world.walkers) if (slot, w) not in self.waiting]
        if self.world.slices is not None and count > self.world.slices:
            wanted, ready = 0, []
        walkers = [w for w in ready if rng.random() < 0.7]
        if version == 0:  # more than there are walkers: what is nobody's in particular
            walkers = (ready + [-1] * wanted)[:wanted]
        samples = [self.sample() for _ in walkers]
        for walker, sample in zip(walkers, samples, strict=True):
            if walker >= 0:
                self.waiting[slot, walker] = sample.id
        probes = [self.sample()] if version and ready else []
        steps = 5 if version and ready else 0
        return {
            "candidates": Batch.from_samples(samples),
            "scores": rng.random(len(samples)) / (1 + version)
            if version
            else np.full(wanted, np.nan),
            "walkers": np.array(walkers, np.int64),
            "probes": Batch.from_samples(probes),
            "probe_scores": rng.random(len(probes)),
            "sketch": QuantileSketch.of(rng.random(20) / (1 + version)),
            "waiting": bool(version) and not ready,
            "exhausted": exhausted,
            "version": version,
            "predict": 0.01,
            "steps": steps,
            "proposed": steps,
            "trusted": steps,
            "asked": len(samples),
            "rejected": 0,
            "filtered": 0,
        }

    # -------------------------------------------------------------------------------- training

    def _fit(self, task: Task) -> dict[str, Any]:
        version, part = task.payload["version"], task.payload["part"]
        return {
            "file": f"{version}.{part}",
            "digest": f"{version:x}{part:x}",
            "metrics": {"loss": 1.0},
        }

    def _score(self, task: Task) -> dict[str, Any]:
        version, samples = task.payload["model"].version, task.payload["samples"]
        scores = (self.rng.random(len(samples)) / (1 + version)).tolist()
        return {"version": version, "samples": [s.id for s in samples], "scores": scores}

    def _select(self, task: Task) -> dict[str, Any]:
        payload, samples = task.payload, task.payload["samples"]
        chosen = self.rng.permutation(len(samples))[: payload["budget"]]
        order = {
            "strategy": "made-up",
            "picked": [samples[index].id for index in chosen],
            "scores": self.rng.random(len(chosen)).tolist(),
            "strategies": ["made-up"] * len(chosen),
            "choice": {"round": payload["selection"]},
        }
        named = {"oracle": payload["oracle"], "selection": payload["selection"]}
        return {**self._score(task), **named, "order": order}

    def _evaluate(self, task: Task) -> dict[str, Any]:
        version = task.payload["model"].version
        error = 1.0 / version
        metrics = {self.plan.error_metric or "y.mae": error, "other": None}
        curve = {"score": np.full(3, error), "error": np.full(3, error)}
        result = {"version": version, "n": 3, "metrics": metrics, "on": task.payload["on"], **curve}
        if task.payload["on"] == "holdout":
            moved = error if version > 1 else None
            result["signals"] = {"y.uncertainty": error, "y.change": moved, "y.shift": moved}
        return result


def _good(outcome: Outcome) -> bool:
    return isinstance(outcome, Label)

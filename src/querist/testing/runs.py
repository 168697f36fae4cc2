"""Journals of runs that never took place: realistic facts by the million, from a seed.

For tests and benchmarks of whatever reads a journal. A small event-driven simulation: explorers
find questions, oracles answer them, a trainer publishes better and better models.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.answers import Reason
from querist.core.batch import Array

START = 1_760_000_000.0  # unix seconds
TRACEBACK = """Traceback (most recent call last):
  File "problem.py", line 41, in answer
    energy = calculator.energy(atoms)
  File "calculator.py", line 113, in energy
    raise NotConverged(f"no convergence after {cycles} cycles")
NotConverged: no convergence after 250 cycles (last change 3.1e-04 Ha)
"""
MESSAGES = {
    Reason.RAISED: "the self-consistent field did not converge after 250 cycles",
    Reason.TIMEOUT: "took longer than 30 s and was ended",
    Reason.NOT_FINITE: "field 'forces' holds 3 values that are not finite",
    Reason.WORKER_LOST: "the worker was ended by signal 11 (SIGSEGV)",
}
CALL_FAILURES = (Reason.RAISED, Reason.TIMEOUT, Reason.NOT_FINITE)


@dataclass(frozen=True, slots=True, eq=False)
class RunFact:
    """A record as a journal's reader gives it."""

    seq: int
    kind: str
    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    at: float = START


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What kind of run to make up.

    Attributes:
        labels: How many labels the oracles give before the run ends.
        explorers, oracles: Workers of the two pools (there is one trainer).
        oracle_seconds: Median seconds of one call (log-normal, sigma 0.35).
        slice_seconds: Seconds of one slice of exploration.
        walkers: Walkers of each explorer.
        retrain_every: Labels between two models.
        fit_seconds: Seconds of a fit to 100 labels; it grows linearly.
        holdout_share: Share of questions that are drawn at random for the hold-out.
        failure_rate: Probability that a call fails; a second failure quarantines.
        loss_rate: Probability that a call ends with the death of its worker.
        imported: Labels that were there before.
        resume_after: The run dies after this many labels and is resumed a while later; 0 never.
        ended: Whether the run says that it ended.
    """

    labels: int = 400
    explorers: int = 2
    oracles: int = 4
    oracle_seconds: float = 2.0
    slice_seconds: float = 1.0
    walkers: int = 8
    retrain_every: int = 40
    fit_seconds: float = 6.0
    holdout_share: float = 0.12
    failure_rate: float = 0.04
    loss_rate: float = 0.003
    imported: int = 0
    resume_after: int = 0
    ended: bool = True


def synthetic_run(rng: np.random.Generator, plan: RunPlan | None = None) -> Iterator[RunFact]:
    """The facts of a made-up run, in the order of its journal; equal seeds give equal facts."""
    simulation = _Simulation(rng, plan or RunPlan())
    for seq, (t, wall, kind, data, arrays) in enumerate(simulation.facts(), 1):
        yield RunFact(seq, kind, {"t": t, **data}, arrays, wall)


Raw = tuple[float, float, str, dict[str, Any], dict[str, Array]]
_NONE: dict[str, Array] = {}


class _Simulation:
    def __init__(self, rng: np.random.Generator, plan: RunPlan) -> None:
        self.rng, self.plan = rng, plan
        self.t = 0.0
        self.downtime = 0.0
        self.epoch = 0
        self.labels = 0
        self.imported = 0
        self.train = 0
        self.holdout = 0
        self.version = 0
        self.fitted_on = 0
        self.fitting = False
        self.asked = 0
        self.outstanding = 0
        self.queue = 0.0
        self.retries: list[dict[str, Any]] = []
        self.heap: list[tuple[float, int, str, int, dict[str, Any]]] = []
        self.pushed = 0

    # -- time -------------------------------------------------------------------------------

    def facts(self) -> Iterator[Raw]:
        yield from self.begin()
        handlers = {"explore": self.explored, "label": self.called, "fit": self.fitted}
        while self.heap and self.labels < self.plan.labels:
            self.t, _, kind, worker, payload = heapq.heappop(self.heap)
            yield from handlers[kind](worker, payload)
            if self.plan.resume_after and not self.epoch and self.labels >= self.plan.resume_after:
                yield from self.resume()
        if self.plan.ended:
            end = {"status": "finished", "reason": f"{self.labels} labels were asked for"}
            yield self.fact("run.ended", {"wall": self.wall, **end})

    @property
    def wall(self) -> float:
        return START + self.t + self.downtime

    def fact(self, kind: str, data: dict[str, Any], arrays: dict[str, Array] = _NONE) -> Raw:
        return (self.t, self.wall, kind, data, arrays)

    def push(self, after: float, kind: str, worker: int, payload: dict[str, Any]) -> None:
        self.pushed += 1
        item = (self.t + after, self.pushed, kind, worker, {"begun": self.t, **payload})
        heapq.heappush(self.heap, item)

    def spans(self, begun: float) -> dict[str, float]:
        return {
            "submitted": max(0.0, begun - 0.01),
            "started": begun,
            "finished": self.t,
            "received": self.t + 0.001,
            "cpu": 0.93 * (self.t - begun),
        }

    # -- beginning and resuming ---------------------------------------------------------------

    def begin(self) -> Iterator[Raw]:
        plan = self.plan
        pools = {"explorer": plan.explorers, "oracle.xtb": plan.oracles, "trainer": 1}
        told = {"wall": self.wall, "epoch": self.epoch, "engine": "processes", "pools": pools}
        yield self.fact("run.started", told | {"host": "node-7", "cores": 16})
        if plan.imported and not self.epoch:
            self.imported = self.train = plan.imported
            origin = {"origin": "old.extxyz", "level": "GFN2-xTB", "purpose": "train"}
            yield self.fact("labels.imported", {"count": plan.imported, **origin})
        self.t += 0.4
        for pool, count in pools.items():
            for index in range(count):
                yield self.fact("worker.joined", {"worker": f"{pool}/{index}", "pool": pool})
        for index in range(plan.explorers):
            self.push(plan.slice_seconds, "explore", index, {})
        for index in range(plan.oracles):
            yield from self.ask(index)

    def resume(self) -> Iterator[Raw]:
        # Questions that were out when it died are asked again; the journal knows them already.
        self.retries += [
            item[4]["question"]
            for item in sorted(self.heap, key=lambda i: i[1])
            if item[2] == "label"
        ]
        self.heap.clear()
        self.epoch, self.fitting, self.outstanding = 1, False, 0
        self.downtime = 600.0
        yield from self.begin()

    # -- oracles --------------------------------------------------------------------------------

    def ask(self, worker: int) -> Iterator[Raw]:
        question = self.retries.pop() if self.retries else None
        if question is None:
            question = self.question()
            hidden = ("attempt",)
            shown = {key: value for key, value in question.items() if key not in hidden}
            found = {"slot": worker % self.plan.explorers, "walker": self.asked % self.plan.walkers}
            yield self.fact("question.asked", {**shown, **found, "version": self.version})
        self.outstanding += 1
        self.queue = max(0.0, self.queue - 1)
        seconds = self.plan.oracle_seconds * float(self.rng.lognormal(0.0, 0.35))
        self.push(seconds, "label", worker, {"question": question})

    def question(self) -> dict[str, Any]:
        self.asked += 1
        sample = f"{self.asked:032x}"
        holdout = self.rng.random() < self.plan.holdout_share
        first = self.asked <= max(8, self.plan.retrain_every // 2)
        why = "holdout" if holdout else "initial" if first else "uncertain"
        error = self.error()
        return {
            "question": f"{sample}.xtb.0",
            "sample": sample,
            "oracle": "xtb",
            "replicate": 0,
            "purpose": "holdout" if holdout else "train",
            "priority": 1.0,
            "score": None if first else error * float(self.rng.lognormal(0.3, 0.3)),
            "why": why,
            "estimate": self.plan.oracle_seconds,
            "attempt": 1,
        }

    def called(self, worker: int, payload: dict[str, Any]) -> Iterator[Raw]:
        question, spans = payload["question"], self.spans(payload["begun"])
        self.outstanding -= 1
        name = f"oracle.xtb/{worker}"
        keys = ("question", "sample", "oracle", "purpose", "attempt")
        told = {key: question[key] for key in keys}
        told |= {"worker": name, "spans": spans, "cost": self.t - payload["begun"]}
        draw = self.rng.random()
        if draw < self.plan.loss_rate:
            yield from self.lost(name, told, question)
        elif draw < self.plan.loss_rate + self.plan.failure_rate:
            reason = CALL_FAILURES[int(self.rng.integers(len(CALL_FAILURES)))]
            yield self.failure(told, question, reason)
        else:
            yield from self.labelled(told, question)
        yield from self.ask(worker)

    def labelled(self, told: dict[str, Any], question: dict[str, Any]) -> Iterator[Raw]:
        self.labels += 1
        self.train += question["purpose"] == "train"
        self.holdout += question["purpose"] == "holdout"
        extra = {"level": "GFN2-xTB", "estimate": question["estimate"], "origin": "oracle"}
        yield self.fact("answer.label", told | extra)
        if not self.fitting and self.labels - self.fitted_on >= self.plan.retrain_every:
            self.fitting, self.fitted_on = True, self.labels
            seconds = self.plan.fit_seconds * self.train / 100
            self.push(seconds, "fit", 0, {"labels": self.labels + self.imported})

    def failure(self, told: dict[str, Any], question: dict[str, Any], reason: Reason) -> Raw:
        final = question["attempt"] >= 2
        if not final:
            self.retries.append(question | {"attempt": 2})
        text = {"reason": reason.value, "message": MESSAGES[reason]}
        return self.fact("answer.failure", told | text | {"traceback": TRACEBACK, "final": final})

    def lost(self, name: str, told: dict[str, Any], question: dict[str, Any]) -> Iterator[Raw]:
        yield self.failure(told, question, Reason.WORKER_LOST)
        gone = {"worker": name, "pool": "oracle.xtb", "message": "ended by signal 11 (SIGSEGV)"}
        yield self.fact("worker.lost", gone | {"final": False})
        yield self.fact("worker.joined", {"worker": name, "pool": "oracle.xtb"})

    # -- explorers ------------------------------------------------------------------------------

    def explored(self, worker: int, payload: dict[str, Any]) -> Iterator[Raw]:
        plan, error = self.plan, self.error()
        proposed = plan.walkers * 25
        share = min(0.6, 0.02 + error) if self.version else 1.0
        asked = int(self.rng.binomial(proposed, share * 0.5))
        rejected = int(self.rng.binomial(proposed, share * 0.1))
        self.queue = min(200.0, self.queue + asked * 0.4)
        told = {
            "slot": worker,
            "worker": f"explorer/{worker}",
            "steps": 25,
            "proposed": proposed,
            "trusted": proposed - asked - rejected if self.version else 0,
            "asked": asked,
            "rejected": rejected,
            "filtered": 0,
            "version": self.version,
            "limit": self.limit() if self.version else None,
            "queued": int(self.queue),
            "outstanding": self.outstanding,
            "p50": error * 0.8 if self.version else None,
            "p95": error * 2.1 * float(self.rng.lognormal(0, 0.1)) if self.version else None,
            "predict": 0.7 * plan.slice_seconds,
            "spans": self.spans(payload["begun"]),
        }
        yield self.fact("explored", told)
        pause = 0.02 * plan.slice_seconds
        seconds = plan.slice_seconds * float(self.rng.uniform(0.8, 1.2))
        self.t, now = self.t + pause, self.t
        self.push(seconds, "explore", worker, {})
        self.t = now

    # -- the model ------------------------------------------------------------------------------

    def error(self) -> float:
        """Error of the model in use, in eV/Å: a power law of its training labels."""
        return float(0.9 * max(10, self.imported + self.fitted_on) ** -0.55)

    def limit(self) -> float:
        return self.error() * 1.6

    def fitted(self, worker: int, payload: dict[str, Any]) -> Iterator[Raw]:
        self.version += 1
        self.fitting = False
        told = {"version": self.version, "files": [f"{self.version:06d}.safetensors"]}
        told |= {"digest": f"{self.version * 7919:032x}", "dataset": payload["labels"]}
        told |= {"metrics": {"loss": self.error() / 3}, "why": f"{self.plan.retrain_every} labels"}
        told |= {"spans": [self.spans(payload["begun"])], "workers": ["trainer/0"]}
        yield self.fact("model.published", told)
        dropped = int(self.queue * 0.4)
        self.queue -= dropped
        if dropped:
            why = "no longer uncertain with the new weights"
            yield self.fact("questions.dropped", {"count": dropped, "why": why})
        yield self.fact("gate.limits", self.gate())
        if self.holdout:
            yield self.evaluated()
        begun = self.t
        self.t += 0.05
        task = {"kind": "evaluate", "pool": "trainer", "worker": "trainer/0"}
        yield self.fact("task.ended", task | {"spans": self.spans(begun)})

    def gate(self) -> dict[str, Any]:
        return {"ask": self.limit(), "reject": self.limit() * 8, "version": self.version}

    def evaluated(self) -> Raw:
        count, error = self.holdout, self.error()
        score = error * self.rng.lognormal(-0.4, 0.8, count)
        true = score * np.abs(self.rng.normal(0, 1.0, count)) + 0.15 * error
        metrics = {
            "forces.mae": float(true.mean() / 3),
            "forces.rmse": float(np.sqrt((true**2).mean()) / 3),
            "energy.mae": float(true.mean() / 9),
            "score.coverage": float((true <= 1.96 * score).mean()),
        }
        told = {"version": self.version, "n": count, "on": "holdout", "metrics": metrics}
        return self.fact("model.evaluated", told, {"score": score, "error": true})

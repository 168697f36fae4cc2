"""What the controller costs for each label task, by the number of workers: one JSON line a case.

    python benchmarks/control.py [--quick]

Only the controller's own calls count, in CPU seconds: a task's beginning, its end, and
its share of what becomes durable (a hundred records at a time), of exploring and of re-scoring.
Garbage is collected as often as a campaign's driver lets it be.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import numpy as np

from querist.campaign.driver import rare_collections
from querist.control.controller import CampaignController
from querist.control.gate import LimitRule
from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.control.stop import ErrorBelow, Labels, UncertaintyBelow
from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.events import (
    Command,
    Durable,
    Event,
    Fact,
    Record,
    Submit,
    TaskFinished,
    TaskStarted,
    WorkerJoined,
)
from querist.core.tasks import Spans, Task

SLICE = 200
DURABLE_EVERY = 100


class World:
    """Answers every task at once; makes what it hands out before the clock is started."""

    def __init__(self, workers: int, tasks: int) -> None:
        stop = Labels(tasks) | (ErrorBelow("y.mae", 1e-9) & UncertaintyBelow(1e-9))
        plan = Plan(
            oracles=(OraclePlan("f", timeout=60.0),),
            policy=StandardPolicy(EveryLabels(max(100, tasks // 10)), stop),
            limits=LimitRule(quantile=0.5),
            max_queue=4 * SLICE + 4 * workers,
            labels=tasks,
        )
        state = CampaignState(plan)
        given = {"t": 0.0, "version": 1, "files": ["given"], "digest": "", "dataset": 0, "train": 0}
        state.fold(Fact("model.published", given))
        self.controller = CampaignController(plan, state, seq=1)
        self.rng = np.random.default_rng(0)
        self.label = Label({"y": np.zeros(1)})
        self.now, self.seconds, self.seq = 0.0, 0.0, 1
        self.pools = {"oracle.f": workers, "explorer.0": 1, "trainer": 1}
        self.submitted: list[Task] = []
        self.enough = SLICE + 2 * workers

    def run(self) -> int:
        """Run to the end; returns the number of label tasks."""
        self.take(self.controller.begin(0.0, {"pools": self.pools}))
        joins = [
            WorkerJoined(f"{pool}/{index}", pool)
            for pool, count in self.pools.items()
            for index in range(count)
        ]
        self.give(joins)
        self.seconds = 0.0
        labels = 0
        while self.controller.phase != "done":
            tasks = self.next_tasks()
            labels += sum(task.kind == "label" for task in tasks)
            self.now += 0.01
            events: list[Event] = [TaskStarted(task.id, "w") for task in tasks]
            events += [
                TaskFinished(task.id, "w", self.result(task), self.spans()) for task in tasks
            ]
            self.give(events)
            self.give([Durable(self.seq)])
        return labels

    def next_tasks(self) -> list[Task]:
        """The oldest tasks; a slice of exploring waits until its candidates are needed."""
        running = self.controller.phase == "running"
        enough = running and self.controller.asking.queued >= self.enough
        later = [task for task in self.submitted if task.kind == "explore" and enough]
        ready = [task for task in self.submitted if task not in later]
        self.submitted = ready[DURABLE_EVERY:] + later
        return ready[:DURABLE_EVERY]

    def give(self, events: list[Event]) -> None:
        """Time the controller's calls; look at the commands afterwards."""
        handle, now = self.controller.handle, self.now
        begin = time.thread_time()
        commands = [handle(event, now) for event in events]
        self.seconds += time.thread_time() - begin
        for some in commands:
            self.take(some)

    def take(self, commands: list[Command]) -> None:
        """Note tasks and the newest record."""
        for command in commands:
            if isinstance(command, Submit):
                self.submitted.append(command.task)
            elif isinstance(command, Record):
                self.seq = command.seq

    def spans(self) -> Spans:
        """Half a second of work."""
        return Spans(self.now, self.now, self.now + 0.5, self.now + 0.5)

    def result(self, task: Task) -> dict[str, object]:
        """What a task returns."""
        if task.kind == "label":
            return {"outcomes": [self.label], "seconds": [0.5]}
        if task.kind == "fit":
            return {"file": "weights", "digest": "", "metrics": {}}
        model = task.payload["model"].version
        if task.kind == "score":
            samples = [sample.id for sample in task.payload["samples"]]
            return {"version": model, "samples": samples, "scores": self.rng.random(len(samples))}
        if task.kind == "evaluate":
            curve = {"score": np.zeros(10), "error": np.zeros(10)}
            return {
                "version": model,
                "n": 10,
                "metrics": {"y.mae": 1 / model},
                "on": "holdout",
                **curve,
            }
        return self.slice(model)

    def slice(self, version: int) -> dict[str, object]:
        """Many candidates, so that oracles never wait."""
        scores = self.rng.random(SLICE) + 1.0
        batch = Batch.stack(x=self.rng.random((SLICE, 8))).with_ids()
        probes = Batch.stack(x=self.rng.random((SLICE // 8, 8))).with_ids()
        counts = {"steps": 1, "proposed": SLICE, "trusted": 0, "asked": SLICE}
        return {
            **counts,
            "candidates": batch,
            "scores": scores,
            "walkers": np.arange(SLICE) % 64,
            "probes": probes,
            "probe_scores": np.ones(len(probes)),
            "sketch": QuantileSketch.of(scores),
            "rejected": 0,
            "filtered": 0,
            "version": version,
            "predict": 0.0,
            "waiting": False,
            "exhausted": False,
        }


def main() -> None:
    """Print one line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    tasks = 3_000 if parser.parse_args().quick else 50_000
    for workers in (1, 100, 10_000):
        world = World(workers, max(tasks, 3 * workers))
        with rare_collections():
            labels = world.run()
        state = world.controller.state
        line = {
            "case": "control-label-task",
            "workers": workers,
            "tasks": labels,
            "ours": round(world.seconds / labels * 1e6, 2),
            "unit": "microseconds",
            "labels": state.ledger.labels,
            "versions": state.model.version,
            "finished": math.isclose(state.ledger.labels, world.controller.plan.labels),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

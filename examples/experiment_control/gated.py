"""Predictive control that a gated surrogate answers, and the simulation where it is unsure."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plant import AIMS, Course, Log, Twin, run
from predictive import Pid, plan
from reactor import CLEAN, FEED, FLOW, Ageing, Floats, rate

from querist import Batch, Surrogate
from querist.core.answers import Dataset

GAINS = (5.0, 4.0, 0.15)  # of the PID: the best of 96 triples over 12 plants, seeds 100 to 111
TOLERANCE = 1.0  # K of the coolant, whose limits are 70 K apart
COVERAGE, AUDIT, FIRST = 0.9, 0.1, 30
BEFORE = 200  # calls simulated before the plant starts
TAUGHT, AGAIN = 150, 100  # calls simulated after an alarm; turns until it is done again
AROUND = 0.02, 1.5  # mol/l and K: distances from rest of states that are simulated beforehand
KNOWN = 0.92, 1.04  # of clean walls and of fresh catalyst: what is simulated beforehand


def around(
    count: int, rng: np.random.Generator, wall: Floats, activity: Floats
) -> dict[str, Floats]:
    """Inputs of ``count`` calls around states at rest."""
    aim = rng.uniform(*AIMS, count)
    t = aim + rng.normal(0.0, AROUND[1], count)
    c = FLOW * FEED / (FLOW + rate(aim, activity)) + rng.normal(0.0, AROUND[0], count)
    return {"c": c, "t": t, "aim": aim, "wall": wall, "activity": activity}


def beforehand(count: int, seed: int, *, told: bool) -> Dataset:
    """Answers of the simulation for plants that are nearly new.

    Args:
        count: Of calls.
        seed: Of where.
        told: Whether the activity is an input; else it is that of a fresh catalyst.
    """
    rng = np.random.default_rng([9, seed])
    wall = CLEAN * rng.uniform(*KNOWN, count)
    activity = rng.uniform(*KNOWN, count) if told else np.ones(count)
    inputs = around(count, rng, wall, activity)
    u = plan(inputs["c"], inputs["t"], inputs["aim"], Ageing(wall, activity))
    return Dataset(Batch.stack(**_given(inputs, told)).with_ids(), Batch.stack(result=u))


def _given(inputs: dict[str, Floats], told: bool) -> dict[str, Floats]:
    return {name: value for name, value in inputs.items() if told or name != "activity"}


@dataclass
class Story:
    """What became of one plant's calls, ``(turns,)`` each.

    Attributes:
        log: Of the plant.
        modelled: Whether the model answered.
        wall, cpu: Seconds that each answer took, of the clock and of the processor.
        errors: Of the answers against the simulation, K.
        alarms: Turns in which the gate's alarm came.
        taught: Calls simulated outside turns.
        status: Of the surrogate in the end.
    """

    log: Log
    modelled: NDArray[np.bool_]
    wall: Floats
    cpu: Floats
    errors: Floats
    alarms: list[int]
    taught: int
    status: dict[str, Any]


@dataclass
class Gated:
    """Control of one plant by a surrogate of ``plan``.

    Attributes:
        course: Of the plant.
        seed: Of the surrogate's coins.
        told: Whether the catalyst's activity is among the surrogate's inputs. If not, its decay
            changes what the simulation says of the same inputs, and the gate has to notice.
        hard: Whether an answer of the simulation comes too late for its turn, so that the PID acts
            and the answer is only learned from.
    """

    course: Course
    seed: int = 0
    told: bool = True
    hard: bool = False
    alarms: list[int] = field(default_factory=list)
    taught: int = BEFORE

    def run(self) -> Story:
        """Through the whole course."""
        self._pid, self._turn, self._answered, self._last = Pid(*GAINS), 0, 0, 0
        self._rng = np.random.default_rng([10, self.seed])
        self._rows: list[tuple[bool, float, float, float]] = []
        with Surrogate(
            self._simulate,
            tolerance=TOLERANCE,
            coverage=COVERAGE,
            audit=AUDIT,
            first=FIRST,
            seed=self.seed,
            labels=beforehand(BEFORE, self.seed, told=self.told),
            on_alarm=lambda _data: self.alarms.append(self._turn),
        ) as self._surrogate:
            log = run(self.course, self._control)
            status = self._surrogate.status()
        modelled, wall, cpu, said = (np.array(column) for column in zip(*self._rows, strict=True))
        state = log.seen_c[:, 0], log.seen_t[:, 0], self.course.aim[:, 0]
        errors = said - plan(*state, Ageing(log.wall[:, 0], log.activity[:, 0]))
        return Story(log, modelled, wall, cpu, errors, self.alarms, self.taught, status)

    def _simulate(
        self, c: float, t: float, aim: float, wall: float, activity: float | None = None
    ) -> float:
        # What is not told is that of the twin: it is the simulation of this plant as it is now.
        known = self._twin.activity if activity is None else activity
        state = np.array([[c], [t], [aim]])
        return float(plan(*state, Ageing(wall, known))[0])

    def _teach(self, twin: Twin) -> None:
        """After an alarm, and while its gate stays closed: simulations around rest as it is now."""
        fresh = len(self.alarms) > self._answered
        if not fresh and (not self.alarms or self._turn < self._last + AGAIN):
            return
        if not fresh and self._surrogate.status()["threshold"] is not None:
            return
        self._answered, self._last = len(self.alarms), self._turn
        wall = twin.wall * self._rng.uniform(0.95, 1.05, TAUGHT)
        calls = around(TAUGHT, self._rng, wall, np.repeat(twin.activity, TAUGHT))
        self._surrogate.many(**_given(calls, self.told))
        self.taught += TAUGHT

    def _control(self, turn: int, seen: tuple[Floats, Floats], twin: Twin) -> Floats:
        self._turn, self._twin = turn, twin
        aim = self.course.aim[turn]
        call = {
            "c": seen[0],
            "t": seen[1],
            "aim": aim,
            "wall": twin.wall,
            "activity": twin.activity,
        }
        batch = Batch.stack(**_given(call, self.told))
        wall, cpu = time.perf_counter(), time.thread_time()
        answer = self._surrogate.ask(batch)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        modelled, u = answer.source[0] == "model", np.asarray(answer["result"], float)
        self._rows.append((modelled, wall, cpu, float(u[0])))
        self._teach(twin)
        by_pid = self._pid(seen[1], aim)
        if self.hard and not modelled:
            return by_pid
        self._pid.follow(u, seen[1], aim)
        return u

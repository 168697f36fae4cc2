"""A hundred thousand candidates on ten thousand workers, in simulated time: ``python scale.py``.

The library's own controller runs under a virtual clock. Seconds of dockings are drawn from those
that were measured (``results``), training and predicting take what the committee of forests takes
here. No chemistry is in it: it asks when learning pays, and what it waits for. Learning docks a
fifth of the candidates (``recall.py`` says how many of the best that finds); the other way is to
dock everything.
"""

from __future__ import annotations

import heapq
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from molecules import BITS
from recall import forest
from truth import HERE, read

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import GrowingBy
from querist.control.stop import Labels
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.engines.durations import Constant, Empirical
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.forecast import Allocation, Forecast, forecast

CANDIDATES, WORKERS, SHARE = 100_000, 10_000, 0.2
CHUNK = 1000
LONGER = {"docking": 1, "a hundred times longer": 100, "ten thousand times longer": 10_000}
"""What is asked: a docking, or what takes so many times as long, as dynamics of ns or of 0.1 µs."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What the model costs: seconds of a fit, of each label in it, and of each prediction."""

    fixed: float
    each: float
    predict: float


def measured(few: int = 500, many: int = 2500) -> Learner:
    """Processor seconds of the committee of forests, on bits drawn at random."""
    rng = np.random.default_rng(0)
    bits = (rng.random((many, BITS)) < 0.04).astype(float)
    y = bits @ rng.normal(size=BITS)
    model, spent = forest(), []
    for count in (few, many):
        known = Dataset(Batch.stack(fingerprint=bits[:count]), Batch.stack(affinity=y[:count]))
        begin = time.process_time()
        state = model.fit(known, FitRequest(seed=0)).state
        spent.append(time.process_time() - begin)
    model.load(state)
    begin = time.process_time()
    model.predict(Batch.stack(fingerprint=bits))
    predict = (time.process_time() - begin) / many
    each = max(0.0, (spent[1] - spent[0]) / (many - few))
    return Learner(max(0.0, spent[0] - few * each), each, predict)


def behaviour(seconds: Sequence[float], learner: Learner) -> Behaviour:
    """How tasks behave: answers as measured, every candidate of a slice may be asked."""
    return Behaviour(
        {"vina": Empirical(tuple(seconds))},
        slices=Constant(CHUNK * learner.predict),
        found=Constant(CHUNK),
        proposed=CHUNK,
        trusted=0.0,
        fits=Fits(learner.fixed, learner.each, members=10),
    )


def run(labels: int, initial: int, seconds: Sequence[float], learner: Learner) -> Forecast:
    """So many answers, the first without a model; then it is fitted as its labels grow."""
    plan = Plan(
        oracles=(OraclePlan("vina"),),
        policy=StandardPolicy(GrowingBy(0.25), Labels(labels)),
        labels=labels,
        initial=initial,
        holdout=0.0,
        max_queue=2 * WORKERS,
        final_fit=False,
    )
    allocation = Allocation(2, (("vina", WORKERS - 7),), 5)
    return forecast(plan, allocation, behaviour(seconds, learner), members=10)


def everything(seconds: Sequence[float], seed: int = 0) -> float:
    """Seconds in which all workers dock all candidates, each taking the next when it is free."""
    drawn = Empirical(tuple(seconds)).draw(np.random.default_rng(seed), CANDIDATES)
    free = [0.0] * WORKERS
    for one in drawn.tolist():
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def study(seconds: Sequence[float], learner: Learner) -> Iterator[dict[str, Any]]:
    """Virtual seconds with learning, and of docking everything, for short and long simulations."""
    for name, factor in LONGER.items():
        longer = [factor * one for one in seconds]
        begin = time.process_time()
        some = run(round(SHARE * CANDIDATES), WORKERS, longer, learner)
        yield {
            "asked": name,
            "mean_seconds": float(np.mean(longer)),
            "learning": some.seconds,
            "everything": everything(longer),
            "busy": some.busy["vina"],
            "waits_for": some.bottleneck,
            "labels": some.labels,
            "simulated_in": time.process_time() - begin,
        }


def main() -> None:
    """Measure the model, simulate, and print a line for each kind of simulation."""
    host, exhaustiveness = [*sys.argv[1:], "beta", "1"][:2]
    known = read(HERE / "results" / f"{host}-{exhaustiveness}.csv")
    learner = measured()
    print(learner, flush=True)
    told = []
    for one in study([seconds for _, seconds in known.values()], learner):
        print(json.dumps(one), flush=True)
        told.append(one)
    Path("scale.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

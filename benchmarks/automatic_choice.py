"""Automatic choice of a strategy against single strategies, at equal numbers of labels.

    python benchmarks/automatic_choice.py [--quick] [--problem NAME ...] [--seeds N]
        [--cifar TAR] [--processes 1] [--records FILE] [--figure FOLDER]

Arms, all from the same start, pool and test set of a seed:

- each single strategy, and ``mixed``: every batch by a strategy drawn at random, nothing learned;
- ``auto``: branches, forecasts and successive halving, judged on a hold-out that is given;
- ``auto-charged``: the same, but a fifth of the budget pays for the hold-out, drawn at random. The
  model that is delivered learns from the hold-out too;
- ``albl``: the bandit, judged by importance-weighted accuracy, no hold-out.

What is measured is the model of all labels bought so far, on the test set, which no arm sees. One
JSON object a line: mean of ``ours`` and of ``peer``, the paired difference by seed with its 95 %
interval, Wilcoxon's p, Holm's correction over all comparisons that are printed. ``best-single`` is
the strategy with the highest mean area over these very seeds, in hindsight, ``mean-single`` what a
blind choice of one strategy gives on average. ``--quick`` takes three seeds and one small problem.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from automatic_choice_figure import draw
from learning_curves_data import Split
from learning_curves_models import SoftmaxRegression
from learning_curves_problems import Cifar, balanced, generator, of_bundled
from learning_curves_tables import LEVEL, area, holm, paired
from threadpoolctl import threadpool_limits

from querist.strategies import registry
from querist.strategies.choosing.albl import Albl
from querist.strategies.choosing.auto import Auto
from querist.strategies.choosing.forecast import fit
from querist.strategies.choosing.pools import AlblPool, AutoPool, Work

SINGLES = ("margin", "entropy", "badge", "k-center", "k-means", "random")
CHARGED = 0.2
CHOOSERS = ("auto", "auto-charged", "albl", "mixed")
PEERS = ("random", "best-single", "mean-single", "mixed")


@dataclass(frozen=True)
class Problem:
    """A set, a budget beyond the start, a batch, and the size of the hold-out that is given."""

    name: str
    classes: int
    start: int
    budget: int
    batch: int
    holdout: int
    penalty: float = 1.0

    @property
    def charged(self) -> int:
        """Labels of the hold-out that is paid for."""
        return round(CHARGED * self.budget)


PROBLEMS = (
    Problem("digits", 10, 10, 240, 4, 300),
    Problem("breast-cancer", 2, 4, 120, 3, 100),
    Problem("wine", 3, 6, 60, 2, 30),
    Problem("cifar-network", 10, 20, 480, 8, 500, 10.0),
)


@functools.lru_cache(maxsize=1)
def cifar(path: Path | None) -> Cifar:
    """CIFAR-10's features, or those of a stand-in."""
    return Cifar(path, None)


def split_of(problem: Problem, seed: int, path: Path | None) -> Split:
    """What a seed sees."""
    if problem.name == "cifar-network":
        return cifar(path).split("network", problem.start, balanced(3_000))(seed)
    return of_bundled(problem.name, problem.start, classes=True)(seed)


class Seed:
    """One seed of a problem: its rows, and the callables that a choice needs."""

    def __init__(self, problem: Problem, seed: int, path: Path | None) -> None:
        self.problem, self.seed = problem, seed
        split = self.split = split_of(problem, seed, path)
        rest = np.setdiff1d(np.arange(len(split.inputs)), split.start)
        held = generator(seed, 7).permutation(rest)[: problem.holdout]
        self.held = held
        rows = np.setdiff1d(np.arange(len(split.inputs)), held)
        self.inputs, self.targets = split.inputs[rows], split.targets[rows]
        self.start = np.searchsorted(rows, split.start).tolist()

    def model(self, rows: np.ndarray, extra: np.ndarray | None = None) -> SoftmaxRegression:
        """Fitted to rows of the pool, and perhaps to some of the hold-out."""
        inputs, targets = self.inputs[rows], self.targets[rows]
        if extra is not None:
            inputs = np.concatenate([inputs, self.split.inputs[extra]])
            targets = np.concatenate([targets, self.split.targets[extra]])
        made = SoftmaxRegression(self.problem.classes, self.problem.penalty)
        made.fit(inputs, targets, generator(self.seed, 3))
        return made

    def work(self, held: np.ndarray) -> Work:
        """The caller's part of a choice that is judged on these rows."""
        inputs, targets = self.split.inputs[held], self.split.targets[held]

        def evaluate(model: SoftmaxRegression) -> tuple[float, float]:
            share = accuracy(model, inputs, targets)
            # One more of each kind: a small hold-out without a mistake proves little.
            sober = (share * len(held) + 1) / (len(held) + 2)
            return share, float(np.sqrt(sober * (1 - sober) / len(held)))

        def data(model: Any, rows: Any, labelled: Any, names: Sequence[str]) -> dict[str, Any]:
            found = model.told(self.inputs[rows], set(names))
            return {**found, "items": rows, "labelled_embeddings": self.inputs[labelled]}

        def correct(model: SoftmaxRegression, rows: np.ndarray) -> np.ndarray:
            return guesses(model, self.inputs[rows]) == self.targets[rows]

        return Work(lambda _: None, self.model, evaluate, data, correct)

    def test(self, rows: Sequence[int], extra: np.ndarray | None = None) -> float:
        """Accuracy of the model that would be delivered."""
        model = self.model(np.array(rows), extra)
        return accuracy(model, self.split.test_inputs, self.split.test_targets)


def guesses(model: SoftmaxRegression, inputs: np.ndarray) -> np.ndarray:
    """Classes."""
    return model.told(inputs, {"probabilities"})["probabilities"].argmax(axis=1)


def accuracy(model: SoftmaxRegression, inputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of right guesses."""
    return float((guesses(model, inputs) == targets).mean())


class Mixed:
    """Every batch by a strategy drawn at random."""

    def __init__(self, seed: Seed) -> None:
        self.seed, self.labelled = seed, list(seed.start)
        self._rng = generator(seed.seed, 11)
        self._data = seed.work(seed.held).data

    def step(self) -> bool:
        """One batch."""
        problem = self.seed.problem
        left = problem.budget + problem.start - len(self.labelled)
        if left <= 0:
            return False
        free = np.setdiff1d(np.arange(len(self.seed.inputs)), self.labelled)
        strategy = registry.get(str(self._rng.choice(SINGLES)))
        kinds = (*strategy.needs, *strategy.optional)
        known = np.array(self.labelled)
        given = self._data(self.seed.model(known), free, known, kinds)
        picked = strategy(
            min(problem.batch, left),
            rng=self._rng,
            **{name: value for name, value in given.items() if name in kinds},
        )
        self.labelled += free[picked.indices].tolist()
        return True


def chooser(arm: str, seed: Seed) -> tuple[Any, np.ndarray | None]:
    """What runs an arm, and the rows of the hold-out that it paid for."""
    problem, pool, start = seed.problem, len(seed.inputs), seed.start
    if arm == "mixed":
        return Mixed(seed), None
    if arm == "albl":
        albl = Albl(SINGLES, problem.budget, pool, seed.seed)
        work = seed.work(seed.held)
        return AlblPool(albl, work, start, batch=problem.batch, seed=seed.seed), None
    names = SINGLES if arm.startswith("auto") else (arm,)
    paid = seed.held[: problem.charged] if arm == "auto-charged" else None
    budget = problem.budget - (0 if paid is None else len(paid))
    auto = Auto(names, budget, problem.batch)
    return AutoPool(
        auto, seed.work(seed.held if paid is None else paid), pool, start, seed.seed
    ), paid


def run(problem: Problem, arm: str, number: int, path: Path | None) -> dict[str, Any]:
    """One curve, by labels bought, on the grid of batches."""
    begun = time.process_time()
    seed = Seed(problem, number, path)
    running, paid = chooser(arm, seed)
    bought, found = [0], [seed.test(seed.start)]
    if paid is not None:
        bought, found = [*bought, len(paid)], [*found, seed.test(running.labelled, paid)]
    while running.step():
        count = len(running.labelled) - problem.start + (0 if paid is None else len(paid))
        if count > bought[-1]:
            bought.append(count)
            found.append(seed.test(running.labelled, paid))
    grid = np.arange(0, problem.budget + 1, problem.batch)
    record = {
        "problem": problem.name,
        "arm": arm,
        "seed": number,
        "labels": bought[-1],
        "curve": np.interp(grid, bought, found).round(5).tolist(),
        "cpu_s": round(time.process_time() - begun, 2),
    }
    if arm.startswith("auto"):
        record["choice"] = running.auto.record()
    if arm == "albl":
        record["probabilities"] = running.albl.history[-1]["probabilities"]
    return record


def seed_of(problem: Problem, number: int, path: Path | None) -> list[dict[str, Any]]:
    """All arms of one seed, on one thread."""
    with threadpool_limits(1):
        return [run(problem, arm, number, path) for arm in (*SINGLES, *CHOOSERS)]


class Results:
    """Areas and last accuracies by arm, ``(seeds,)`` each."""

    def __init__(self, problem: str, records: Sequence[dict[str, Any]]) -> None:
        self.problem = problem
        self.records = [one for one in records if one["problem"] == problem]
        self.best = max(SINGLES, key=lambda arm: self._of(arm, area).mean())

    def of(self, arm: str, measure: str) -> np.ndarray:
        """Of an arm, of the best single one, or of the mean of all single ones."""
        by = area if measure == "area" else lambda curve: curve[-1]
        if arm == "mean-single":
            return np.mean([self._of(one, by) for one in SINGLES], axis=0)
        return self._of(self.best if arm == "best-single" else arm, by)

    def _of(self, arm: str, by: Any) -> np.ndarray:
        mine = sorted((one["seed"], by(one["curve"])) for one in self.records if one["arm"] == arm)
        return np.array([value for _, value in mine])

    def comparisons(self) -> Iterator[dict[str, Any]]:
        """Every chooser against every peer."""
        for measure in ("area", "final"):
            for arm in CHOOSERS:
                for peer in PEERS:
                    if arm != peer:
                        mine, other = self.of(arm, measure), self.of(peer, measure)
                        yield {
                            "case": f"{self.problem}/{measure}/{arm}",
                            "peer_name": self.best if peer == "best-single" else peer,
                            "against": peer,
                            "ours": mine.mean(),
                            "peer": other.mean(),
                            "limit": None,
                            "ratio": mine.mean() / other.mean(),
                            "seeds": len(mine),
                            **paired(mine, other),
                        }

    def arms(self) -> Iterator[dict[str, Any]]:
        """Means of every arm, and what was chosen."""
        for arm in (*SINGLES, *CHOOSERS):
            mine = [one for one in self.records if one["arm"] == arm]
            line = {
                "case": f"{self.problem}/{arm}",
                "area": self.of(arm, "area").mean(),
                "final": self.of(arm, "final").mean(),
                "labels": Counter(one["labels"] for one in mine).most_common(1)[0][0],
                "cpu_s": float(np.mean([one["cpu_s"] for one in mine])),
            }
            if arm.startswith("auto"):
                line["chosen"] = dict(Counter(one["choice"]["chosen"] for one in mine))
            if arm == "albl":
                each = [one["probabilities"] for one in mine]
                line["followed"] = {s: float(np.mean([p[s] for p in each])) for s in SINGLES}
            yield line

    def forecasts(self) -> dict[str, Any]:
        """Single strategies' curves: from the first third to the mean of the last five."""
        hits, misses, naive = [], [], []
        problem = next(one for one in PROBLEMS if one.name == self.problem)
        for record in self.records:
            if record["arm"] in SINGLES:
                curve = record["curve"]
                seen, true = len(curve) // 3, float(np.mean(curve[-5:]))
                labels = problem.start + problem.batch * np.arange(len(curve))
                told = fit(labels[:seen].tolist(), curve[:seen]).at(float(labels[-3]))
                hits.append(told.quantile(0.025) <= true <= told.quantile(0.975))
                misses.append(abs(told.mean - true))
                naive.append(abs(curve[seen - 1] - true))
        return {
            "case": f"{self.problem}/forecast",
            "ours": float(np.mean(misses)),
            "peer": float(np.mean(naive)),
            "peer_name": "the last value seen",
            "ratio": float(np.mean(misses) / np.mean(naive)),
            "inside_95": float(np.mean(hits)),
            "curves": len(hits),
        }


def lines(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Everything that is printed."""
    names = list(dict.fromkeys(one["problem"] for one in records))
    results = [Results(name, records) for name in names]
    for one in results:
        yield from one.arms()
        yield one.forecasts()
    compared = [line for one in results for line in one.comparisons()]
    for line, raised in zip(compared, holm([line["p"] for line in compared]), strict=True):
        better = "better" if line["difference"] > 0 else "worse"
        yield {**line, "p_holm": raised, "verdict": better if raised < LEVEL else "no difference"}


def rounded(line: dict[str, Any]) -> str:
    """One line of JSON, four digits."""
    exact = json.dumps(line, default=float)
    return json.dumps(json.loads(exact, parse_float=lambda text: float(f"{float(text):.4g}")))


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--problem", nargs="+", choices=[one.name for one in PROBLEMS])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    bundled = [one.name for one in PROBLEMS if one.name != "cifar-network" or given.cifar]
    names = given.problem or (["wine"] if given.quick else bundled)
    chosen = [one for one in PROBLEMS if one.name in names]
    jobs = [(p, s) for p in chosen for s in range(3 if given.quick else given.seeds)]
    with ProcessPoolExecutor(given.processes) as pool:
        tasks = [pool.submit(seed_of, problem, seed, given.cifar) for problem, seed in jobs]
        records = [record for task in tasks for record in task.result()]
    if given.records:
        given.records.write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    for line in lines(records):
        print(rounded(line), flush=True)
    if given.figure:
        draw(records, given.figure)


if __name__ == "__main__":
    main()

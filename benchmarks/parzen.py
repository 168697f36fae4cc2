"""scikit-activeml's tutorial of evaluation: which label to ask next, from none, in a plane.

    python benchmarks/parzen.py [--quick] [--seeds 20] [--strategy NAME ...] [--peers PYTHON]

One JSON object a line: a strategy's mean accuracy over 50 labels, 5 folds and all data sets (in
``tutorial`` over the tutorial's own), and how much it is above random, with half of the 95 %
interval by data set. ``--peers`` names the interpreter of an environment with scikit-activeml.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from parzen_data import CLASSES, LABELS, Fold, Window, folds
from scipy.stats import t

from querist.strategies import registry
from querist.strategies.contract import Strategy

HERE = Path(__file__).parent
NAMES = (
    "random",
    "mcpal",
    "mcpal(density=True)",
    "mcpal(ahead=2)",
    "expected-error-reduction",
    "cold-start(quire, typiclust, until=1)",
    "cold-start(discriminative, typiclust, until=1)",
    "probcover",
    "typiclust",
    "maxherding",
    "cold-start(margin, typiclust, until=25)",
    "least-confidence",
)


def curve(fold: Fold, strategy: Strategy) -> list[float]:
    """Accuracies after each label."""
    window, labelled, found = Window(fold), list[int](), list[float]()
    for turn in range(LABELS):
        left = np.setdiff1d(np.arange(len(fold.pool)), labelled)
        data = {
            "items": left,
            "embeddings": fold.pool[left],
            "labelled_embeddings": fold.pool[labelled],
            "labelled_classes": fold.classes[labelled],
            "probabilities": window.probabilities()[left],
        }
        wanted = {*strategy.needs, *strategy.optional}
        if strategy.name.startswith("mcpal"):
            wanted -= {"probabilities"}  # it is the same window by itself
        given: dict[str, Any] = {name: data[name] for name in data if name in wanted}
        if "classes" in strategy.options and "labelled_classes" in wanted:
            given["classes"] = CLASSES
        rng = np.random.default_rng([fold.seed, turn])
        row = int(left[strategy(1, rng=rng, **given).indices[0]])
        labelled.append(row)
        found.append(window.learn(row))
    return found


def ours(names: list[str], seeds: int) -> Iterator[dict[str, Any]]:
    """A line for each strategy and seed."""
    for name in names:
        strategy = registry.get(name)
        for seed in range(seeds):
            begun = time.process_time()
            mean = float(np.mean([curve(fold, strategy) for fold in folds(seed)]))
            spent = round(time.process_time() - begun, 2)
            yield {"strategy": name, "seed": seed, "accuracy": mean, "cpu_s": spent}


def theirs(python: str, seeds: int) -> Iterator[dict[str, Any]]:
    """The same of scikit-activeml."""
    done = subprocess.run(
        [python, str(HERE / "parzen_peers.py"), str(seeds)], stdout=subprocess.PIPE, check=True
    )
    for line in done.stdout.splitlines():
        yield {"peer": "scikit-activeml", **json.loads(line)}


def compared(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each strategy over all seeds, and beside random."""
    base = np.array([line["accuracy"] for line in lines if line["strategy"] == "random"])
    for name in dict.fromkeys(line["strategy"] for line in lines):
        mine = [line for line in lines if line["strategy"] == name]
        found = np.array([line["accuracy"] for line in mine])
        above, half = found - base, float("nan")
        if len(above) > 1:
            half = float(t.ppf(0.975, len(above) - 1) * above.std(ddof=1) / len(above) ** 0.5)
        yield {
            "case": "parzen",
            "strategy": name,
            "peer": mine[0].get("peer", ""),
            "accuracy": round(float(found.mean()), 4),
            "tutorial": round(float(found[0]), 4),
            "above_random": round(float(above.mean()), 4),
            "half_interval": round(half, 4),
            "sets_above": int(sum(found > base)),
            "cpu_s": round(sum(line["cpu_s"] for line in mine), 1),
        }


def main() -> None:
    """Run the chosen strategies, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one data set")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--strategy", action="append")
    parser.add_argument("--peers")
    chosen = parser.parse_args()
    seeds = 1 if chosen.quick else chosen.seeds
    names = ["random", *(chosen.strategy or NAMES[1:])]
    lines = [*ours(names, seeds), *(theirs(chosen.peers, seeds) if chosen.peers else ())]
    for line in compared(lines):
        print(json.dumps(line))
    sys.stdout.flush()


if __name__ == "__main__":
    main()

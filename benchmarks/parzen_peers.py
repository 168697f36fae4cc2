"""scikit-activeml in the benchmark of Parzen windows; run by it, in an environment that has it.

    python benchmarks/parzen_peers.py SEEDS

Prints a JSON object for each strategy and seed: the mean of the accuracy over 50 labels and folds.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from parzen_data import CLASSES, LABELS, Fold, Window, folds
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import (
    MonteCarloEER,
    ProbabilisticAL,
    Quire,
    UncertaintySampling,
)


def peers(seed: int) -> dict[str, Any]:
    """As the tutorial makes them, and those of the same kind."""
    return {
        "ProbabilisticAL": ProbabilisticAL(metric="rbf", random_state=seed),
        "UncertaintySampling": UncertaintySampling(random_state=seed),
        "Quire": Quire(classes=list(range(CLASSES)), random_state=seed),
        "MonteCarloEER": MonteCarloEER(random_state=seed),
    }


def curve(fold: Fold, name: str) -> list[float]:
    """Accuracies after each label."""
    window, answers = Window(fold), np.full(len(fold.pool), np.nan)
    strategy = peers(fold.seed)[name]
    given: dict[str, Any] = {}
    if name != "Quire":
        given["clf"] = ParzenWindowClassifier(
            classes=list(range(CLASSES)),
            metric="rbf",
            metric_dict={"gamma": "mean"},
            random_state=fold.seed,
        )
    found = []
    for _ in range(LABELS):
        row = int(strategy.query(X=fold.pool, y=answers, **given)[0])
        answers[row] = fold.classes[row]
        found.append(window.learn(row))
    return found


def main() -> None:
    """All that are named, or the two of the tutorial."""
    warnings.simplefilter("ignore")
    seeds, names = int(sys.argv[1]), sys.argv[2:] or ["ProbabilisticAL", "UncertaintySampling"]
    for name in names:
        for seed in range(seeds):
            begun = time.process_time()
            mean = np.mean([curve(fold, name) for fold in folds(seed)])
            spent = round(time.process_time() - begun, 2)
            line = {
                "strategy": name,
                "seed": seed,
                "accuracy": round(float(mean), 5),
                "cpu_s": spent,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

"""Rounds over texts: what is picked with the model so far teaches more than what is drawn."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from problem import write_texts

from querist.pool.file import load_pool_file
from querist.pool.running import bring_up, pool_of

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2, 3)
RANDOM = {"strategy": "random", "start": "random"}


def main() -> None:
    """Run the case in the working folder."""
    truth = write_texts(Path("texts.csv"), Path("labels.csv"))
    shutil.copy(HERE / "pool.yaml", "pool.yaml")
    print(f"{len(truth)} docstrings of {len(set(truth.values()))} parts of the standard library")
    picked = np.mean([accuracies(seed) for seed in SEEDS], axis=0)
    drawn = np.mean([accuracies(seed, **RANDOM) for seed in SEEDS], axis=0)
    print("right of 400 texts drawn at random, after each round of 25 labels:")
    for name, values in (("picked", picked), ("drawn at random", drawn)):
        print(f"  {name:<16}" + "".join(f"{value:8.1%}" for value in values))
    assert picked[-1] > 0.7
    assert picked[2:].mean() > drawn[2:].mean()
    print("ok")


def accuracies(seed: int, **asked: Any) -> list[float]:
    """On the hold-out, after each round."""
    found = load_pool_file("pool.yaml")
    shutil.rmtree("docstrings", ignore_errors=True)
    with pool_of(found) as pool:
        bring_up(pool, found)
        status = pool.rounds("main", **found.rounds_asked(), seed=1000 * seed, **asked)
        return [one["holdout.accuracy"] for one in status.metrics]


if __name__ == "__main__":
    main()

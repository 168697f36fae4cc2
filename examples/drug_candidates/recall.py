"""How many of the best molecules are found after so many dockings: ``python recall.py``.

The exhaustive docking (``results/HOST-1.csv`` or, of one host, from the folder ``--table``) is the
truth, so nothing is docked here. A search begins with molecules drawn at random, asks for batches,
and learns from each; strategies are those of the library, on the same model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drawing import draw_recall
from molecules import fingerprints, library
from numpy.typing import NDArray
from tanimoto import TanimotoProcess
from truth import HERE, read

import querist
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, Model

STRATEGIES = {
    "random": "random",
    "diverse": "k-center",
    "greedy": "ucb(kappa=0)",
    "ucb": "ucb(kappa=1.5)",
    "thompson": "thompson",
}
BEST, BATCH, SHARE = 20, 25, 0.5
Bits, Order = NDArray[np.float64], NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What was docked: fingerprints (n, 1024), affinities in kcal/mol and costs in s (n,)."""

    bits: Bits
    affinity: Bits
    seconds: Bits

    @staticmethod
    def of(path: Path) -> Pool:
        """From a table of :mod:`truth`."""
        known = read(path)
        rows = sorted(known)
        bits = fingerprints([library()[row] for row in rows])
        energies, seconds = np.array([known[row] for row in rows]).T
        return Pool(bits, -energies, seconds)

    def best(self) -> set[int]:
        """The :data:`BEST` rows of the highest affinity."""
        return set(np.argsort(-self.affinity, kind="stable")[:BEST].tolist())


def forest() -> Model:
    """The library's committee of random forests, members of which differ by their bootstrap."""
    from querist.models.committee import Committee

    options = {"n_estimators": 10, "min_samples_leaf": 2, "max_features": 0.3}
    estimator = "sklearn.ensemble:RandomForestRegressor"
    return Committee(estimator, inputs=["fingerprint"], members=10, options=options)


MODELS = {"tanimoto": lambda: TanimotoProcess(draws=BATCH), "forest": forest}


def offered(
    strategy: str, pool: Pool, known: Order, left: Order, said: Prediction | None
) -> dict[str, Any]:
    """The arrays that a strategy wants."""
    if strategy == "random":
        return {"items": left}
    if strategy == "diverse":
        return {"embeddings": pool.bits[left], "labelled_embeddings": pool.bits[known]}
    assert said is not None
    if strategy == "thompson":
        rows = [np.asarray(member["affinity"]).ravel() for member in said.members or ()]
        return {"member_predictions": np.stack(rows, axis=1)}
    mean, std = (np.asarray(part["affinity"]).ravel() for part in (said.mean, said.std))
    return {"predictions": mean, "std": std}


def predicted(model: Model, pool: Pool, known: Order, left: Order, seed: int) -> Prediction:
    """What a model that was fitted to the known molecules says of those that are left."""
    bits = Batch.stack(fingerprint=pool.bits[known])
    labels = Dataset(bits, Batch.stack(affinity=pool.affinity[known]))
    model.load(model.fit(labels, FitRequest(seed=seed)).state)
    return model.predict(Batch.stack(fingerprint=pool.bits[left]))


def search(
    pool: Pool, strategy: str, seed: int, model: str = "tanimoto", share: float = SHARE
) -> Order:
    """The rows in the order in which a strategy docks them, up to a share of the pool."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pool.affinity))[:BATCH]
    while len(order) < share * len(pool.affinity):
        left = np.setdiff1d(np.arange(len(pool.affinity)), order)
        learns = strategy not in ("random", "diverse")
        said = predicted(MODELS[model](), pool, order, left, seed) if learns else None
        given = offered(strategy, pool, order, left, said)
        picked = querist.select(STRATEGIES[strategy], min(BATCH, len(left)), rng=rng, **given)
        order = np.concatenate([order, left[picked.indices]])
    return order


def found(pool: Pool, order: Order) -> NDArray[np.float64]:
    """The share of the best molecules that is found after each docking (len(order),)."""
    best = pool.best()
    return np.cumsum([int(row) in best for row in order]) / len(best)


def curves(pool: Pool, seeds: int, model: str = "tanimoto") -> dict[str, NDArray[np.float64]]:
    """The recall of every strategy, a row a seed."""
    return {
        name: np.stack([found(pool, search(pool, name, seed, model)) for seed in range(seeds)])
        for name in STRATEGIES
    }


def at(recall: Mapping[str, NDArray[np.float64]], share: float, size: int) -> dict[str, Any]:
    """Mean and standard deviation over seeds of the recall, when a share of the pool was docked."""
    row = round(share * size) - 1
    return {
        name: {"mean": float(rows[:, row].mean()), "std": float(rows[:, row].std(ddof=1))}
        for name, rows in recall.items()
    }


def main() -> None:
    """Study the recall, print a table, draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--host", default="beta")
    parser.add_argument("--exhaustiveness", type=int, default=1)
    parser.add_argument("--table", type=Path, default=HERE / "results", help="folder of the truth")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--model", choices=tuple(MODELS), default="tanimoto")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    pool = Pool.of(options.table / f"{options.host}-{options.exhaustiveness}.csv")
    recall = curves(pool, options.seeds, options.model)
    size = len(pool.affinity)
    told = {f"{share:.0%}": at(recall, share, size) for share in (0.1, 0.2, 0.3, 0.5)}
    for share, by_name in told.items():
        line = "  ".join(f"{n} {v['mean']:.2f} ± {v['std']:.2f}" for n, v in by_name.items())
        print(f"{share:>4} docked: {line}")
    options.out.mkdir(parents=True, exist_ok=True)
    stem = f"recall-{options.host}-{options.model}"
    facts = {"molecules": size, "seeds": options.seeds, "recall": told}
    (options.out / f"{stem}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draw_recall(recall, size, options.out / f"{stem}.png")


if __name__ == "__main__":
    main()

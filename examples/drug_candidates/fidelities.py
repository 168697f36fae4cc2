"""A cheap and a dear docking in one search: ``python fidelities.py [SEEDS]``.

The cheap one is a docking of exhaustiveness 1, the dear one of 8, at about eight times the cost.
The library's search with a fidelity learns from both and takes the molecule and the exhaustiveness
that promise most for their cost; only what the dear one said counts. Dockings come from the tables
of :mod:`truth`, with the seconds that they took, so this repeats without Vina.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from molecules import HEADS, LINKERS, TAILS, parts_of
from truth import HERE, read

from querist import Study

CHEAP, DEAR = 1, 8
RUNS = 60
Tables = Mapping[int, Mapping[int, tuple[float, float]]]


def tables(host: str, folder: Path = HERE / "results") -> dict[int, dict[int, tuple[float, float]]]:
    """Energies and seconds by exhaustiveness and molecule, of molecules docked with both."""
    found = {one: read(folder / f"{host}-{one}.csv") for one in (CHEAP, DEAR)}
    both = found[CHEAP].keys() & found[DEAR].keys()
    return {one: {row: known[row] for row in both} for one, known in found.items()}


def study(known: Tables, seconds: float, seed: int, dear: bool) -> Study:
    """The search for so many seconds of docking, with both fidelities or the dear one alone."""
    names = list(HEADS), list(LINKERS), list(TAILS)
    places = {parts_of(row): row for row in known[DEAR]}

    def replay(head: str, linker: str, tail: str, exhaustiveness: int = DEAR) -> dict[str, float]:
        energy, spent = known[int(exhaustiveness)][places[head, linker, tail]]
        return {"affinity": -energy, "seconds": spent}

    fidelities = (DEAR,) if dear else (CHEAP, DEAR)
    rows = [
        dict(zip(("head", "linker", "tail"), parts, strict=True), exhaustiveness=one)
        for parts in places
        for one in fidelities
    ]
    space = dict(zip(("head", "linker", "tail"), ({"choice": one} for one in names), strict=True))
    if dear:
        rows = [{k: v for k, v in row.items() if k != "exhaustiveness"} for row in rows]
        both: dict[str, Any] = {}
    else:
        space["exhaustiveness"] = {"choice": [CHEAP, DEAR]}
        both = {"fidelity": {"setting": "exhaustiveness", "target": DEAR}}
    return Study(
        name="fidelities",
        space=space,
        candidates=rows,
        maximise="affinity",
        simulation=replay,
        cost="seconds",
        budget={"cost": seconds},
        seed=seed,
        engine="inline",
        **both,
    )


def spent_until(known: Tables, trials: Sequence[Any], within: float) -> tuple[float, bool]:
    """Seconds of docking until a dear one came within so much (kcal/mol) of the best of all."""
    best = max(-energy for energy, _ in known[DEAR].values())
    spent = 0.0
    for trial in trials:
        spent += trial.outputs["seconds"]
        counts = trial.settings.get("exhaustiveness", DEAR) == DEAR
        if counts and trial.outputs["affinity"] > best - within:
            return spent, True
    return spent, False


def compared(known: Tables, seeds: int, seconds: float, within: float = 0.1) -> dict[str, Any]:
    """Seconds until the best was found, seed by seed, and by how many dockings of each kind."""
    told: dict[str, Any] = {}
    for name, dear in (("both", False), ("dear alone", True)):
        spent, asked = [], []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                result = study(known, seconds, seed, dear).run(Path(folder) / "run", progress=False)
                done = [trial for trial in result.trials if trial.outputs]
            spent.append(spent_until(known, done, within))
            cheap = sum(t.settings.get("exhaustiveness", DEAR) == CHEAP for t in done)
            asked.append((cheap, len(done) - cheap))
        told[name] = {
            "seconds": [one for one, _ in spent],
            "found": sum(found for _, found in spent),
            "cheap": float(np.mean([c for c, _ in asked])),
            "dear": float(np.mean([d for _, d in asked])),
        }
    return told


def agreement(known: Tables) -> dict[str, float]:
    """How far the cheap docking is from the dear one, and how many of the best 20 it has."""
    rows = sorted(known[DEAR])
    cheap, dear = (np.array([known[one][row] for row in rows]) for one in (CHEAP, DEAR))
    best = [set(np.argsort(one[:, 0], kind="stable")[:20].tolist()) for one in (cheap, dear)]
    return {
        "molecules": len(rows),
        "higher": float((cheap[:, 0] - dear[:, 0]).mean()),
        "correlation": float(np.corrcoef(cheap[:, 0], dear[:, 0])[0, 1]),
        "shared": len(best[0] & best[1]) / 20,
        "cheap_seconds": float(cheap[:, 1].mean()),
        "dear_seconds": float(dear[:, 1].mean()),
    }


def main() -> None:
    """Compare, and say what was paid."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    host = sys.argv[2] if len(sys.argv) > 2 else "beta"
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else HERE / "results"
    known = tables(host, folder)
    told = agreement(known)
    print(told)
    budget = RUNS * told["dear_seconds"]
    for name, one in compared(known, seeds, budget).items():
        print(f"{name}: best within 0.1 kcal/mol in {one['found']} of {seeds};", one)


if __name__ == "__main__":
    main()

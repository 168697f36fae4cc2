"""Docks, searches and proves what it says: ``python check.py [--full] [--engine ENGINE]``.

The quick form (half a minute) docks into beta-cyclodextrin, which RDKit builds: some molecules
again, to compare them with the table of the exhaustive docking; a campaign that looks for the best
guests; and, without docking, how many of the best 20 each strategy finds. It prints wanted against
got, writes pictures, a report and ``check.json``, and ends with exit code 1 if anything fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from docking import dock, ligand_pdbqt  # noqa: E402
from drawing import draw_molecules, draw_recall  # noqa: E402
from molecules import library, parts_of  # noqa: E402
from recall import BEST, Pool, at, curves  # noqa: E402
from receptors import host_named  # noqa: E402
from truth import HERE, read  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.testing.checks import Row, above, below, finish, new_folder, save  # noqa: E402

HOST, EXHAUSTIVENESS = "beta", 1
AGAIN = 0.3
"""Docked again, energies may differ by this on average (kcal/mol): another processor takes other
random steps."""
DOCKED = 0.3
"""Share of the library that was docked when recalls are compared."""


def again(count: int) -> list[Row]:
    """Dock some molecules again, and compare with the table."""
    known, host = read(HERE / "results" / f"{HOST}-{EXHAUSTIVENESS}.csv"), host_named(HOST)
    rows = np.random.default_rng(4).choice(sorted(known), count, replace=False)
    new = np.array([dock(ligand_pdbqt(library()[i]), host, EXHAUSTIVENESS).energy for i in rows])
    old = np.array([known[int(i)][0] for i in rows])
    agree = float(np.corrcoef(new, old)[0, 1])
    return [
        below(
            f"{count} docked again: mean difference",
            AGAIN,
            float(np.abs(new - old).mean()),
            "kcal/mol",
        ),
        above("  correlation with the table", 0.8, agree),
    ]


def campaign(labels: int, engine: str | None) -> Campaign:
    """The campaign of ``campaign.yaml`` with so many dockings."""
    values = Campaign.load(HERE / "campaign.yaml", engine=engine).settings.model_dump()
    values["budget"] = {"labels": labels}
    return Campaign(**values)


def searched(result: RunResult, initial: int, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """What the campaign found, against the exhaustive docking."""
    known = read(HERE / "results" / f"{HOST}-{EXHAUSTIVENESS}.csv")
    every = np.sort([-energy for energy, _ in known.values()])[::-1]
    data = result.dataset()
    affinity = np.asarray(data.outputs["affinity"]).ravel()
    places = np.asarray(data.inputs["index"]).ravel().astype(int)
    rank = int((every > affinity.max() + 1e-6).sum()) + 1
    gain = float(affinity[initial:].mean() - every.mean())
    best = np.argsort(-affinity)[:8]
    legends = [f"{'-'.join(parts_of(places[i]))}\n{-affinity[i]:.2f} kcal/mol" for i in best]
    draw_molecules([library()[places[i]] for i in best], legends, folder / "molecules.png")
    rows = [
        below(f"rank of the best of {len(affinity)} among all {len(every)}", 26, rank),
        above("chosen ones better than the library's mean", 0.15, gain, "kcal/mol"),
    ]
    return rows, {"labels": len(affinity), "rank": rank, "gain": gain}


def recalled(seeds: int, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """How many of the best are found, by strategy, on the table."""
    pool = Pool.of(HERE / "results" / f"{HOST}-{EXHAUSTIVENESS}.csv")
    size, recall = len(pool.affinity), curves(pool, seeds)
    draw_recall(recall, size, folder / "recall.png")
    told = at(recall, DOCKED, size)
    drawn = told["random"]["mean"]
    rows = [
        above(f"{name}: share of the best {BEST} at {DOCKED:.0%}", 1.5 * drawn, told[name]["mean"])
        for name in ("greedy", "ucb", "thompson")
    ]
    return rows, {"recall": told}


def main(arguments: Sequence[str] | None = None) -> int:
    """Dock, search and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="more dockings, ten seeds")
    parser.add_argument("--engine", choices=("processes", "inline"))
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        rows = again(60 if options.full else 16)
        folder = new_folder(Path("runs"), "drug_candidates")
        labels = 120 if options.full else 48
        result = campaign(labels, options.engine).run(folder, progress=False)
        more, facts = searched(result, 24, folder)
        rest, told = recalled(10 if options.full else 3, folder)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    rows += [*more, *rest]
    save(folder, rows, {**facts, **told})
    print(f"  report   {result.report()}\n  pictures {folder}/recall.png, molecules.png")
    print(f"{time.monotonic() - begin:.0f} s")
    return finish(rows)


if __name__ == "__main__":
    sys.exit(main())

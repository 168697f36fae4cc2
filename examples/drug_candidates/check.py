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
from drawing import draw_molecules, draw_pose, draw_recall  # noqa: E402
from dynamics import difference, rescore  # noqa: E402
from kinase import around, from_folder, posed, rmsd  # noqa: E402
from mmff import openmm  # noqa: E402
from molecules import IMATINIB, library, parts_of  # noqa: E402
from pocket import typed  # noqa: E402
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
PAIR = {"adamantane": 9, "benzamide": 0}
"""Places in the library of two amides of pyridine; which binds better is textbook."""
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


def moved() -> tuple[list[Row], dict[str, Any]]:
    """MMFF94 in OpenMM against RDKit's, and two poses that move in the cyclodextrin."""
    try:
        openmm()
    except QueristError as error:
        print(f"{error} The poses are not rescored.")
        return [], {}
    host, rescored = host_named(HOST), {}
    for name, row in PAIR.items():
        pose = dock(ligand_pdbqt(library()[row]), host, EXHAUSTIVENESS).pose
        rescored[name] = rescore(pose, typed(HOST))
    gain = rescored["benzamide"].energy - rescored["adamantane"].energy
    off = max(difference(library()[row]) for row in PAIR.values())
    farthest = max(one.moved for one in rescored.values())
    rows = [
        below("MMFF94 in OpenMM against RDKit's", 0.01, off, "kcal/mol"),
        above("dynamics: adamantane's amide better than benzene's", 1.0, gain, "kcal/mol"),
        below("  farthest that a pose went", 6.0, farthest, "Å"),
    ]
    energies = {name: one.energy for name, one in rescored.items()}
    return rows, {"dynamics": energies}


def redocked(receptor: Path, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Imatinib, from its SMILES, docked into the kinase that it was taken from."""
    kinase = from_folder(receptor)
    found = dock(ligand_pdbqt(IMATINIB), kinase.host, 8, 100_000)
    off, pose = rmsd(found.pose, kinase.crystal), posed(found.pose)
    draw_pose(kinase.crystal, pose, around(kinase), folder / "imatinib.png")
    print(f"  picture  {folder}/imatinib.png")
    row = below("imatinib docked into 1IEP: distance from the crystal's pose", 2.0, off, "Å RMSD")
    return [row], {"imatinib": {"energy": found.energy, "rmsd": off, "seconds": found.seconds}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Dock, search and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="more dockings, ten seeds")
    parser.add_argument("--engine", choices=("processes", "inline"))
    parser.add_argument("--receptor", type=Path, help="folder with 1IEP: redock imatinib too")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    folder = new_folder(Path("runs"), "drug_candidates")
    try:
        rows = again(60 if options.full else 16)
        labels = 120 if options.full else 48
        result = campaign(labels, options.engine).run(folder, progress=False)
        parts = [
            searched(result, 24, folder),
            recalled(10 if options.full else 3, folder),
            moved(),
            *([redocked(options.receptor, folder)] if options.receptor else []),
        ]
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    facts: dict[str, Any] = {}
    for more, told in parts:
        rows += more
        facts |= told
    save(folder, rows, facts)
    print(f"  report   {result.report()}\n  pictures {folder}/recall.png, molecules.png")
    print(f"{time.monotonic() - begin:.0f} s")
    return finish(rows)


if __name__ == "__main__":
    sys.exit(main())

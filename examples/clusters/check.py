"""Searches, and proves what was found: ``python check.py [--full] [--engine ENGINE] [--seed N]``.

The quick form (half a minute) searches Lennard-Jones clusters of 13 and 19 atoms, ``--full``
all five sizes. Every minimum is relaxed on the oracle itself and compared with the known one. It
prints wanted against got, writes pictures, a report and ``check.json``, and ends with exit code
1 if anything fails.
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
from drawing import draw_clusters, draw_failures, draw_searches  # noqa: E402
from lennard_jones import ARGON, DISTANCE, MINIMA, FloatArray, relaxed  # noqa: E402
from metal_check import LESS, compare, missing_xtb  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.answers import Dataset  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.core.roles import Model  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.testing.checks import Row, finish, new_folder, save, table  # noqa: E402

HERE = Path(__file__).resolve().parent
QUICK_SIZES = (13, 19)
SAME = 1e-5
"""Energies of one minimum agree to this, in epsilon."""
TURN, FULL_TURN = 8.0, 40.0
"""Seconds after which the search is looked at: it goes on while a known minimum is missing."""


def campaign(sizes: Sequence[int], engine: str | None, seed: int = 1) -> Campaign:
    """The campaign of ``lj.yaml``, with the searches of these sizes alone."""
    whole = Campaign.load(HERE / "lj.yaml", engine=engine)
    values = whole.settings.model_dump()
    values["generators"] = [g for g in values["generators"] if g["options"]["atoms"] in sizes]
    values["budget"] = {"labels": 100 * len(sizes)}
    values["seed"] = seed
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 60, "seconds": None}
    elif values["engine"]["kind"] == "processes" and len(sizes) > len(QUICK_SIZES):
        values["explorers"] = 2  # the oracle costs next to nothing: both cores are for searching
    return Campaign(**values)


def lowest_labels(data: Dataset, atoms: int) -> tuple[float, FloatArray]:
    """Energy and positions of the lowest label of a size."""
    sizes = np.diff(data.inputs.columns["positions"].rows[1])
    energies = np.where(sizes == atoms, np.asarray(data.outputs["energy"]), np.inf)
    row = int(energies.argmin())
    place = data.inputs.columns["positions"].item(row)
    return float(energies[row]), np.asarray(place, np.float64)


def missing(data: Dataset, sizes: Sequence[int]) -> list[int]:
    """Sizes whose known minimum no label is near."""
    if not len(data):  # the first turn ended before the first label
        return list(sizes)
    return [n for n in sizes if lowest_labels(data, n)[0] > MINIMA[n] + 0.05]


def search(
    folder: Path, sizes: Sequence[int], engine: str | None, seconds: float, seed: int
) -> tuple[RunResult, float]:
    """Search until a label is near every known minimum, or time is up."""
    wanted = campaign(sizes, engine, seed)
    turn = FULL_TURN if len(sizes) > len(QUICK_SIZES) else TURN
    begin = time.monotonic()
    result = wanted.run(folder, walltime=turn)
    while missing(result.dataset(), sizes) and result.out_of_time:
        if time.monotonic() - begin > seconds:
            break
        result = wanted.resume(folder, walltime=turn)
    return result, time.monotonic() - begin


def minimum_rows(data: Dataset, sizes: Sequence[int]) -> tuple[list[Row], dict[str, Any]]:
    """Relax the lowest label of each size on the oracle, and compare with the literature."""
    rows, found, calls = [], {}, 0
    for atoms in sizes:
        label, place = lowest_labels(data, atoms)
        energy, positions, more = relaxed(place)
        calls += more
        found[f"LJ{atoms}"] = (positions, energy)
        rows.append(
            Row(
                f"minimum of LJ{atoms}, ε",
                f"{MINIMA[atoms]:.6f}",
                f"{energy:.6f} (label {label:.6f})",
                abs(energy - MINIMA[atoms]) < SAME,
            )
        )
    return rows, {"found": found, "calls": calls}


def surrogate_rows(model: Model, found: dict[str, tuple[FloatArray, float]]) -> list[Row]:
    """One model of all sizes: its error at the minima, and what must not change its answer."""
    rng = np.random.default_rng(20_000)
    errors, changes = [], []
    for positions, energy in found.values():
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        order = rng.permutation(len(positions))
        moved = (positions @ turn.T + rng.normal(size=3))[order]
        numbers = np.full((2, len(positions)), ARGON)
        said = model.predict(Batch.stack(numbers=numbers, positions=[positions, moved])).mean
        one, other = said["energy"]
        errors.append(abs(float(one) - energy))
        turned = np.asarray(said["forces"])[0] @ turn.T
        changes.append(abs(float(one - other)))
        changes.append(float(np.abs(turned[order] - np.asarray(said["forces"])[1]).max()))
    return [
        Row(
            "one model: error at the minima, ε", "< 0.05", f"{max(errors):.4f}", max(errors) < 0.05
        ),
        Row(
            "rotated, reflected, exchanged: change, ε and ε/σ",
            "< 1e-7",
            f"{max(changes):.1e}",
            max(changes) < 1e-7,
        ),
    ]


def progress(data: Dataset, sizes: Sequence[int]) -> dict[str, FloatArray]:
    """The lowest label so far of each size, call by call."""
    atoms = np.diff(data.inputs.columns["positions"].rows[1])
    energies = np.asarray(data.outputs["energy"], np.float64)
    found = {}
    for size in sizes:
        own = np.where(atoms == size, energies, np.inf)
        lowest = np.minimum.accumulate(own)
        found[f"LJ{size}"] = np.where(np.isfinite(lowest), lowest, np.nan)
    return found


def lennard_jones(options: argparse.Namespace) -> list[Row]:
    """Search Lennard-Jones clusters, and check what was found."""
    sizes = list(MINIMA) if options.full else list(QUICK_SIZES)
    folder = new_folder(Path("runs"), "clusters_lj")
    print(f"Searching {', '.join(f'LJ{n}' for n in sizes)} with one model; run folder {folder}")
    limit = 1500.0 if options.full else 400.0
    result, seconds = search(folder, sizes, options.engine, limit, options.seed)
    data = result.dataset()
    rows, more = minimum_rows(data, sizes)
    rows += surrogate_rows(result.model(), more["found"])
    calls = len(data) + more["calls"]
    known = {f"LJ{n}": MINIMA[n] for n in sizes}
    draw_searches(progress(data, sizes), known, "ε", folder / "search.png")
    draw_clusters(more["found"], 1.3 * DISTANCE, "ε", folder / "clusters.png")
    facts = {"labels": len(data), "oracle_calls": calls, "seconds": seconds}
    save(folder, rows, facts)
    print(table(rows))
    print(
        f"{len(data)} labels and {more['calls']} calls of the check's relaxations; {seconds:.0f} s."
    )
    print(f"  report   {result.report()}\n  pictures {folder}/search.png, clusters.png\n")
    return rows


def metal(options: argparse.Namespace) -> list[Row]:
    """Search a metal cluster by an oracle that often fails, and count how often."""
    if missing := missing_xtb():
        print(missing)
        return []
    atoms, labels = 6, 60 if options.full else 22
    folder = new_folder(Path("runs"), "clusters_metal")
    print(f"Aluminium, {atoms} atoms, by GFN2-xTB: {labels} labels twice; folder {folder}")
    begin = time.monotonic()
    with_it, without = (found := compare(folder, atoms, labels, options.engine)).values()
    wanted = f"< {LESS:g} of {without.told()}"
    fewer = with_it.share < LESS * without.share
    rows = [Row("calls that failed", wanted, with_it.told(), bool(fewer))]
    draw_failures(
        {name: (calls.failed, calls.seconds) for name, calls in found.items()},
        folder / "failures.png",
    )
    facts = {
        name: {"calls": len(c.failed), "failed": int(c.failed.sum()), "seconds_failed": c.wasted}
        for name, c in found.items()
    }
    save(folder, rows, {"atoms": atoms, "labels": labels, **facts})
    print(table(rows))
    print(f"{time.monotonic() - begin:.0f} s; picture {folder}/failures.png\n")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Search and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="all sizes, at length")
    parser.add_argument("--engine", choices=("processes", "inline", "mpi"))
    parser.add_argument("--seed", type=int, default=1, help="of the Lennard-Jones campaign")
    options = parser.parse_args(arguments)
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    try:
        rows = [*lennard_jones(options), *metal(options)]
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return finish(rows, tabled=True)


if __name__ == "__main__":
    sys.exit(main())

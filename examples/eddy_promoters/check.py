"""Finds the best promoters, and proves it: ``python check.py [--full] [--engine ENGINE]``.

The quick form (half a minute) is on 16 nodes across, ``--full`` on 24. First the solver has to
agree with the literature and to close its balances; then three swarms search on a committee;
what they find is asked again of the oracle and compared with a dense grid; a convolutional network
learns the fields; OpenFOAM, where it is, judges the optimum. It prints wanted against got, writes
pictures, a report and ``check.json`` into the run's folder, and ends with exit code 1 if anything
fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from drawing import draw_pareto, draw_search  # noqa: E402
from found import (  # noqa: E402
    Found,
    best_of,
    counted,
    examine_fields,
    pareto,
    second_opinion,
)
from grid import dense, designs  # noqa: E402
from problem import PRICE, quick, simulate  # noqa: E402
from validation import validated  # noqa: E402
from wanted import worths  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.testing.checks import Row, finish, new_folder, save, table  # noqa: E402

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done, and how near it has to come.

    Attributes:
        oracle: Its function in ``problem.py``.
        nodes: Across the channel.
        initial: First questions.
        labels: Answers of the oracle.
        across: Places, and sizes, of the dense grid.
        short: How far below the best of the grid the optimum may be, in worth.
        off: How far the committee may be from the oracle at its optimum, in worth.
        epochs, members, width: Of the convolutional network.
        share: Of the mean field's error, that the network's has to be below.
    """

    oracle: str
    nodes: int
    initial: int
    labels: int
    across: int
    short: float
    off: float
    epochs: int
    members: int
    width: int
    share: float


QUICK = Size("problem:quick", 16, 12, 36, 5, 0.06, 0.12, 50, 1, 12, 0.8)
FULL = Size("problem:simulate", 24, 20, 120, 9, 0.01, 0.03, 120, 2, 24, 0.35)


NEAR = 0.02
"""In worth: a label this little below the best of the grid is near it."""


def campaign(size: Size, engine: str | None) -> Campaign:
    """The campaign of ``campaign.yaml`` in this size."""
    values = Campaign.load(HERE / "campaign.yaml", engine=engine).settings.model_dump()
    values["budget"] = {"labels": size.labels}
    values["initial"] = size.initial
    oracle = values["oracles"]["lbm"]
    oracle["options"] = {"function": size.oracle}
    oracle["level"] = f"LBM {size.nodes}"
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 20, "seconds": None}
    return Campaign(**values)


def optimum_rows(best: Found, most: float, whole: int, size: Size) -> list[Row]:
    """The optimum against its prediction and against the best of a grid of ``whole`` designs."""
    got = max(best.worth, best.label)
    return [
        Row(
            "worth of the committee's optimum, by the oracle",
            f"{best.said:.3f} ± {size.off:g}",
            f"{best.worth:.3f}",
            abs(best.said - best.worth) < size.off,
        ),
        Row(
            f"the best found against the best of {whole} on the grid",
            f"> {most:.3f} - {size.short:g}",
            f"{got:.3f}",
            got > most - size.short,
        ),
    ]


def search(result: RunResult, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """What the campaign found, against the oracle and a dense grid."""
    folder, data, model = result.folder, result.dataset(), result.model()
    best = best_of(model, data, size.nodes)
    counts = (1, 2, 3, 4) if size is FULL else (best.count,)
    oracle = quick if size is QUICK else simulate
    grid = dense(folder / "grid.npz", oracle, designs(counts, size.across))
    whole, own = len(grid["x"]) + int(grid["refused"]), worths(data.outputs["gains"], PRICE)
    most = float(worths(grid["gains"], PRICE).max())
    rows = optimum_rows(best, most, whole, size)
    front, more = pareto(model, data, size.nodes)
    rows += [*more, *examine_fields(data, grid, best, size, folder / "fields.png")]
    rows += second_opinion(best, size.nodes, folder / "openfoam")
    draw_pareto(front, grid["gains"], folder / "pareto.png")
    draw_search(own, most, whole, folder / "search.png")
    near = np.flatnonzero(own > most - NEAR)
    facts = {
        "best": best.told(),
        "grid": {"best": most, "calls": whole, "refused": int(grid["refused"])},
        "calls_until_near": int(near[0]) + 1 if len(near) else None,
    }
    return rows, {**facts, "labels": len(data), "looked_at": counted(folder)}


def run(options: argparse.Namespace) -> list[Row]:
    """Validate, search, compare."""
    size = FULL if options.full else QUICK
    begin = time.monotonic()
    rows = validated(options.full)
    print(table(rows), flush=True)
    checked = time.monotonic() - begin
    folder = new_folder(Path("runs"), "eddy_promoters")
    print(f"Searching with {size.labels} labels; run folder {folder}", flush=True)
    result = campaign(size, options.engine).run(folder)
    searched = time.monotonic() - begin - checked
    found, facts = search(result, size)
    seconds = {"validation": checked, "campaign": searched, "all": time.monotonic() - begin}
    save(folder, [*rows, *found], {**facts, "seconds": seconds})
    print(table(found))
    told = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    print(
        f"{facts['labels']} calls for {facts['looked_at']:,} designs looked at "
        f"({facts['labels'] / facts['looked_at']:.2%}); {told}.\n"
        f"  within {NEAR} of the best of the grid after {facts['calls_until_near']} calls\n"
        f"  best     {facts['best']}\n  report   {result.report()}\n"
        f"  pictures {folder}/pareto.png, search.png, fields.png"
    )
    return [*rows, *found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate, search and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="24 nodes, the whole grid")
    parser.add_argument("--engine", choices=("processes", "inline", "mpi"))
    options = parser.parse_args(arguments)
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    try:
        rows = run(options)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return finish(rows, tabled=True)


if __name__ == "__main__":
    sys.exit(main())

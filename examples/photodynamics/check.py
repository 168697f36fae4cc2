"""Learns Tully's models, then compares populations on learned, true and exact quantum surfaces.

``python check.py [--engine ENGINE]`` takes the second model in a short form, after a short look at
the molecule (``molecule.py``); ``python check.py --full`` takes all three models and draws
``populations.png`` and ``surfaces.png`` into the run folders.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

for _library in ("OMP", "OPENBLAS", "MKL"):  # one thread a process
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import molecule  # noqa: E402
from populations import Outcome, furthest, outcome, truth  # noqa: E402
from problem import MOMENTA  # noqa: E402
from tully import Exits, exact  # noqa: E402

from querist import model_of  # noqa: E402
from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402

HERE = Path(__file__).resolve().parent
SIGMAS = 3.5  # of the largest of four shares' differences; by chance about once in 500


class Size(NamedTuple):
    """How much is done."""

    models: tuple[str, ...]
    labels: int
    members: int
    momenta: int
    trajectories: int


QUICK = Size(("double",), 32, 2, 2, 300)
FULL = Size(("single", "double", "extended"), 60, 4, 6, 1000)


class Row(NamedTuple):
    """One model and momentum."""

    model: str
    momentum: float
    learned: Outcome
    true: Outcome
    quantum: Exits


def learn(model: str, size: Size, folder: Path, engine: str | None) -> RunResult:
    """Run the campaign of one of Tully's models."""
    values = Campaign.load(HERE / "campaign.yaml", engine=engine).settings.model_dump()
    values["generators"][0]["options"]["model"] = model
    values["model"]["options"]["members"] = size.members
    values["oracles"]["electronic"]["options"]["function"] = f"problem:{model}"
    values["budget"]["labels"] = size.labels
    if values["engine"]["kind"] == "inline":
        # There one answer comes after each slice of exploring: short ones.
        values["slice"] = {"steps": 40, "seconds": None}
    return Campaign(**values).run(folder)


def compare(model: str, size: Size, run: Path) -> list[Row]:
    """Populations after trajectories on the learned surfaces and on the true ones."""
    learned, true = model_of(run), truth(model)
    momenta = MOMENTA[model]
    chosen = momenta if size.momenta >= len(momenta) else momenta[1 :: len(momenta) // size.momenta]
    rows = []
    for momentum in chosen[: size.momenta]:
        count = size.trajectories
        ours = outcome(model, momentum, learned.predict, count, seed=11)
        theirs = outcome(model, momentum, true, count, seed=12)
        rows.append(Row(model, momentum, ours, theirs, exact(model, momentum)))
    return rows


def table(rows: list[Row]) -> str:
    """Shares, in text."""
    head = f"{'model':9} {'k':>3}  {'':8} " + " ".join(f"{way:>9}" for way in Exits._fields)
    lines = [head.replace("_", " ")]
    for row in rows:
        for name, shares in (
            ("learned", row.learned.shares),
            ("true", row.true.shares),
            ("exact", row.quantum),
        ):
            numbers = " ".join(f"{share:13.3f}" for share in shares)
            lines.append(f"{row.model:9} {row.momentum:3.0f}  {name:8} {numbers}")
    return "\n".join(lines)


def report(result: RunResult, rows: list[Row], seconds: float) -> dict[str, Any]:
    """Costs of one model's campaign and of what was done with it."""
    labels = len(result.dataset())
    steps = sum(row.learned.steps for row in rows)
    worst = max(furthest(row.learned, row.true) for row in rows)
    print(
        f"{rows[0].model}: {labels} oracle calls, learned in {seconds:.0f} s; {steps:,} steps on "
        f"the learned surfaces ({labels / steps:.5%} of them were asked); largest difference from "
        f"the true surfaces {worst:.1f} standard errors"
    )
    return {"labels": labels, "steps": steps, "worst": worst}


def main() -> None:
    """Learn, compare, assert."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="three models, 1,000 trajectories each")
    parser.add_argument("--model", choices=sorted(MOMENTA), help="this one alone, in full")
    parser.add_argument("--engine", choices=("processes", "inline", "mpi"))
    options = parser.parse_args()
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    size = FULL if options.full or options.model else QUICK
    size = size._replace(models=(options.model,)) if options.model else size
    if size is QUICK:
        molecule.short()
    for model in size.models:
        begin = time.monotonic()
        folder = Path("runs") / f"tully-{model}"
        result = learn(model, size, folder, options.engine)
        assert result.status == "finished", result.reason
        learned = time.monotonic() - begin
        rows = compare(model, size, result.folder)
        print(table(rows))
        told = report(result, rows, learned)
        if size.members == FULL.members:
            from drawing import draw

            print("pictures:", *draw(model, rows, result))
        assert told["worst"] < SIGMAS, f"populations differ by {told['worst']:.1f} sigma"


if __name__ == "__main__":
    main()

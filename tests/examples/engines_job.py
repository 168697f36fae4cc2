"""A few labels of an example: ``mpiexec -n N python engines_job.py FILE FOLDER [ORACLE]``.

First over the ranks of the job, then in the process of rank 0 alone. ``ORACLE`` takes the place of
the file's function. For each engine it prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from querist.campaign.campaign import Campaign
from querist.engines.mpi import attend

INITIAL, LABELS = 8, 11


def short(file: str, engine: str, oracle: str | None) -> Campaign:
    """The file's campaign, with a small budget: some questions are asked by what explores."""
    values = Campaign.load(file, engine=engine).settings.model_dump()
    values |= {"initial": INITIAL, "budget": {"labels": LABELS}}
    if engine == "inline":
        # There one answer comes after each slice of exploring: short ones.
        values["slice"] = {"steps": 5, "seconds": None}
    (only,) = values["oracles"].values()
    only["workers"] = 1
    if oracle:
        only["options"] = {"function": oracle}
    return Campaign(**values)


def main() -> None:
    """Run on both engines and tell what came of it."""
    file, folder, *oracle = sys.argv[1:]
    attend()  # ranks other than 0 work here until the job ends
    for engine in ("mpi", "inline"):
        campaign = short(file, engine, *(oracle or [None]))
        result = campaign.run(Path(folder) / engine, progress=False)
        count, trained = len(result.dataset()), result.model() is not None
        told = {"engine": engine, "status": result.status, "labels": count, "trained": trained}
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()

"""Oracle calls to a global minimum: plain basin hopping against searches on a surrogate.

``python compare.py [--sizes 13 19 26 31 38] [--seeds 10] [--seconds 900] [--output results]``. Both
use the same moves, the same relaxations and the same oracle. Plain basin hopping (one walker) asks
the oracle for every step of every relaxation; the campaign of ``lj.yaml``, for one size alone,
relaxes on its model. Plain basin hopping has found the minimum when an energy is within 1e-3
epsilon of it; the campaign when a relaxation on the oracle itself, from one of its labels, ends
within 1e-5 epsilon of it, and these calls are counted too. Lennard-Jones energies cost next to
nothing: calls are counted and not seconds. Nothing is asserted: it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import counting  # noqa: E402
import numpy as np  # noqa: E402
from lennard_jones import MINIMA, energy_and_forces  # noqa: E402
from problem import hopping, sensible  # noqa: E402

from querist.campaign.campaign import Campaign  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.prediction import Feedback, Prediction, Verdict, Verdicts  # noqa: E402
from querist.store.reader import read_journal  # noqa: E402

HERE = Path(__file__).resolve().parent


def plain(atoms: int, seed: int, seconds: float) -> dict[str, Any]:
    """Basin hopping of one walker on the oracle itself."""
    search, calls, found = hopping(atoms, walkers=1, seed=seed), 0, False
    begin = time.process_time()
    while not found and time.process_time() - begin < seconds:
        proposal = search.propose()
        positions = np.asarray(proposal.batch["positions"][0], np.float64)
        verdict, energy, forces = Verdict.REJECT, np.inf, np.zeros_like(positions)
        if sensible(proposal.batch)[0]:  # as in the campaign: what makes no sense costs no call
            verdict, (energy, forces) = Verdict.TRUST, energy_and_forces(positions)
            calls, found = calls + 1, energy < MINIMA[atoms] + 1e-3
        verdicts = Verdicts(np.array([verdict], np.int8), np.zeros(1))
        mean = Batch.stack(energy=[energy], forces=[forces])
        search.observe(Feedback(proposal.walkers, Prediction(mean, Batch({})), verdicts))
    cpu = time.process_time() - begin
    return {"calls": calls, "found": found, "hops": search.landings, "cpu": cpu}


def surrogate(atoms: int, seed: int, seconds: float) -> dict[str, Any]:
    """The campaign of ``lj.yaml`` for one size, on the engine "inline"."""
    oracle = counting.begin(atoms)
    settings = Campaign.load(HERE / "lj.yaml").settings
    values = settings.model_dump()
    options = {"atoms": atoms, "walkers": 6}
    values |= {
        "engine": "inline",
        "seed": seed,
        "generators": [
            {"use": "problem:hopping", "options": options},
            {"use": "problem:breeding", "options": options},
        ],
        "oracles": {"lj": {"use": "function", "options": {"function": "counting:ask"}}},
        "policy": {"use": "counting:until_found", "options": {"seconds": seconds}},
        "slice": {"steps": 40, "seconds": None},
        "budget": {},
        "retrain": {},
    }
    folder = Path(tempfile.mkdtemp())
    begin = time.process_time()
    try:
        result = Campaign(**values).run(folder / "run", progress=False)
        steps = sum(explored(folder / "run"))
        labels = len(result.dataset())
    finally:
        shutil.rmtree(folder)
    cpu = time.process_time() - begin
    return {
        "calls": oracle.calls,
        "found": oracle.found,
        "labels": labels,
        "steps": steps,
        "cpu": cpu,
        "status": f"{result.status}: {result.reason}",
    }


def explored(run: Path) -> list[int]:
    """Relaxation steps on the model, slice by slice."""
    facts = read_journal(run / "journal")
    return [int(fact.data["proposed"]) for fact in facts if fact.kind == "explored"]


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and quartiles of the calls, those that found nothing counted as infinite."""
    calls = np.array([row["calls"] if row["found"] else np.inf for row in rows])
    low, middle, high = np.quantile(calls, [0.25, 0.5, 0.75], method="closest_observation")
    numbers = {"q25": low, "median": middle, "q75": high}
    plain_numbers = {k: float(v) if np.isfinite(v) else None for k, v in numbers.items()}
    return {"found": int(np.isfinite(calls).sum()), "of": len(rows), **plain_numbers}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(MINIMA))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=900.0, help="for one search at most")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    for atoms in options.sizes:
        found: dict[str, Any] = {"atoms": atoms, "known": MINIMA[atoms]}
        for name, search in (("plain", plain), ("surrogate", surrogate)):
            rows = []
            for seed in range(options.seeds):
                rows.append(search(atoms, seed, options.seconds))
                print(json.dumps({"atoms": atoms, "search": name, "seed": seed, **rows[-1]}))
                sys.stdout.flush()
            found[name] = {**summary(rows), "runs": rows}
        path = options.output / f"compare-{atoms}.json"
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        for name in ("plain", "surrogate"):
            print({key: value for key, value in found[name].items() if key != "runs"}, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
